"""What the operating system refuses is told in one line, whoever noticed it."""

import errno
import os

import pytest
import tensorflow as tf

from tfcovid.refused_by_system import in_words
from tfcovid.whole_file import whole_file


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "", "run/a.csv"), "run/a.csv: the disk is full: free some space"),
        (OSError(errno.EDQUOT, "", "a", None, "b"), "b: the disk is full"),
        (OSError(errno.ENOSPC, ""), "the disk is full"),
        (OSError(errno.EROFS, "", b"run/\xff"), "run/\udcff: the disk is read-only"),
        (OSError(errno.EACCES, "", "run"), "run: no right to: change the permissions"),
        (OSError(errno.ESTALE, "", "data/a.png"), "data/a.png: the storage does not answer"),
        (OSError(errno.ENOENT, "", "data/a.png"), "data/a.png: no such file or folder"),
        (OSError(errno.EISDIR, "Is a directory", "a"), "a: Is a directory"),
        (OSError("only words"), "only words"),
        (
            OSError("Can't write (file write failed: errno = 28, error message = 'No space')"),
            "the disk is full",
        ),
        (MemoryError(), "out of memory: lower --batch_size"),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor of [9,9]"),
            "out of memory",
        ),
        (
            tf.errors.ResourceExhaustedError(
                None, None, "{{function_node x}} /r/v/part-0; No space left on device [Op:SaveV2]"
            ),
            "/r/v/part-0: the disk is full",
        ),
    ],
    ids=str,
)
def test_one_line_says_what_where_and_what_to_do(error, expected):
    assert in_words(error).startswith(expected)


def test_what_another_refused_is_not_put_into_words():
    assert in_words(KeyError("x")) is None
    assert in_words(tf.errors.InvalidArgumentError(None, None, "shapes do not fit")) is None


def test_tensorflow_s_own_words_on_a_file_that_is_gone_are_understood(tmp_path):
    gone = tmp_path / "a b.png"
    for read in (
        lambda: tf.io.read_file(str(gone)),
        lambda: list(tf.data.Dataset.from_tensors(str(gone)).map(tf.io.read_file)),
    ):
        with pytest.raises(tf.errors.NotFoundError) as caught:
            read()
        assert in_words(caught.value).startswith(f"{gone}: no such file or folder")


def test_a_full_disk_is_told_with_the_name_of_the_file_that_was_not_written(tmp_path):
    with pytest.raises(OSError) as caught, whole_file(tmp_path / "a.csv"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert in_words(caught.value).startswith(f"{tmp_path / 'a.csv'}: the disk is full")
