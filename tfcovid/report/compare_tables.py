"""The two tables of a comparison, figures and differences: as rows, as CSV and as LaTeX."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tfcovid.report import words

Content = Mapping[str, Any]

FACTORS = ("task", "setting", "system", "loss", "imbalance")
LINEAR_PROBES = "Linear probes on frozen backbones"

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
    """Returns the value of each factor that all cells share."""
    varied = varied_factors(content)
    return {f: content["cells"][0][f] for f in FACTORS if f not in varied}


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
    return sentences + controls_below(content)


def controls_below(content: Content) -> list[str]:
    """Returns for each task and setting how the best cell stands to the best control."""
    sentences = []
    for task, setting in dict.fromkeys((c["task"], c["setting"]) for c in content["controls"]):
        controls = [c for c in content["controls"] if (c["task"], c["setting"]) == (task, setting)]
        cells = [c for c in content["cells"] if (c["task"], c["setting"]) == (task, setting)]
        control = max(controls, key=lambda c: c["balanced_accuracy"])
        best = max(cells, key=lambda c: c["metrics"]["balanced_accuracy"])["metrics"]
        value, low = best["balanced_accuracy"], best["intervals"]["balanced_accuracy"]["low"]
        overlap = low <= control["interval"]["high"]
        sentences.append(
            f"{task}, {setting}: the best cell reaches {words.number(value)} balanced accuracy, a "
            f"probe that sees only {control['sees']} {words.number(control['balanced_accuracy'])} "
            f"(chance {words.number(control['chance'])}); their intervals "
            f"{'overlap' if overlap else 'do not overlap'}."
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


def latex_tables(content: Content) -> str:
    """Returns compare.tex: both tables as floats for booktabs, controls below the figures."""
    varied = varied_factors(content)
    heads = [*varied, *(h for _, h in WHOLE_FIGURES), *(h for _, h in CLASS_FIGURES)]
    body = [
        [row[factor] for factor in varied]
        + [_latex_figure(*row["figures"][key]) for key, _ in (*WHOLE_FIGURES, *CLASS_FIGURES)]
        for row in figure_rows(content)
    ]
    empty = [""] * (len(heads) - len(varied) - 1)
    controls = [
        [_of_control(control, factor) for factor in varied]
        + [_latex_figure(control["balanced_accuracy"], control["interval"]), *empty]
        for control in content["controls"]
    ]
    positive = " or ".join(dict.fromkeys(c[-1] for c in content["classes"].values()))
    caption = (
        f"{LINEAR_PROBES}, probabilities averaged over {content['settings']['seeds']} seeds; 95 % "
        f"intervals by patient. Sensitivity to AUROC: {positive} against the rest."
    )
    tables = [_latex_float(caption, "tab:figures", heads, len(varied), [body, controls])]
    rows = difference_rows(content)
    if rows:
        others = [factor for factor in varied if factor != "task"]
        heads = ["difference", "task", *others, "figure", "difference (95 %)", "p (Holm)"]
        body = [
            [
                row["pair"],
                row["task"],
                *(row.get(factor, "") for factor in others),
                row["figure"],
                _latex_figure(row["difference"], row, sign="+"),
                p_words(row["p_holm"]),
            ]
            for row in rows
        ]
        caption = f"{LINEAR_PROBES}: differences on the same images, tested by patient."
        tables.append(_latex_float(caption, "tab:differences", heads, len(heads) - 2, [body]))
    return "% Needs \\usepackage{booktabs}\n" + "\n".join(tables)


def _of_control(control: Mapping[str, Any], factor: str) -> str:
    if factor in ("task", "setting"):
        return str(control[factor])
    return str(control["name"]) if factor in ("system", "loss") else ""


def _latex_float(
    caption: str,
    label: str,
    heads: Sequence[str],
    num_words: int,
    blocks: Sequence[Sequence[Sequence[str]]],
) -> str:
    columns = "l" * num_words + "r" * (len(heads) - num_words)
    lines = [
        "\\begin{table}",
        f"\\caption{{{_latex(caption)}}}\\label{{{label}}}",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        _latex_row(heads),
    ]
    for block in blocks:
        if block:
            lines += ["\\midrule", *map(_latex_row, block)]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", "\\end{table}"]) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex, cells)) + r" \\"


def _latex(text: str) -> str:
    """Returns text with LaTeX's own characters escaped."""
    special = {c: f"\\{c}" for c in "&%$#_{}"}
    special |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, c) for c in text)


def _latex_figure(value: float | None, ends: Mapping[str, Any] | None, sign: str = "") -> str:
    if value is None:
        return words.UNDEFINED
    found = "" if ends is None else f" ({ends['low']:{sign}.2f} to {ends['high']:{sign}.2f})"
    return f"{value:{sign}.3f}{found}"


def p_words(value: float | None) -> str:
    """Returns a p-value as a reader wants it."""
    if value is None:
        return words.UNDEFINED
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
