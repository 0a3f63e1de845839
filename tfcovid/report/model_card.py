"""A model card: what CLAIM and TRIPOD+AI ask a report to say first, from the run's own files.

What no file of the run knows, such as how the reference standard was made, is said to be unknown:
the card is a form that is filled in as far as a program can.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tfcovid.report.words import counted, interval, network_words, number

SPLITS = ("train", "validation", "test")
NOT_KNOWN = "not known to the program: add it before publishing"
DASH = "\u2013"


def model_card(
    metrics: Mapping[str, Any],
    manifest: pd.DataFrame,
    rejected: pd.DataFrame,
    asked: Mapping[str, Any],
    decision: Mapping[str, Any],
) -> dict[str, str]:
    """Returns item and answer, in the order of the checklists.

    Args:
      metrics: the content of metrics.json.
      manifest: the images used, with the manifest's columns.
      rejected: the images not used.
      asked: every flag's value.
      decision: the content of decision.json.

    Source: CLAIM 2024 (Tejani et al., Radiology: AI 6(4)), items 6-36; TRIPOD+AI (Collins et al.
      2024, BMJ 385:e078378), items 5-16.
    """
    return {
        "Purpose": f"Research: telling {_listed(metrics['classes'])} apart on one chest X-ray. Not "
        "for diagnosis, triage or treatment.",
        "Data": _data(manifest, asked),
        "Participants": _invented(asked) + _participants(manifest),
        "Eligibility": f"{counted(len(manifest), 'image')} used, {counted(len(rejected), 'image')} "
        "listed and not used, each with its reason in rejected.csv.",
        "Reference standard": f"the labels of the data set; how they were made is {NOT_KNOWN}.",
        "Partition": _partition(manifest, asked),
        "Model": f"{network_words(asked)}, {asked['image_size']} px, weights {_weights(asked)}; "
        f"view {metrics['view']}, preprocessing {metrics.get('preprocessing', 'plain')}.",
        "Training": _training(asked),
        "Probabilities and threshold": f"{decision['how']}, on {decision['chosen_on']['split']} "
        "only, before the test split was scored.",
        "Decision": _decision(decision),
        "Performance": next(words(metrics) for key, words in PERFORMANCE.items() if key in metrics),
        "Missing data": _missing(manifest),
        "External test": "none in this report; tfcovid.evaluate --data_dir=ANOTHER makes one.",
        "Ethics, registration, funding": NOT_KNOWN + ".",
    }


def _decision(decision: Mapping[str, Any]) -> str:
    """Returns the rule, as it is applied to an image's probabilities."""
    if "outputs" in decision:
        return "each finding from its own threshold on."
    if "thresholds" not in decision:
        return "each fold's by its own network's rule, which its page tells."
    if decision["thresholds"]:
        ((name, threshold),) = decision["thresholds"].items()
        return f"{name} from a probability of {threshold:.3g} on, else the likeliest of the others."
    if decision["weights"] is None:
        return "the most probable class."
    factors = _listed(f"{name} {factor:.3g}" for name, factor in decision["weights"].items())
    return f"{decision['rule']}; each probability is multiplied by a factor first: {factors}."


def _training(asked: Mapping[str, Any]) -> str:
    trained = [m for m in asked["members"] if ":" not in m or m.endswith(":linear")]
    settings = f"loss {asked['loss']}, imbalance {asked['imbalance']}, seed {asked['seed']}; "
    if trained or (not asked["members"] and asked["classifier"] == "linear"):
        settings += f"{asked['epochs']} epochs asked, best epoch by validation; "
    if "boosted" in f"{asked['members']}{asked['classifier']}":
        settings += "trees on features that stay as they are, their number by validation; "
    if asked["members"] and asked["combine"] != "soft_vote":
        settings += f"members put together by {asked['combine']}, fitted on validation; "
    return settings.removesuffix("; ") + "."


def _weights(asked: Mapping[str, Any]) -> str:
    return _listed(asked["member_weights"]) or asked["weights"] or "random"


def _data(manifest: pd.DataFrame, asked: Mapping[str, Any]) -> str:
    sources = manifest["source"].fillna("unknown").value_counts()
    named = _listed(f"{source} ({count:,} images)" for source, count in sources.items())
    if asked["data"] == "synthetic":
        return f"drawn phantoms, no patients: {named}. A model of them is of no use on X-rays."
    return f"{asked['data']}: {named}. Where and when they were taken is {NOT_KNOWN}."


def _invented(asked: Mapping[str, Any]) -> str:
    return "none; invented: " if asked["data"] == "synthetic" else ""


def _participants(manifest: pd.DataFrame) -> str:
    groups = manifest.drop_duplicates("group_id")
    ages, sexes = groups["age"].dropna(), groups["sex"].dropna().value_counts()
    age = (
        f"age known of {len(ages):,}, median {ages.median():.0f} ({ages.min():.0f}{DASH}"
        f"{ages.max():.0f}) years"
        if len(ages)
        else "age known of none"
    )
    sex = _listed(f"{name} {count:,}" for name, count in sexes.items()) or "known of none"
    return f"{counted(len(groups), 'patient')} (groups); {age}; sex {sex}."


def _partition(manifest: pd.DataFrame, asked: Mapping[str, Any]) -> str:
    if set(manifest["split"]) == {"test"} and asked["split"] == "kfold":
        return (
            f"made by kfold: {counted(len(manifest), 'image')} of "
            f"{counted(manifest['group_id'].nunique(), 'patient')} in {asked['folds']} folds, no "
            "patient and no copy of an image in two; each is tested by a network that was trained "
            "and chosen on the other folds, whose sizes are on that fold's page."
        )
    parts = [
        f"{split} {counted(len(part), 'image')} of {counted(part['group_id'].nunique(), 'patient')}"
        for split in SPLITS
        if len(part := manifest[manifest["split"] == split])
    ]
    how = f"taken from {asked['manifest']}" if asked["manifest"] else f"made by {asked['split']}"
    return f"{how}, no patient and no copy of an image in two: {_listed(parts)}."


def _performance(metrics: Mapping[str, Any]) -> str:
    found = interval(metrics["intervals"].get("balanced_accuracy"), dash=DASH)
    controls = metrics["controls"].values()
    best = max((control["balanced_accuracy"] for control in controls), default=None)
    beside = (
        f"the best control without anatomy, or hardly any, {number(best)}"
        if best is not None
        else "no control was scored"
    )
    return f"balanced accuracy {number(metrics['balanced_accuracy'])} ({found}); {beside}."


def _finding_performance(metrics: Mapping[str, Any]) -> str:
    found = interval(metrics["intervals"].get("mean_auroc"), dash=DASH)
    controls = [control["mean_auroc"] for control in metrics["controls"].values()]
    best = max((reached for reached in controls if reached is not None), default=None)
    beside = (
        f"the best control without anatomy, or hardly any, {number(best)}"
        if best is not None
        else "no control was scored"
    )
    return f"mean AUROC over findings {number(metrics['mean_auroc'])} ({found}); {beside}."


PERFORMANCE = {"balanced_accuracy": _performance, "mean_auroc": _finding_performance}
"""What a score is said in, by the key in metrics.json that leads it."""


def _missing(manifest: pd.DataFrame) -> str:
    shares = {
        column: manifest[column].isna().mean() for column in ("patient_id", "sex", "age", "view")
    }
    named = _listed(f"{column.replace('_', ' ')} {share:.0%}" for column, share in shares.items())
    return f"unknown for a share of the images: {named}. Nothing was filled in by guessing."


def _listed(words: Sequence[str] | Any) -> str:
    return ", ".join(words)
