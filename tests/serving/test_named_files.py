import errno
import os
import re

import pytest

from tfcovid.serving.named_files import named_files


@pytest.fixture
def archive(tmp_path):
    """Two films in a folder and one below it."""
    (tmp_path / "archive" / "more").mkdir(parents=True)
    for name in ("a.png", "b.png", "more/a.png"):
        (tmp_path / "archive" / name).write_bytes(b"")
    return tmp_path / "archive"


def unexpected(line):
    raise AssertionError(line)


def names(archive, *arguments, pattern, warn=unexpected):
    found = named_files(arguments, f"{archive}/{pattern}", warn=warn)
    return [name.removeprefix(f"{archive}/") for name in found]


def test_a_pattern_takes_files_and_no_folders(archive):
    assert names(archive, pattern="**/*") == ["a.png", "b.png", "more/a.png"]
    assert names(archive, pattern="*") == ["a.png", "b.png"]


def test_a_link_to_a_folder_above_or_beside_gives_no_file_twice(archive):
    (archive / "more" / "loop").symlink_to("..")
    (archive / "beside").symlink_to("more")
    for pattern in ("**/*", "**", "**/**/*", "**//*.png", "**/**"):
        assert names(archive, pattern=pattern) == ["a.png", "b.png", "more/a.png"]
    by_links = ["beside/a.png", "beside/loop/a.png", "beside/loop/b.png"]
    assert names(archive, pattern="*/**/*") == by_links
    assert names(archive, pattern="*/*") == ["beside/a.png", "more/a.png"]  # as written


def test_a_link_to_a_file_and_one_to_a_folder_elsewhere_are_followed(archive, tmp_path):
    (archive / "c.png").symlink_to("a.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "d.png").write_bytes(b"")
    (archive / "linked").symlink_to("../elsewhere")
    (archive / "gone.png").symlink_to("nowhere")
    found = ["a.png", "b.png", "c.png", "gone.png", "linked/d.png", "more/a.png"]
    assert names(archive, pattern="**/*") == found


def test_two_stars_stand_for_folders_anywhere_in_a_pattern(archive, monkeypatch):
    (archive / "more" / "still" / "more").mkdir(parents=True)
    (archive / "more" / "still" / "more" / "e.png").write_bytes(b"")
    (archive / ".hidden").mkdir()
    (archive / ".hidden" / "f.png").write_bytes(b"")
    (archive / "[odd]").mkdir()
    (archive / "[odd]" / "g.png").write_bytes(b"")
    everything = ["[odd]/g.png", "a.png", "b.png", "more/a.png", "more/still/more/e.png"]
    assert names(archive, pattern="**") == everything
    assert names(archive, pattern="**/more/**/*.png") == ["more/a.png", "more/still/more/e.png"]
    assert names(archive, pattern="**/still/*/*") == ["more/still/more/e.png"]
    monkeypatch.chdir(archive)
    assert named_files([], "**/*", warn=unexpected) == everything
    assert named_files([], "mo*/**/e.png", warn=unexpected) == ["more/still/more/e.png"]


def test_what_is_named_comes_first_and_is_not_taken_again(archive):
    named = (f"{archive}/b.png", "not-there.png", f"{archive}/b.png")
    assert names(archive, *named, pattern="*.png") == ["b.png", "not-there.png", "a.png"]


def test_a_link_to_itself_is_a_file_for_its_reader_to_refuse(archive):
    (archive / "self").symlink_to("self")
    (archive / ".hidden").symlink_to(".hidden")
    assert names(archive, pattern="**/*") == ["a.png", "b.png", "more/a.png", "self"]


def test_a_folder_that_cannot_be_read_is_told(archive, monkeypatch):
    scan = os.scandir

    def scandir(folder):
        if folder.endswith("more"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    told = []
    assert names(archive, pattern="**/*", warn=told.append) == ["a.png", "b.png"]
    assert told == [f"{archive}/more cannot be read (Permission denied): what is in it is left out"]


def test_a_slash_at_the_end_and_two_stars_in_a_name_are_globs(archive):
    for pattern in ("**/", "*/"):
        with pytest.raises(ValueError, match="matches no file"):
            names(archive, pattern=pattern)
    assert names(archive, pattern="mo**/a.png") == ["more/a.png"]


def test_a_folder_that_is_named_is_told_how_its_images_are(archive):
    told = rf"{archive} is a folder, expected image files: --pattern='?{archive}/\*\.png'? names"
    with pytest.raises(ValueError, match=told):
        named_files([f"{archive}"], None, warn=unexpected)
    with pytest.raises(ValueError, match=f"matches no file: {told}"):
        named_files([], f"{archive}", warn=unexpected)
    lines = []
    named = [f"{archive}/a.png", f"{archive}"]
    assert named_files(named, None, warn=lines.append) == named
    assert len(lines) == 1 and re.match(told, lines[0])


def test_a_pattern_that_is_the_name_of_a_file_is_told_how_to_write_it(archive):
    (archive / "wei rd [1].png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"in a pattern \[ is written \[\[\]; expected --pattern="):
        names(archive, pattern="wei rd [1].png")
    assert names(archive, pattern="wei rd [[]1].png") == ["wei rd [1].png"]


def test_no_file_is_one_line(archive):
    with pytest.raises(ValueError, match=r"--pattern=.*gif matches no file: expected image files"):
        named_files([], f"{archive}/*.gif", warn=unexpected)
    with pytest.raises(ValueError, match="no image was named"):
        named_files([], None, warn=unexpected)
