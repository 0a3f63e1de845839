"""The two tables of a comparison, figures and differences, as rows and as CSV; how to read them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tfcovid.report import words

Content = Mapping[str, Any]

FACTORS = ("task", "setting", "system", "loss", "imbalance", "training")
LINEAR_PROBES = "Linear probes on frozen backbones"
PROBE, FINETUNED, PRESET = "probe", "finetuned", "preset"

# Of the whole test split, then of the last class of the task: its key and its heading.
WHOLE_FIGURES = (("balanced_accuracy", "balanced accuracy"), ("macro_f1", "macro F1"))
CLASS_FIGURES = (
    ("recall", "sensitivity"),
    ("specificity", "specificity"),
    ("precision", "precision"),
    ("auroc", "AUROC"),
)
TESTED = {"balanced_accuracy": "balanced accuracy", "auroc": "AUROC"}
# From here down a p-value is called a difference; for all tests of a page together.
ALPHA = 0.05


def varied_factors(content: Content) -> list[str]:
    """Returns the factors that have more than one value in the grid; the task always stands."""
    return [
        factor
        for factor in FACTORS
        if factor == "task" or len({cell[factor] for cell in content["cells"]}) > 1
    ]


def fixed_factors(content: Content) -> dict[str, str]:
    """Returns the value of each factor that all cells share; the training is in the title."""
    told = (*varied_factors(content), "training")
    return {f: content["cells"][0][f] for f in FACTORS if f not in told}


def title_of(content: Content) -> str:
    """Returns what was compared: probes, and how many cells of whole networks."""
    kinds = [cell["training"] for cell in content["cells"]]
    parts = [LINEAR_PROBES] if PROBE in kinds else []
    if FINETUNED in kinds:
        parts.append(words.counted(kinds.count(FINETUNED), "fine-tuned cell"))
    if PRESET in kinds:
        parts.append(words.counted(len(methods(content)), "published method"))
    return ", and ".join(parts)


def methods(content: Content) -> list[str]:
    """Returns the names of the published methods."""
    return list(dict.fromkeys(c["system"] for c in content["cells"] if c["training"] == PRESET))


# What the sentence on the best cell says before it names the rest.
TOLD = ("task", "setting")


def training_help(content: Content) -> str:
    """Returns which rows are linear probes and which are whole networks."""
    kinds = {cell["training"] for cell in content["cells"]}
    if kinds == {PROBE}:
        return (
            "These are not fine-tuned networks: the backbones are frozen, and a linear head is "
            "trained on their pooled features."
        )
    told = {
        PROBE: "are not fine-tuned networks: the backbone is frozen, and a linear head is trained "
        "on its pooled features.",
        FINETUNED: "are whole networks, backbone included, trained from the same weights on "
        "augmented images.",
        PRESET: "are the methods of papers, trained on the images of this comparison as their "
        "presets say; what a paper does not say is chosen in the preset, and no figure here is a "
        "paper's own.",
    }
    return " ".join(
        f'Rows with training "{kind}" {text}' for kind, text in told.items() if kind in kinds
    )


def seeds_words(content: Content) -> str:
    """Returns over how many seeds the probabilities are averaged."""
    settings = content["settings"]
    kinds = {cell["training"] for cell in content["cells"]}
    seeds = {PROBE: settings["seeds"]}
    if FINETUNED in kinds:
        seeds[FINETUNED] = settings["finetuning"]["finetune_seeds"]
    if PRESET in kinds:
        seeds[PRESET] = settings["finetune_seeds"]
    first, *others = (kind for kind in seeds if kind in kinds)
    rest = ", ".join(f"{kind}: {seeds[kind]}" for kind in others)
    return words.counted(seeds[first], "seed") + (f" ({rest})" if rest else "")


def figure_rows(content: Content) -> list[dict[str, Any]]:
    """Returns a row a cell: its factors, (value, interval) cells, and what its seeds span.

    Args:
      content: of compare.json.
    """
    rows = []
    for cell in content["cells"]:
        metrics, positive = cell["metrics"], content["classes"][cell["task"]][-1]
        intervals = metrics["intervals"]
        found = {key: (metrics[key], intervals.get(key)) for key, _ in WHOLE_FIGURES}
        for key, _ in CLASS_FIGURES:
            found[key] = (
                metrics["per_class"][positive][key],
                intervals.get(f"per_class.{positive}.{key}"),
            )
        of_seeds = [seed["balanced_accuracy"] for seed in cell["seeds"]]
        rows.append(
            {
                **{factor: cell[factor] for factor in FACTORS},
                "class": positive,
                "figures": found,
                "seeds": (min(of_seeds), max(of_seeds)),
                "start": cell.get("start", ""),
                "parameters": cell.get("parameters"),
                "seconds": cell["seconds"],
                "n_images": metrics["n_images"],
                "n_patients": metrics["n_patients"],
                "n_class": metrics["per_class"][positive]["n_patients"],
            }
        )
    return rows


def difference_rows(content: Content) -> list[dict[str, Any]]:
    """Returns a row for each pair of cells and figure that was tested."""
    rows = []
    for found in content["differences"]:
        for key, entry in found["figures"].items():
            figure = key.rsplit(".", 1)[-1]
            rows.append(
                {
                    "factor": found["factor"],
                    "pair": f"{found['a']} against {found['b']}",
                    **{f: found[f] for f in FACTORS if f != found["factor"]},
                    "a_value": found["a"],
                    "b_value": found["b"],
                    "figure": TESTED[figure],
                    **{name: entry[name] for name in ("a", "b", "difference", "low", "high")},
                    "p_value": entry["p_value"],
                    "p_holm": entry["p_holm"],
                    "n_discordant": entry["n_discordant"],
                    "small_p": entry["p_holm"] <= ALPHA,
                    "told_apart": entry["p_holm"] <= ALPHA
                    and not entry["low"] <= 0 <= entry["high"],
                    "p_extra": _extra(found, figure),
                }
            )
    return rows


def _extra(found: Mapping[str, Any], figure: str) -> tuple[str, float | None]:
    """Returns name and p-value of the test on one image a patient."""
    if figure == "auroc":
        return "DeLong", None if found["delong"] is None else found["delong"]["p_value"]
    return "McNemar", found["mcnemar"]["p_value"]


def reading_help(content: Content) -> list[str]:
    """Returns what the tables say and what they do not, a sentence each."""
    rows = difference_rows(content)
    sentences = [
        "Intervals of two rows that overlap do not show that the rows are equal, and both are "
        "tested on the same images: whether they differ is said by the table of differences."
    ]
    if rows:
        apart = sum(row["told_apart"] for row in rows)
        sentences.append(
            f"{apart} of {len(rows)} differences are told apart from chance: p of {ALPHA:g} or "
            "less after Holm's correction over all of them, and an interval without 0. The others "
            "are not shown to be nothing: their intervals say how large they may still be."
        )
        torn = sum(row["small_p"] for row in rows) - apart
        if torn:
            sentences.append(
                f"{words.counted(torn, 'row')} with a small p and an interval that includes 0: "
                "the test asks about these patients only, of whom a class may have so few that no "
                "two systems differ on them; the interval allows for others of that class."
            )
    return [training_help(content), *sentences, *controls_below(content)]


def controls_below(content: Content) -> list[str]:
    """Returns for each task and setting what a control without lungs leaves of the best cell."""
    sentences = []
    for found in content["left"]:
        cell, control = found["cell"], found["control"]
        names = ", ".join(str(cell[factor]) for factor in FACTORS if factor not in TOLD)
        sentences.append(
            f"{found['task']}, {found['setting']}: the best cell ({names}) reaches "
            f"{words.number(found['balanced_accuracy'])} balanced accuracy. "
            f"{words.left_by(control, found['balanced_accuracy'], control['chance'])}"
        )
    return sentences


def figure_table(content: Content) -> pd.DataFrame:
    """Returns compare.csv: a row a cell, each figure with low and high."""
    rows = []
    for row in figure_rows(content):
        flat = {name: row[name] for name in (*FACTORS, "class")}
        flat |= {"n_images": row["n_images"], "n_patients": row["n_patients"]}
        flat["n_patients_of_class"] = row["n_class"]
        for key, (value, interval) in row["figures"].items():
            flat[key] = value
            for end in ("low", "high"):
                flat[f"{key}_{end}"] = None if interval is None else interval[end]
        flat["seeds_low"], flat["seeds_high"] = row["seeds"]
        flat |= {name: row[name] for name in ("start", "parameters", "seconds")}
        rows.append(flat)
    for control in content["controls"]:
        flat = {"task": control["task"], "setting": control["setting"], "system": control["name"]}
        flat["balanced_accuracy"] = control["balanced_accuracy"]
        for end in ("low", "high"):
            flat[f"balanced_accuracy_{end}"] = control["interval"][end]
        rows.append(flat)
    return pd.DataFrame(rows)


def difference_table(content: Content) -> pd.DataFrame:
    """Returns differences.csv: a row a pair of cells and figure."""
    rows = []
    for row in difference_rows(content):
        name, p_extra = row["p_extra"]
        left_out = ("pair", "p_extra", "small_p", "told_apart")
        flat = {key: value for key, value in row.items() if key not in left_out}
        rows.append(flat | {"one_image_test": name, "one_image_p": p_extra})
    columns = ["factor", "a_value", "b_value", *FACTORS, "figure", "a", "b", "difference"]
    columns += ["low", "high", "n_discordant", "p_value", "p_holm", "one_image_test", "one_image_p"]
    return pd.DataFrame(rows, columns=columns)


def p_words(value: float | None) -> str:
    """Returns a p-value as a reader wants it."""
    if value is None:
        return words.UNDEFINED
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
