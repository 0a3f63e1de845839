"""The outputs of a task in blocks, and its labels as a matrix beside the text of a manifest.

A block is exclusive (classes, of which an image has one: softmax) or independent (findings, of
which it has any number: sigmoid). The tasks of one exclusive block are the ordinary ones. A label
matrix holds 1 (has it), 0 (has not) or UNKNOWN, which is never taken for 0.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tfcovid.data.sources.pathologies import NO_FINDING, SEPARATOR
from tfcovid.data.sources.reading import TEXT

UNKNOWN = -1
UNKNOWN_MARK = "?"
BLOCK_SEPARATOR = "; "


@dataclasses.dataclass(frozen=True)
class Block:
    """Outputs that stand side by side.

    Attributes:
      name: what metrics.json calls the block.
      outputs: names, in order.
      exclusive: whether an image has exactly one of them.
    """

    name: str
    outputs: tuple[str, ...]
    exclusive: bool


Blocks = Sequence[Block]


def is_single_label(blocks: Blocks) -> bool:
    """Returns whether an image has one class, and nothing else is said of it."""
    return len(blocks) == 1 and blocks[0].exclusive


def label_texts(targets: np.ndarray, blocks: Blocks) -> pd.Series:
    """Returns the label of each image as a manifest has it, missing where nothing is known.

    A block is a class; or the findings that are there, joined by "|", with "?" behind them where
    the others are unknown, and "No Finding" where all are known to be absent. Blocks are joined by
    "; ".

    Args:
      targets: label matrix int8 [n, num_outputs].
      blocks: of the task.

    Raises:
      ValueError: if of the findings that are not there some are known and others are not.
    """
    rows, place = np.unique(np.asarray(targets), axis=0, return_inverse=True)
    texts = np.array([_text(row, blocks) for row in rows], object)
    known = (rows != UNKNOWN).any(axis=1)
    found = pd.Series(texts[place.ravel()], dtype=object)
    return found.where(known[place.ravel()]).astype(TEXT)


def label_matrix(labels: pd.Series, blocks: Blocks) -> np.ndarray:
    """Returns the label matrix int8 [n, num_outputs] of a manifest's column `label`.

    Args:
      labels: texts [n], as `label_texts` writes them.
      blocks: of the task.

    Raises:
      ValueError: if a text is none of this task's.
    """
    codes, texts = pd.factorize(labels)
    if (codes < 0).any():
        raise ValueError("a label matrix needs a label for every image; some are missing.")
    rows = [_row(str(text), blocks) for text in texts]
    size = sum(len(block.outputs) for block in blocks)
    return np.array(rows, np.int8).reshape(-1, size)[codes]


def columns_of(blocks: Blocks) -> list[slice]:
    """Returns the columns of each block."""
    ends = np.cumsum([len(block.outputs) for block in blocks]).tolist()
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def _text(row: np.ndarray, blocks: Blocks) -> str:
    return BLOCK_SEPARATOR.join(
        _text_of_block(row[columns], block)
        for columns, block in zip(columns_of(blocks), blocks, strict=True)
    )


def _text_of_block(row: np.ndarray, block: Block) -> str:
    has = [name for name, value in zip(block.outputs, row, strict=True) if value == 1]
    unknown = row == UNKNOWN
    if block.exclusive:
        return has[0] if has else UNKNOWN_MARK
    if not unknown.any():
        return SEPARATOR.join(has) or NO_FINDING
    if (row == 0).any():
        raise ValueError(
            f"{block.name}: expected all findings of an image known, or those that are there and "
            f"nothing else. Received: {row.tolist()}."
        )
    return SEPARATOR.join([*has, UNKNOWN_MARK])


def _row(text: str, blocks: Blocks) -> list[int]:
    parts = text.split(BLOCK_SEPARATOR) if len(blocks) > 1 else [text]
    if len(parts) != len(blocks):
        names = " and ".join(block.name for block in blocks)
        raise ValueError(f"label {text}: expected {names}, divided by '{BLOCK_SEPARATOR}'.")
    return [
        value
        for part, block in zip(parts, blocks, strict=True)
        for value in _values(part, block, text)
    ]


def _values(part: str, block: Block, text: str) -> list[int]:
    names = part.split(SEPARATOR) if not block.exclusive else [part]
    rest = UNKNOWN if UNKNOWN_MARK in names else 0
    has = [name for name in names if name not in (UNKNOWN_MARK, NO_FINDING)]
    strangers = set(has) - set(block.outputs)
    if strangers or len(set(has)) != len(has) or (block.exclusive and not has and rest == 0):
        raise ValueError(
            f"label {text}: expected of {block.name} {', '.join(block.outputs)}. Received: {part}."
        )
    return [1 if name in has else rest for name in block.outputs]
