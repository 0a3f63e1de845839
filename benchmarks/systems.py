"""The page of the published methods, docs/systems.md, drawn from their presets.

  python -m benchmarks.systems                                          # draws the page again
  python -m benchmarks.systems --comparisons=OUT/compare.csv,OUT2/compare.csv   # with new scores

A score is a method's row in the table of a comparison (`python -m tfcovid.compare --systems=all`);
what was read is kept in docs/systems.csv, from which the page is drawn.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Iterator

import keras
import pandas as pd
from absl import app
from absl import flags as absl_flags

from flags import choices, compare_choices
from flags.members import members_of
from flags.preset_files import SYSTEMS_FOLDER, preset_about, preset_values, system_names
from tfcovid.models.classifier import build_classifier

COMPARISONS = absl_flags.DEFINE_list("comparisons", [], "compare.csv of comparisons of methods.")

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGE, SCORES = DOCS / "systems.md", DOCS / "systems.csv"
COLUMNS = ["task", "setting", "system", "balanced_accuracy", "balanced_accuracy_low"]
COLUMNS += ["balanced_accuracy_high", "start", "parameters", "seconds"]

FAMILIES = {
    "bolhassani": "Bolhassani: CheXNet and ImageNet weights, focal loss and cross-entropy",
    "chexnet": "CheXNet: 14 findings, pneumonia alone, and beside COVID-19",
    "das": "Das et al.: deep models compared",
    "flannel": "FLANNEL: a focal ensemble",
    "gurpur": "Gurpur et al.: CT slices cropped to the lungs, and an ensemble",
    "song": "Song: a 19-layer CNN and its rivals",
    "vit": "Vision transformers",
}
"""What the methods of each paper are called, by how the names of their presets begin."""

HEAD = """# The published methods

Drawn by `python -m benchmarks.systems` from `flags/presets/systems/`; do not edit. A method runs
by name: `python -m tfcovid.train --system=NAME --data_dir=DIR`; any flag beside it overrides the
preset. *Published* is what the paper, or its authors' code, says; *chosen* is ours, with the reason
in the preset. Where layers or parameters are not published the method is a reconstruction. **No
figure here is a paper's own.**
"""

SCORED = """
Scores are balanced accuracy with 95 % intervals by patient, all methods on one split of CoronaHack,
small images and few epochs on two cores (docs/results.md has the command, the controls and the
differences); they rank no paper. Where there is none the method is of other labels, or differs from
a scored one only in what a comparison sets itself.
"""

DASH = "\u2013"


@dataclasses.dataclass(frozen=True)
class Line:
    """A flag of a preset, and where its value is from."""

    flag: str
    value: str
    published: bool
    why: str


def main(_: list[str]) -> None:
    """Keeps new scores and draws the page."""
    if COMPARISONS.value:
        found = pd.concat([pd.read_csv(path) for path in COMPARISONS.value])
        methods = found[found["training"] == compare_choices.Trained.PRESET.value]
        methods[COLUMNS].to_csv(SCORES, index=False, float_format="%.4g")
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)


def page() -> str:
    """Returns the text of docs/systems.md."""
    scores = pd.read_csv(SCORES) if SCORES.is_file() else pd.DataFrame(columns=COLUMNS)
    tasks = list(dict.fromkeys(scores["task"]))
    parts = [HEAD, *([SCORED] if tasks else []), "\n", *overview(scores, tasks)]
    for family, names in itertools.groupby(system_names(), key=lambda n: n.partition("_")[0]):
        parts.append(f"\n## {FAMILIES[family]}\n")
        for name in names:
            parts += section(name)
    return "".join(parts)


def overview(scores: pd.DataFrame, tasks: list[str]) -> Iterator[str]:
    """Yields the table of all methods."""
    heads = ["method", "task", "network", "loss", "parameters", *tasks]
    yield f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n"
    for name in system_names():
        given = preset_values(name)
        cells = [
            f"[{name}](#{name})",
            given["task"],
            network_words(given),
            given["loss"],
            f"{parameters(given):,}",
            *(score_words(scores, name, task) for task in tasks),
        ]
        yield f"| {' | '.join(cells)} |\n"


def score_words(scores: pd.DataFrame, name: str, task: str) -> str:
    """Returns a method's score in a task, such as ".87 (.82–.91)"; "" without one."""
    rows = scores[(scores["system"] == name) & (scores["task"] == task)]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    ends = (row["balanced_accuracy"], row["balanced_accuracy_low"], row["balanced_accuracy_high"])
    value, low, high = (f"{end:.2f}".removeprefix("0") for end in ends)
    return f"{value} ({low}{DASH}{high})"


def section(name: str) -> Iterator[str]:
    """Yields the section of a method."""
    given = preset_values(name)
    yield f"\n### {name}\n{preset_about(name)}\n\n```sh\n{command_of(name)}\n```\n"
    yield f"Parameters, at {outputs_of(given)} output(s): {parameters(given):,}.\n\n"
    lines = list(lines_of(name))
    published = [line for line in lines if line.published]
    yield "Published:\n"
    for line in published:
        yield f"- `--{line.flag}={line.value}`: {line.why}\n"
    if not published:
        yield "- nothing that we could read.\n"
    chosen = ", ".join(f"`{line.flag}={line.value}`" for line in lines if not line.published)
    yield f"\nChosen: {chosen}.\n"


def lines_of(name: str) -> Iterator[Line]:
    """Yields the flags of a preset with the comment above each."""
    comment = ""
    for text in (SYSTEMS_FOLDER / f"{name}.cfg").read_text("utf-8").splitlines():
        if text.startswith("# "):
            comment += text.removeprefix("# ") + " "
        elif text.startswith("--"):
            flag, _, value = text.removeprefix("--").partition("=")
            kind, _, why = comment.strip().partition(": ")
            yield Line(flag, value, kind == "source", why)
            comment = ""
        else:
            comment = ""


def command_of(name: str) -> str:
    """Returns the command of a preset's first comment."""
    lines = (SYSTEMS_FOLDER / f"{name}.cfg").read_text("utf-8").splitlines()
    inside = [line.removeprefix("#").strip() for line in lines if line.startswith("#   ")]
    return "\n    ".join(inside)


def network_words(given: dict[str, str]) -> str:
    """Returns what a preset trains, in words."""
    if "members" in given:
        return f"{given['members'].replace(',', ', ')} by {given['combine']}"
    trees = given["classifier"] == choices.Classifier.BOOSTED_TREES
    return f"{given['backbone']}, boosted trees" if trees else given["backbone"]


def outputs_of(given: dict[str, str]) -> int:
    """Returns how many logits the network of a preset has."""
    classes = choices.Task(given["task"]).num_classes or 0
    return 1 if classes == 2 else classes


_COUNTED: dict[tuple[str, int, int], int] = {}


def parameters(given: dict[str, str]) -> int:
    """Returns the parameters of a preset's networks, as they start from random weights.

    Gray images, one channel; of boosted trees, whose number the data decides, the backbone alone.
    """
    found = members_of(given["members"].split(",")) if "members" in given else ()
    kinds = [(m.backbone.value, m.classifier.value) for m in found]
    total = 0
    for backbone, classifier in kinds or [(given["backbone"], given["classifier"])]:
        trees = classifier == choices.Classifier.BOOSTED_TREES
        key = (backbone, 0 if trees else outputs_of(given), int(given["image_size"]))
        if key not in _COUNTED:
            _COUNTED[key] = count(*key)
        total += _COUNTED[key]
    return total


def count(backbone: str, outputs: int, image_size: int) -> int:
    """Returns the parameters of a classifier of one channel; without outputs of its backbone."""
    model = build_classifier(
        backbone=backbone, num_outputs=outputs or 1, image_size=image_size, channels=1
    )
    counted = int((model if outputs else model.get_layer("backbone")).count_params())
    keras.backend.clear_session()
    return counted


if __name__ == "__main__":
    app.run(main)
