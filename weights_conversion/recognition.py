"""What a checkpoint is: which network, spelled how, behind which prefix, with what head."""

import dataclasses
from collections.abc import Collection, Iterable

from weights_conversion.namings import ARCHITECTURES, NAMINGS, Naming

HEAD_ROOTS = ("fc", "classifier", "head", "last_linear", "linear", "logits", "output", "pre_logits")
"""First part of a name that belongs to the layers behind the pooled features."""

# More than this share of the table missing or besides it: it is another network.
_MOST_STRAY = 0.25
# Fewer than this share of the table's names there: to call it the nearest would mislead.
_LEAST_PRESENT = 0.5
_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Recognition:
    """What the names of a checkpoint say.

    Every name is in exactly one of the collections.

    Attributes:
      naming: the network and its spelling.
      prefix: what stands before the names of the table, "" or ending in a dot.
      missing: names of the table, with prefix, that the checkpoint lacks.
      present: names of the table, with prefix, that it has.
      head: names of the layers behind the pooled features.
      counters: num_batches_tracked, which Keras does not need.
      notes: other names that are no part of the network -> what they are.
      strays: names that nothing accounts for.
      likelier: the architecture that fits where another was asked for that does not, else None.
    """

    naming: Naming
    prefix: str
    missing: tuple[str, ...]
    present: tuple[str, ...]
    head: tuple[str, ...]
    counters: tuple[str, ...]
    notes: dict[str, str]
    strays: tuple[str, ...]
    likelier: str | None = None

    @property
    def misfit(self):
        """How many names are missing or stray."""
        return len(self.missing) + len(self.strays)

    def describe(self):
        """Returns a line on what was recognised and by what."""
        behind = f" behind {self.prefix!r}" if self.prefix else ""
        return (
            f"{self.naming.architecture} in the naming of {self.naming.spelling}{behind}, by "
            f"{self.prefix}{self.naming.anchor} and {len(self.present) - 1} more of its "
            f"{len(self.naming.table)} names"
        )


AUXILIARY = "auxiliary classifier, which acts in torchvision's training only"
_AUXILIARY_ROOT = "AuxLogits"
LEFT_OUT = "left out as asked for"
THRESHOLDS = "torchxrayvision's operating thresholds, applied behind the sigmoid"
_NOTES = {
    "op_threshs": THRESHOLDS,
    "n_averaged": "counter of torch.optim.swa_utils.AveragedModel",
}


def recognise(
    names: Collection[str],
    *,
    architecture: str | None = None,
    left_out: Collection[str] = (),
) -> Recognition:
    """Returns the naming and prefix that leave the fewest names unaccounted for.

    Args:
      names: the tensors of the checkpoint.
      architecture: a member of ARCHITECTURES to be held to it, or None for the one that fits best.
      left_out: names that the user wants left out; one that the network needs is then missing.

    Raises:
      ValueError: if no known network is recognised in the names.
    """
    found = set(names).difference(left_out)
    candidates = [
        (len(found.symmetric_difference(prefix + name for name in naming.table)), naming, prefix)
        for naming in NAMINGS
        if architecture in (None, naming.architecture)
        for prefix in _prefixes(found, naming.anchor)
    ]
    if not candidates:
        likelier = _likelier(names, architecture, left_out)
        advice = f"; {instead(likelier)}" if likelier else ""
        raise ValueError(_unlike(names, architecture) + advice)
    _, naming, prefix = min(candidates, key=lambda candidate: candidate[0])
    _refuse_twice(found, naming)
    best = _sort_names(names, naming, prefix, left_out)
    if architecture is None and len(best.present) < _LEAST_PRESENT * len(naming.table):
        raise ValueError(_unlike(names, architecture))
    if best.misfit <= _MOST_STRAY * len(naming.table):
        return best
    if architecture is None:
        raise ValueError(
            f"expected one of {', '.join(ARCHITECTURES)}; the nearest is {naming.architecture}, of "
            f"whose {len(naming.table)} tensors {len(best.missing)} are missing "
            f"({shown(best.missing)}), with {len(best.strays)} besides ({shown(best.strays)})"
        )
    return dataclasses.replace(best, likelier=_likelier(names, architecture, left_out))


def instead(architecture: str) -> str:
    """Returns what to do where a checkpoint is of another architecture than it is held to."""
    return f"it looks like {architecture}: use --architecture=auto, or ={architecture}"


def _likelier(names, architecture, left_out):
    """Returns the architecture that is recognised in the names without a wish, if it is another."""
    if architecture is None:
        return None
    try:
        found = recognise(names, left_out=left_out).naming.architecture
    except ValueError:
        return None
    return None if found == architecture else found


def _unlike(names, architecture):
    """Returns what is said of a checkpoint that resembles no network we know."""
    wanted = architecture or f"one of {', '.join(ARCHITECTURES)}"
    return (
        f"expected the tensors of {wanted}, found none of that kind; it has {len(names)} tensors: "
        f"{shown(names)}"
    )


def _refuse_twice(names, naming):
    """Raises ValueError if all of a network's tensors are there behind more than one prefix."""
    prefixes = sorted(
        prefix
        for prefix in set(_prefixes(names, naming.anchor))
        if all(prefix + name in names for name in naming.table)
    )
    if len(prefixes) > 1:
        raise ValueError(
            f"holds {naming.architecture} more than once ({', '.join(prefixes)}); "
            f"--leave_out={prefixes[0].rstrip('.')} leaves one out"
        )


def shown(names: Iterable[str]) -> str:
    """Returns a few of the names and how many more there are."""
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "none") + more


def _prefixes(names, anchor):
    for name in names:
        prefix = name.removesuffix(anchor)
        if prefix != name and (prefix == "" or prefix.endswith(".")):
            yield prefix


def _sort_names(names, naming, prefix, left_out):
    wanted = {prefix + name for name in naming.table}
    head, counters, notes, strays = [], [], dict.fromkeys(left_out, LEFT_OUT), []
    for name in names:
        last = name.rpartition(".")[2]
        if name in notes or name in wanted:
            continue
        if name.removeprefix(prefix).startswith(f"{_AUXILIARY_ROOT}."):
            notes[name] = AUXILIARY
        elif last == "num_batches_tracked":
            counters.append(name)
        elif last in _NOTES:
            notes[name] = _NOTES[last]
        elif _is_head(name, prefix):
            head.append(name)
        else:
            strays.append(name)
    return Recognition(
        naming=naming,
        prefix=prefix,
        missing=tuple(sorted(wanted.difference(set(names).difference(left_out)))),
        present=tuple(name for name in names if name in wanted and name not in notes),
        head=tuple(head),
        counters=tuple(counters),
        notes=notes,
        strays=tuple(strays),
    )


def _is_head(name, prefix):
    """Whether a name begins with a head's, behind the prefix or behind what stands before it."""
    parts = prefix.split(".")[:-1]
    befores = (".".join(parts[:count]) + "." if count else "" for count in range(len(parts) + 1))
    return any(
        name.startswith(before) and name.removeprefix(before).split(".")[0] in HEAD_ROOTS
        for before in befores
    )
