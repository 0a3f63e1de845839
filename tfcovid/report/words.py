"""How figures are put into words, the same on the terminal and on the page."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Metrics = Mapping[str, Any]

UNDEFINED = "n/a"
FEW_MARK = "*"
FEW_WORDS = "from fewer than 10 patients: the interval itself is uncertain"
NO_CONTROLS = (
    "No controls stand beside this score: nothing here says how much of it a model that sees no "
    "lungs would reach."
)

HEADLINE = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "mcc": "Matthews correlation (MCC)",
    "cohen_kappa": "Cohen's kappa",
    "brier": "Brier score (lower is better)",
    "ece": "calibration error, ECE (lower is better)",
}
"""The figures of the whole split in reading order, and what they are called."""


def number(value: float | None, digits: int = 2) -> str:
    """Returns a figure with fixed digits, or "n/a" where it is undefined.

    Args:
      value: any number; None and NaN are undefined.
      digits: digits behind the point.
    """
    if value is None or math.isnan(value):
        return UNDEFINED
    return f"{round(value, digits) + 0:.{digits}f}"  # no "-0.00"


def interval(found: Mapping[str, Any] | None, *, dash: str = "-") -> str:
    """Returns "low-high", marked where few patients stand behind it; "" where there is none.

    Args:
      found: low, high and perhaps few_groups, as in metrics.json; or None.
      dash: what stands between the ends.
    """
    if found is None:
        return ""
    mark = FEW_MARK if found.get("few_groups") else ""
    return f"{number(found['low'])}{dash}{number(found['high'])}{mark}"


def has_few(metrics: Metrics) -> bool:
    """Returns whether any interval stands on few patients."""
    intervals = [*metrics["intervals"].values(), *_control_intervals(metrics)]
    return any(found.get("few_groups") for found in intervals)


def counted(amount: int, noun: str) -> str:
    """Returns "1 image", "1,234 images"."""
    return f"{amount:,} {noun}" + ("" if amount == 1 else "s")


def chance(metrics: Metrics) -> float:
    """Returns the balanced accuracy of guessing."""
    return 1 / len(metrics["classes"])


def control_sentence(metrics: Metrics, name: str) -> str:
    """Returns what one control's score says about the model's, in a sentence.

    Args:
      metrics: the content of metrics.json.
      name: a key of its `controls`.
    """
    control, model = metrics["controls"][name], metrics["balanced_accuracy"]
    reached = control["balanced_accuracy"]
    comma = "," if "," in control["sees"] else ""
    return (
        f"Of the {number(model)} balanced accuracy, {control_name(control)}{comma} reaches "
        f"{number(reached)} (chance {number(chance(metrics))})"
        f"{_how_far_above(model - reached, overlap=_overlap(metrics, control))}"
    )


def control_name(control: Mapping[str, Any]) -> str:
    """Returns what a control is, such as "a probe that sees only the border"."""
    return f"a {control['model']} that sees only {control['sees']}"


def control_label(control: Mapping[str, Any]) -> str:
    """Returns what a control sees, and what looks at it where it is no probe."""
    return control["sees"] + ("" if control["model"] == "probe" else f" ({control['model']})")


def left_sentence(metrics: Metrics) -> str:
    """Returns what part of the score the controls without lungs leave; "" without controls.

    Args:
      metrics: the content of metrics.json.
    """
    controls = metrics["controls"]
    if controls and metrics["view"] != "full":
        return f"This run is a control itself: its network sees the view {metrics['view']} only."
    blind = [name for name, control in controls.items() if not control["lungs"]]
    if not blind:
        return ""
    best = controls[max(blind, key=lambda name: controls[name]["balanced_accuracy"])]
    return left_by(best, metrics["balanced_accuracy"], chance(metrics)) + _unlike_rules(metrics)


def left_by(control: Mapping[str, Any], model: float, at_chance: float) -> str:
    """Returns what a control leaves of a score, in words."""
    reached, left = control["balanced_accuracy"], control["above"]
    between = f"{number(abs(left['low']))} to {number(abs(left['high']))}"
    if left["high"] < 0:
        between = f"{number(-left['high'])} to {number(-left['low'])}"
        return (
            f"The model is {number(-left['difference'])} ({between}) below "
            f"{control_name(control)}: nothing of its score needs the lungs."
        )
    if model <= at_chance:
        return f"The score is not above chance; {control_name(control)} reaches {number(reached)}."
    if left["low"] <= 0:
        between = f"{number(left['low'])} to {number(left['high'])}, which may be nothing"
    share = max(reached - at_chance, 0) / (model - at_chance)
    return (
        f"Of the {number(model - at_chance)} above chance, {control_name(control)} reaches "
        f"{100 * share:.0f} %; what is left for the lungs is {number(left['difference'])} "
        f"({between})."
    )


def _unlike_rules(metrics: Metrics) -> str:
    """Returns a warning where the model's decision aims at something else than the controls'."""
    aim = metrics.get("operating_point")
    if aim not in ("sensitivity", "specificity", "precision"):
        return ""
    return (
        f" The model decides for a {aim} that was asked for, the controls for balanced accuracy: "
        "part of the difference is that."
    )


def network_words(asked: Mapping[str, Any]) -> str:
    """Returns what was trained, such as "network resnet50", by the flags."""
    if asked["members"]:
        members = ", ".join(member.replace(":", " under ") for member in asked["members"])
        return f"ensemble of {members} by {asked['combine']}".replace("boosted_trees", "trees")
    if asked["classifier"] != "linear":
        return f"boosted trees on {asked['backbone']}"
    return f"network {asked['backbone']}"


def members_sentence(metrics: Metrics) -> str:
    """Returns whether an ensemble is above its best member, in words."""
    name, best = max(metrics["members"].items(), key=lambda m: m[1]["balanced_accuracy"])
    above = best["above"]
    between = f"{number(above['low'])} to {number(above['high'])}"
    kept = ""
    if metrics.get("combined", {}).get("spread") == 0:
        kept = (
            f" Validation gave {metrics['combined']['by']} no reason to weigh the members unlike: "
            "what is scored is their mean."
        )
    if above["low"] > 0:
        found = f"The ensemble is {number(above['difference'])} ({between}) above its best member."
    elif above["high"] < 0:
        between = f"{number(-above['high'])} to {number(-above['low'])}"
        found = (
            f"The ensemble is {number(-above['difference'])} ({between}) below its best member, "
            f"{name}."
        )
    else:
        found = (
            f"The ensemble is not told apart from its best member here, {name}: the difference is "
            f"{number(above['difference'])} ({between})."
        )
    return found + kept


def inside_sentences(metrics: Metrics) -> list[str]:
    """Returns how the class of interest is told from the rest inside each source, in words."""
    sentences = []
    for source, found in metrics.get("inside_sources", {}).items():
        figures = ", ".join(
            f"{name} {number(found[key])} ({interval(found['intervals'].get(key))})"
            for key, name in (("auroc", "AUROC"), ("recall", "sensitivity"), ("specificity",) * 2)
        )
        sentences.append(
            f"{found['class']} inside {source} alone: {figures}; "
            f"{counted(found['n_images'], 'image')} of "
            f"{counted(found['n_patients'], 'patient')} against {found['n_other_images']:,} of "
            f"{found['n_other_patients']:,}."
        )
    return sentences


def source_sentences(metrics: Metrics) -> list[str]:
    """Returns how well the sources of the images can be told apart, in words."""
    return [
        f"Which source an image is from, {found['model']} tells at "
        f"{number(found['balanced_accuracy'])} ({interval(found['interval'])}), "
        f"chance {number(found['chance'])}."
        for found in metrics.get("sources_told_apart", {}).values()
    ]


def prevalence_sentence(metrics: Metrics, *, dash: str = "-") -> str:
    """Returns the predictive values at the prevalence given, in words; "" where none was given.

    Args:
      metrics: the content of metrics.json.
      dash: what stands between the ends of an interval.
    """
    found = metrics.get("at_prevalence")
    if found is None:
        return ""
    ppv, npv = (
        number(found[key], 3)
        + (f" ({interval(ends, dash=dash)})" if (ends := found["intervals"].get(key)) else "")
        for key in ("ppv", "npv")
    )
    return (
        f"Where {100 * found['prevalence']:g} % have {found['class']}, the decision "
        f"{found['class']} is right in {ppv} of the cases (PPV), any other in {npv} (NPV)."
    )


def drop_sentence(metrics: Metrics) -> str:
    """Returns how much is left of the run's own score on other data; "" where that is not known.

    Args:
      metrics: of an evaluation, the content of its metrics.json.
    """
    found = metrics.get("drop", {}).get("balanced_accuracy")
    if found is None:
        return ""
    moved = "lower" if found["difference"] > 0 else "higher"
    low, high = sorted(abs(found[end]) for end in ("low", "high"))
    between = f"{number(low)}-{number(high)}"
    if found["low"] <= 0 <= found["high"]:
        between = f"between {number(-found['high'])} and {number(-found['low'])}: may be none"
    return (
        f"Balanced accuracy is {number(abs(found['difference']))} {moved} ({between}) than on the "
        f"run's own test split, {number(found['a'])}."
    )


def all_notes(metrics: Metrics, notes: Sequence[str] = ()) -> list[str]:
    """Returns the notes of the metrics and further ones, each once, the gravest first."""
    every = dict.fromkeys([*metrics.get("notes", ()), *notes])
    return sorted(every, key=lambda note: not note.startswith("CLASS EQUALS SOURCE"))


def _how_far_above(difference: float, *, overlap: bool) -> str:
    if round(difference, 2) <= 0:
        return ": the model is not above it."
    tail = ", and the intervals overlap." if overlap else "."
    return f": the model is {number(difference)} above it{tail}"


def _overlap(metrics: Metrics, control: Mapping[str, Any]) -> bool:
    of_model, of_control = metrics["intervals"].get("balanced_accuracy"), control.get("interval")
    return bool(of_model and of_control and of_model["low"] <= of_control["high"])


def _control_intervals(metrics: Metrics) -> list[Mapping[str, Any]]:
    found = [*metrics["controls"].values(), *metrics.get("sources_told_apart", {}).values()]
    return [c["interval"] for c in found if c.get("interval")]
