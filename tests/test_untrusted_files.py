"""Files from anywhere: no code of theirs runs, nothing grows without limit, names stay names."""

import contextlib
import hashlib
import html.parser
import io
import pathlib
import re
import resource
import tracemalloc
import zipfile
import zlib

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from flags import parse
from tests.conftest import SMALL, train_here
from tests.data.images import encode, noise, smooth
from tests.fuzz.corpus import (
    npy_claiming,
    planted_checkpoints,
    planted_npz,
    planted_pickle,
    zip_bomb,
)
from tests.fuzz.image_mutations import PNG_SIGNATURE, png_chunk
from tests.fuzz.targets import TARGETS
from tfcovid.array_file import read_arrays
from tfcovid.console import open_console, say
from tfcovid.data.image_files import scan_files, size_or_reason
from tfcovid.data.manifest import read_manifest
from tfcovid.data.sources import reading
from tfcovid.models.input_contract import InputContract
from tfcovid.models.weights_file import read_weights
from tfcovid.printable import MOST_CHARACTERS, one_line, printable
from tfcovid.training.run_record import as_a_run_writes, read_json
from weights_conversion.reading.checkpoint import read_checkpoint


@pytest.mark.parametrize("kind", ["zip", "pickle", "bare"])
def test_planted_object_in_a_checkpoint_does_not_run(tmp_path, kind):
    canary, path = tmp_path / "canary", tmp_path / "model.pt"
    path.write_bytes(planted_checkpoints(canary)[kind])
    with pytest.raises(ValueError, match="nothing of it was run") as raised:
        read_checkpoint(path)
    assert not canary.exists() and "\n" not in str(raised.value)


def test_planted_object_among_arrays_does_not_run(tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "arrays.npz"
    path.write_bytes(planted_npz(canary))
    with pytest.raises(ValueError, match="which would be unpickled"):
        read_arrays(path)
    path.write_bytes(planted_pickle(canary))
    with pytest.raises(ValueError, match="expected arrays that a run has written") as raised:
        read_arrays(path)
    assert not canary.exists() and str(path) in str(raised.value)


def test_planted_pickle_runs_as_no_kind_of_file(tmp_path):
    canary = tmp_path / "canary"
    content = planted_pickle(canary)
    for name, target in TARGETS.items():
        if name.startswith("run/"):
            continue
        folder = tmp_path / name
        folder.mkdir()
        with contextlib.suppress(*target.refusals):
            target.reader(folder)(content)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out"])
def test_archive_with_paths_that_lead_out_writes_nothing(tmp_path, name):
    folder = tmp_path / "inside"
    folder.mkdir()
    for path, read in ((folder / "m.pt", read_checkpoint), (folder / "a.npz", read_arrays)):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{name}/data.pkl", b"x")
            archive.writestr(f"{name}.npy", b"x")
        with pytest.raises(ValueError, match=r"\S"):
            read(path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.npz", "inside", "m.pt"]


def test_bombs_are_refused_before_they_are_unpacked(tmp_path):
    bomb = zip_bomb("archive/data.pkl", 256 << 20)
    (tmp_path / "m.pt").write_bytes(bomb)
    (tmp_path / "a.npz").write_bytes(zip_bomb("progress.npy", 256 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="compressed zip"):
            read_checkpoint(tmp_path / "m.pt")
        with pytest.raises(ValueError, match="not compressed"):
            read_arrays(tmp_path / "a.npz")
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_array_that_claims_more_than_its_file_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("progress.npy", npy_claiming((10**6, 10**6)))
    with pytest.raises(ValueError, match=r"an array of shape \(1000000, 1000000\) in 128 bytes"):
        read_arrays(path)


def test_text_array_that_no_text_could_hold_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    stream = io.BytesIO()
    np.save(stream, np.array(["abc"]))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sources.npy", stream.getvalue()[:-4] + b"\xff\xff\xff\x7f")
    with pytest.raises(ValueError, match="sources holds no text"):
        read_arrays(path)


def test_weights_whose_array_was_never_written_are_refused(tmp_path):
    path = tmp_path / "x.weights.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("w", shape=(10**6, 10**6), dtype="f4", chunks=(100, 100))
        dataset.attrs["path"] = "conv/kernel"
    fields = ("tiny", 1, 0.0, 1.0, (0.0,), (1.0,), 32, 0, (), "0" * 64, {})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    contract = InputContract(*fields, weights_sha256=digest)
    (tmp_path / "x.contract.json").write_text(contract.to_json())
    with pytest.raises(ValueError, match=r"x\.weights\.h5.*expected at most the .* of the file"):
        read_weights(path)


def test_weights_cut_inside_are_one_line_that_names_them(tmp_path):
    target = TARGETS["weights.h5"]
    (content,) = target.seeds()
    read = target.reader(tmp_path)
    for at in range(100, len(content), len(content) // 20):
        changed = content[:at] + b"\xff" * 8 + content[at + 8 :]
        try:
            read(changed)
        except ValueError as error:
            assert "x.weights.h5" in str(error) or "x.contract.json" in str(error)


def test_jpeg_of_endless_scans_is_set_aside_by_a_run_too(tmp_path):
    jpeg = encode(smooth(64, 64), "JPEG", progressive=True)
    scans = jpeg[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x01\x05\x00" * 200 + jpeg[-2:]
    assert size_or_reason(scans) == "not decoded: a JPEG file of more than 100 scans"
    (tmp_path / "a.jpeg").write_bytes(scans)
    _, rejected = scan_files(pd.DataFrame({"image": ["a"], "path": ["a.jpeg"]}), tmp_path)
    assert rejected["reason"].tolist() == ["not decoded: a JPEG file of more than 100 scans"]


def test_damaged_note_in_a_picture_is_no_line_on_the_terminal():
    exif = Image.Exif()
    exif[0x0112] = 6
    jpeg = encode(noise(64, 64), "JPEG", exif=exif)
    at = jpeg.index(b"Exif\0\0")
    # Warnings are errors here: Pillow's would come through.
    assert size_or_reason(jpeg[: at + 14] + b"\xff\xff" + jpeg[at + 16 :]) == (64, 64)


def test_picture_with_a_bomb_beside_its_pixels_stays_small():
    png = encode(noise(64, 64), "PNG")
    note = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(512 << 20), 9))
    assert png.startswith(PNG_SIGNATURE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    content = png[:33] + note + png[33:]
    assert size_or_reason(content) == (64, 64) or isinstance(size_or_reason(content), str)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 256 << 10


def test_table_is_refused_where_no_memory_would_hold_it(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_TABLE_BYTES", 1 << 20)
    (tmp_path / "t.csv").write_bytes(b"image\n" + b"x" * (1 << 20))
    with pytest.raises(ValueError, match=r"t\.csv: expected a CSV file of at most 1 MiB"):
        reading.read_table(tmp_path / "t.csv", required=())
    with pytest.raises(ValueError, match="/dev/zero: expected a CSV file, it is a device"):
        reading.read_table(pathlib.Path("/dev/zero"), required=())


def test_number_that_no_image_could_have_is_refused_in_a_manifest(tmp_path):
    target = TARGETS["manifest.csv"]
    text = target.seeds()[0].decode().replace(",48,", ",999999999999999999999,")
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ValueError, match=r"column width, row 1: expected a number from 0 to"):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize("kind", ["any.csv", "covid_chestxray.csv"])
def test_name_that_is_too_long_for_a_file_is_that_of_a_missing_one(tmp_path, kind):
    target = TARGETS[kind]
    (text,) = target.seeds()
    long = b"c.png" if kind == "any.csv" else b"c.nii.gz"
    assert target.reader(tmp_path)(text.replace(long, b"x" * 3000)) == "read"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "expected JSON"),
        (b'{"a": NaN}', "NaN is no number"),
        (b"\xff", "expected JSON"),
        (b"", "expected JSON"),
    ],
)
def test_json_that_python_alone_would_take_or_choke_on_is_refused(tmp_path, content, message):
    path = tmp_path / "decision.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as raised:
        read_json(path)
    assert str(path) in str(raised.value)


def test_content_of_another_type_is_one_line_that_names_its_file(tmp_path):
    path = tmp_path / "metrics.json"
    found = r"metrics\.json: not as a run writes it \(TypeError"
    with pytest.raises(ValueError, match=found), as_a_run_writes(path):
        len(1)
    with pytest.raises(ValueError, match=f"^{path}: its own words$"), as_a_run_writes(path):
        raise ValueError(f"{path}: its own words")


@pytest.mark.parametrize("nested", [False, True])
def test_flag_file_that_never_ends_is_refused(tmp_path, nested):
    path = tmp_path / "flags.cfg"
    path.write_text("--seed=1\n  --flagfile=/dev/zero\n")
    named = path if nested else "/dev/zero"
    with pytest.raises(ValueError, match="--flagfile=/dev/zero: expected a text file"):
        parse.flag_values_from_argv(["train", f"--flagfile={named}"])
    path.write_bytes(b"--seed=\xff\n")
    with pytest.raises(ValueError, match="expected UTF-8 text, byte 7 is not"):
        parse.flag_values_from_argv(["train", "--flagfile", str(path)])


def test_escape_sequences_and_turned_writing_are_shown_and_not_obeyed(capsys):
    name = "a\x1b[2J\u202egnp.exe\udcff\x07é中.png"
    shown = "a\\x1b[2J\\u202egnp.exe\\udcff\\x07é中.png"
    assert printable(name) == shown
    assert printable("two\nlines") == "two\nlines"
    assert one_line("a\n b\x1b") == "a b\\x1b"
    assert len(one_line("x" * 10**6)) == MOST_CHARACTERS + 2
    say(open_console(), name)
    assert capsys.readouterr().out.strip() == shown.replace("\\x07", "")  # rich drops the bell


HOSTILE = (
    "<img src=x onerror=alert(1)>.png",
    '"><script>alert(2)<!--.png',
    "'; alert(3); '.png",
    "=cmd|' C calc'!A0.png",
    "two\nlines.png",
    "esc\x1b[2J\x1b]0;title\x07.png",
    "rtl\u202egnp.exe.png",
    "$x_{^$ %s {0} {{7*7}}.png",
)


class Attributes(html.parser.HTMLParser):
    """Collects tags and the names of attributes."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def handle_starttag(self, tag, attrs):
        self.seen |= {tag, *(name for name, _ in attrs)}


def test_hostile_names_reach_page_tables_and_terminal_as_names(small_data, tmp_path):
    films = sorted(small_data.rglob("*.jpeg")) + sorted(small_data.rglob("*.png"))
    data, rows = tmp_path / "data", []
    data.mkdir()
    for number, film in enumerate(films[:120]):
        name = f"{number}{HOSTILE[number % len(HOSTILE)]}"
        (data / name).write_bytes(film.read_bytes())
        finding = ("Normal", "Pneumonia", "COVID-19")[number % 3]
        rows.append({"path": name, "finding": finding, "source": HOSTILE[7 - number % 4]})
    (data / f"bad{HOSTILE[5]}").write_text("no image")
    rows.append({"path": f"bad{HOSTILE[5]}", "finding": "Normal", "source": HOSTILE[0]})
    pd.DataFrame(rows).to_csv(data / "table.csv", index=False)
    workdir = tmp_path / "run"
    shown = train_here(
        f"--data_dir={data}",
        "--data=csv",
        "--on_bad_image=set_aside",
        f"--workdir={workdir}",
        *SMALL,
        "--epochs=1",
    )
    assert "\x1b" not in shown and "\u202e" not in shown and "\\x1b[2J" in shown
    page = (workdir / "report.html").read_text(encoding="utf-8")
    parser = Attributes()
    parser.feed(page)
    assert not parser.seen & {"script", "onerror", "onload", "iframe"}
    assert not re.search(r"<img src=x", page)
    manifest = pd.read_csv(workdir / "manifest.csv", keep_default_na=False)
    assert set(manifest["image"]) <= {row["path"] for row in rows}
    assert len(manifest) == 120
