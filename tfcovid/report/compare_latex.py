"""The two tables of a comparison as LaTeX, for booktabs."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfcovid.report import words
from tfcovid.report.compare_tables import (
    CLASS_FIGURES,
    WHOLE_FIGURES,
    Content,
    difference_rows,
    figure_rows,
    p_words,
    seeds_words,
    title_of,
    varied_factors,
)


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
        f"{title_of(content)}, probabilities averaged over {seeds_words(content)}; 95 % "
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
        caption = f"{title_of(content)}: differences on the same images, tested by patient."
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
