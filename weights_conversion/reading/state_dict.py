"""Finds the state dict in what a training script saved."""

from collections.abc import Mapping

CONTAINER_KEYS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "state_dict_ema",
    "model_ema",
)
"""Where training scripts put it, the first that is there is taken."""

_DEEPEST = 3


def find_state_dict(loaded, is_tensor):
    """Returns the mapping of names to tensors, the keys that led to it and the keys beside it.

    Args:
      loaded: what the file holds.
      is_tensor: tells whether a value is a tensor.

    Returns:
      (mapping, "state_dict", ("epoch", "optimizer")); the keys are joined by dots, "" where the
      file is the mapping itself.

    Raises:
      ValueError: if there is none.
    """
    path, beside, found = [], [], loaded
    for _ in range(_DEEPEST):
        if not isinstance(found, Mapping) or any(map(is_tensor, found.values())):
            break
        inside = [key for key in CONTAINER_KEYS if isinstance(found.get(key), Mapping)]
        if not inside:
            break
        beside += [str(key) for key in found if key != inside[0]]
        path.append(inside[0])
        found = found[inside[0]]
    if not isinstance(found, Mapping) or not any(map(is_tensor, found.values())):
        raise ValueError(
            f"holds {_describe(loaded)}: expected a state dict, tensors by name, or one under "
            f"{', '.join(map(repr, CONTAINER_KEYS[:4]))} …"
        )
    unnamed = [key for key in found if not isinstance(key, str)]
    if unnamed:
        raise ValueError(f"holds tensors under {unnamed[0]!a}: expected names")
    return dict(found), ".".join(path), tuple(beside)


def _describe(loaded):
    if not isinstance(loaded, Mapping):
        return f"a {type(loaded).__name__}"
    keys = [str(key) if str(key).isprintable() else ascii(key) for key in loaded]
    return f"a dictionary of {', '.join(keys[:5])}" if keys else "an empty dictionary"
