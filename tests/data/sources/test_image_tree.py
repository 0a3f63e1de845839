import os

import pytest

from tfcovid.data.sources.image_tree import (
    checked_root,
    files_below,
    files_beside,
    images_below,
    is_image,
    joined,
    not_images,
    subfolders,
    unique_ids,
)
from tfcovid.data.sources.reading import REJECTED_COLUMNS


def _touch(root, *files):
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def test_every_file_below_is_found_once_in_the_order_of_text_with_what_is_wrong(tmp_path):
    home = _touch(tmp_path / "home", "b/2.png", "b/10.png", "a.txt", ".x.png", "__MACOSX/b/2.png")
    _touch(tmp_path, "other/c.png")
    (home / "again.png").symlink_to(home / "b" / "2.png")
    (home / "b" / "out.png").symlink_to(tmp_path / "other" / "c.png")
    (home / "loop").symlink_to(home)
    found = files_below(home, tmp_path)
    assert found == {
        "home/.x.png": "hidden, by its name",
        "home/__MACOSX/b/2.png": "hidden, by its name",
        "home/a.txt": None,
        "home/again.png": None,
        "home/b/10.png": None,
        "home/b/2.png": None,
        # Inside the root, though not inside the folder.
        "home/b/out.png": None,
        "home/loop": "a link to a folder, which is not followed",
    }
    assert list(found) == sorted(found)
    assert files_below(home, home)["b/out.png"].startswith("a link that leads out")


def test_litter_of_file_managers_is_no_file_of_the_data_set(tmp_path):
    _touch(tmp_path, ".DS_Store", "a/Thumbs.db")
    assert files_below(tmp_path, tmp_path) == files_beside(tmp_path, tmp_path, "") == {}


def test_file_name_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.png")).touch()
    with pytest.raises(ValueError, match="expected file names in UTF-8"):
        files_below(tmp_path, tmp_path)


def test_files_beside_class_folders_have_the_readers_reason_and_hidden_ones_their_own(tmp_path):
    _touch(tmp_path, "readme.txt", ".secret", ".cache/a.png", "covid/b.png")
    assert files_beside(tmp_path, tmp_path, "beside") == {
        ".cache/a.png": "hidden, by its name",
        ".secret": "hidden, by its name",
        "readme.txt": "beside",
    }


def test_images_and_other_files_part_by_name(tmp_path):
    paths, others = images_below(_touch(tmp_path, "a.PNG", "b.dcm", "c.csv"), tmp_path)
    assert paths == ["a.PNG", "b.dcm"]
    assert others["path"].tolist() == ["c.csv"]
    assert others["reason"].iloc[0].startswith("no image, by its name (images end in .png")
    assert is_image("x.JPeG") and not is_image("png")


def test_only_links_that_lead_out_are_bad_files():
    rejected = not_images({"a": "hidden", "b": "a link that leads out of the data set's folder"})
    assert dict(zip(rejected["path"], rejected["category"], strict=True)) == {
        "a": "not listed",
        "b": "bad file",
    }
    assert tuple(joined([]).columns) == REJECTED_COLUMNS


def test_names_that_several_files_have_become_paths(tmp_path):
    rejected = not_images(dict.fromkeys(["a/1.png", "b/1.png", "b/2.png"], "why"))
    assert unique_ids(rejected["path"]).tolist() == ["a/1.png", "b/1.png", "2.png"]


def test_subfolders_are_ordered_and_the_hidden_ones_left_out(tmp_path):
    _touch(tmp_path, "b/x", "a/x", ".git/x", "__MACOSX/x", "c.txt")
    assert [path.name for path in subfolders(tmp_path)] == ["a", "b"]


def test_absent_root_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no such folder"):
        checked_root(tmp_path / "absent")
    with pytest.raises(ValueError, match="there is no such folder"):
        checked_root(_touch(tmp_path, "file") / "file")
