import pytest

from tfcovid.whole_file import whole_file, write_text_whole


def test_text_arrives_whole_and_leaves_nothing_beside(tmp_path):
    write_text_whole(tmp_path / "a.txt", "ä\n")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "ä\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_failed_write_keeps_the_earlier_file(tmp_path):
    path = tmp_path / "a.txt"
    write_text_whole(path, "before")
    with pytest.raises(RuntimeError, match="disk"), whole_file(path) as beside:
        beside.write_text("half")
        raise RuntimeError("disk")
    assert path.read_text() == "before"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


def test_failed_folder_is_removed(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "folder") as beside:
        beside.mkdir()
        (beside / "part").write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_folder_with_content_is_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("kept")
    with pytest.raises(OSError, match="not empty"), whole_file(tmp_path / "folder") as beside:
        beside.mkdir()
        (beside / "new").write_text("new")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["mine"]
