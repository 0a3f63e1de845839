"""The members of an ensemble, as --members names them."""

import dataclasses
import itertools
from collections.abc import Sequence

from flags import choices


@dataclasses.dataclass(frozen=True)
class Member:
    """A classifier of an ensemble.

    Attributes:
      name: what it is called: its backbone, with its classifier where that is not linear, and a
        number from 2 on where another member is the same.
      backbone: the architecture.
      classifier: what decides on its features.
      repeat: how many members before it are the same; each takes a seed of its own.
    """

    name: str
    backbone: choices.Backbone
    classifier: choices.Classifier
    repeat: int


def members_of(texts: Sequence[str]) -> tuple[Member, ...]:
    """Returns the members of texts BACKBONE or BACKBONE:CLASSIFIER, in their order.

    Raises:
      ValueError: if a text is neither; the message names the flag.
    """
    found: list[Member] = []
    for text in texts:
        backbone, colon, classifier = text.partition(":")
        known = backbone in list(choices.Backbone)
        if not known or (colon and classifier not in list(choices.Classifier)):
            raise ValueError(
                f"--members={','.join(texts)}: expected BACKBONE or "
                f"BACKBONE:{choices.Classifier.BOOSTED_TREES}, the backbones being "
                f"{', '.join(choices.Backbone)}. Received: {text}"
            )
        kind = choices.Classifier(classifier) if colon else choices.Classifier.LINEAR
        same = [m for m in found if (m.backbone, m.classifier) == (backbone, kind)]
        parts = [backbone] if kind is choices.Classifier.LINEAR else [backbone, kind.value]
        parts += [str(len(same) + 1)] if same else []
        found.append(Member("-".join(parts), choices.Backbone(backbone), kind, len(same)))
    return tuple(found)


def smallest_image_px(members: Sequence[Member]) -> int:
    """Returns the smallest side of an image that every member takes, pixels."""
    return max(itertools.chain([32], (member.backbone.smallest_image_px for member in members)))
