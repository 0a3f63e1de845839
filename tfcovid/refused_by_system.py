"""What the operating system refused, in one line: what happened, where, and what to do.

Python says it with an error number, HDF5 and TensorFlow inside the text of errors of their own.
"""

import errno
import os
import re

FULL = (errno.ENOSPC, errno.EDQUOT)
GONE = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.EHOSTDOWN, errno.ETIMEDOUT)

_WHAT_TO_DO = {
    **dict.fromkeys(
        FULL,
        "the disk is full: free some space and give the command again; what was written before is "
        "whole, and train goes on with --resume",
    ),
    errno.EFBIG: "the file may not grow so large: raise the limit of this disk or process",
    errno.EROFS: "the disk is read-only: name a place where files may be written",
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM), "no right to: change the permissions, or name another place"
    ),
    **dict.fromkeys(
        GONE, "the storage does not answer: see whether it is still there and give it again"
    ),
    errno.ENOENT: "no such file or folder: it was moved or removed, or the path is misspelt",
}
_NUMBERS = {os.strerror(number): number for number in _WHAT_TO_DO}

# Of HDF5: "Unable to … (file write failed: … errno = 28, error message = 'No space left …')".
_OF_HDF5 = re.compile(r"errno = (\d+)")
# Of TensorFlow: "{{function_node …}} /data/a.png; No such file or directory [Op:ReadFile]".
_OF_TENSORFLOW = re.compile(
    rf"(?:^|: |}}}} )(/[^;{{}}]*|[^;:{{}}]+); ({'|'.join(map(re.escape, _NUMBERS))})"
)
_OUT_OF_MEMORY = re.compile(r"\bOOM\b|out of memory", re.IGNORECASE)


def in_words(error: Exception) -> str | None:
    """Returns the line for a user, or None if it was not the operating system that refused.

    Args:
      error: what was raised: an OSError, a MemoryError, or TensorFlow's error of an operation.
    """
    if isinstance(error, OSError):
        return _of_python(error)
    if isinstance(error, MemoryError) or _is_out_of_memory(error):
        return "out of memory: lower --batch_size or --image_size, or --cache=disk"
    if not type(error).__module__.startswith("tensorflow."):
        return None
    match = _OF_TENSORFLOW.search(str(error))
    return f"{match[1].strip()}: {_WHAT_TO_DO[_NUMBERS[match[2]]]}" if match else None


def _of_python(error: OSError) -> str:
    match = _OF_HDF5.search(str(error))
    number = int(match[1]) if match else error.errno
    # Of a copy, the file that is written is the second.
    name = error.filename2 if number in FULL and error.filename2 else error.filename
    place = f"{os.fsdecode(name)}: " if isinstance(name, str | bytes) else ""
    if number in _WHAT_TO_DO and not (number == errno.ENOENT and not place):
        return f"{place}{_WHAT_TO_DO[number]}"
    return f"{place}{error.strerror}" if place and error.strerror else str(error)


def _is_out_of_memory(error: Exception) -> bool:
    """Returns whether TensorFlow found no memory; it uses the same error for a full disk."""
    return type(error).__name__ == "ResourceExhaustedError" and bool(
        _OUT_OF_MEMORY.search(str(error))
    )
