"""What each data set says of ChestX-ray14's 14 findings: the one place where it is decided.

Chosen, image by image, by what its reader says:

| an image with | the 14 findings | its class (Normal, Pneumonia, COVID-19) |
|---|---|---|
| `pathologies` (nih14, csv) | all known | by its finding, as below |
| the finding Normal | all absent | Normal |
| a pneumonia of any cause | Pneumonia present, the other 13 unknown | Pneumonia |
| COVID-19 | all unknown: a film may show any of them, or none | COVID-19 |
| any other finding | all unknown | unknown |

ChestX-ray14 was collected before 2020, so that its films show no COVID-19: No Finding is Normal,
and a film labelled Pneumonia is Pneumonia, with whatever else. What is unknown stays out of loss,
figures, weights and calibration; it is never taken for absent.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tfcovid.data.blocks import UNKNOWN, Blocks, columns_of, label_matrix
from tfcovid.data.pneumonias import PNEUMONIAS
from tfcovid.data.sources.pathologies import PATHOLOGIES, PNEUMONIA, SEPARATOR
from tfcovid.data.sources.reading import Finding

# From here on an output and the source of its images are as good as one.
SHARE_OF_ONE_SOURCE = 0.95


def finding_targets(rows: pd.DataFrame, blocks: Blocks, class_of: Mapping[str, str]) -> np.ndarray:
    """Returns the label matrix int8 [n, num_outputs] of what readers found.

    Args:
      rows: columns finding and pathologies.
      blocks: of the task: one of the 14 findings, in the order of PATHOLOGIES, perhaps behind one
        of classes.
      class_of: the class of each finding, for the block of classes.
    """
    return np.hstack(
        [
            _classes(rows["finding"], block.outputs, class_of)
            if block.exclusive
            else _pathologies(rows)
            for block in blocks
        ]
    )


def _pathologies(rows: pd.DataFrame) -> np.ndarray:
    targets = np.full((len(rows), len(PATHOLOGIES)), UNKNOWN, np.int8)
    finding = rows["finding"]
    targets[finding.eq(str(Finding.NORMAL)).to_numpy(bool)] = 0
    pneumonia = finding.isin([str(cause) for cause in PNEUMONIAS]).to_numpy(bool)
    targets[pneumonia, PATHOLOGIES.index(PNEUMONIA)] = 1
    for cell, places in rows.groupby("pathologies").indices.items():
        labels = str(cell).split(SEPARATOR)
        targets[places] = [name in labels for name in PATHOLOGIES]
    return targets


def _classes(finding: pd.Series, classes: Sequence[str], class_of: Mapping[str, str]) -> np.ndarray:
    names = finding.map(dict(class_of))
    targets = np.stack([names.eq(name) for name in classes], axis=1).astype(np.int8)
    targets[names.isna().to_numpy(bool)] = UNKNOWN
    return targets


def check_trainable(frame: pd.DataFrame, blocks: Blocks) -> None:
    """Raises ValueError if there is nothing to learn, or to choose by, of an output.

    Args:
      frame: columns label and split; rows may be in no split.
      blocks: of the task.
    """
    names = [name for block in blocks for name in block.outputs]
    train = label_matrix(frame.loc[frame["split"] == "train", "label"], blocks)
    for value, lacks in ((1, "has"), (0, "is known to be without")):
        absent = [name for name, of in zip(names, train.T, strict=True) if not (of == value).any()]
        if absent:
            raise ValueError(
                f"no training image {lacks} {', '.join(absent)}: expected images with and without "
                "each; use another --seed or --split, or more data"
            )
    validation = label_matrix(frame.loc[frame["split"] == "validation", "label"], blocks)
    for block, columns in zip(blocks, columns_of(blocks), strict=True):
        if not (validation[:, columns] != UNKNOWN).any():
            raise ValueError(
                f"no validation image says anything of its {block.name}: expected some; use "
                "another --seed, or a larger --validation_fraction"
            )


def finding_source_notes(frame: pd.DataFrame, blocks: Blocks) -> list[str]:
    """Returns a line for each output that is as good as told by which source an image is from.

    Args:
      frame: columns label, as the manifest has it, and source.
      blocks: of the task.
    """
    targets, notes = label_matrix(frame["label"], blocks), []
    names = [name for block in blocks for name in block.outputs]
    source = frame["source"]
    for name, of_output in zip(names, targets.T, strict=True):
        part, others = source[of_output == 1], source[of_output == 0]
        if part.isna().all() or others.empty:
            continue
        likeliest = part.mode().iloc[0]
        inside, outside = (part == likeliest), (others == likeliest)
        if inside.mean() >= SHARE_OF_ONE_SOURCE and 1 - outside.mean() >= SHARE_OF_ONE_SOURCE:
            notes.append(
                f"CLASS EQUALS SOURCE: {inside.sum()} of {len(part)} {name} images come from "
                f"{likeliest}, and {outside.sum()} of {len(others)} known to be without it do. A "
                f"score on {name} is partly a score at telling the sources apart."
            )
    return notes + _unknown_notes(frame, targets, blocks)


def _unknown_notes(frame: pd.DataFrame, targets: np.ndarray, blocks: Blocks) -> list[str]:
    """Returns a line for each block of which some images say nothing, or not all."""
    notes = []
    for block, columns in zip(blocks, columns_of(blocks), strict=True):
        missing = (targets[:, columns] == UNKNOWN).any(axis=1)
        if missing.any():
            notes.append(
                f"{block.name}: {int(missing.sum())} of {len(frame)} images do not say all of it; "
                "what is unknown has no part in loss and figures."
            )
    return notes
