"""Nothing that a file says of its patient is in what the commands write, show or serve."""

import contextlib
import importlib
import io
import json
import logging
import os
import sys
import tempfile

import numpy as np
import pandas as pd
import pytest
from absl.testing import flagsaver

from flags import parse
from tests.byte_search import found
from tests.conftest import SMALL_WITH_HEAT
from tests.planted import (
    DICOM_WORDS,
    PATIENT_ID,
    PICTURE_WORDS,
    TABLE,
    TABLE_WORDS,
    chests,
    film,
    jpeg,
    odd_films,
    png,
)
from tests.serving.conftest import PREDICT, b64, listening, said_to, service_of
from tfcovid.data.sources import dicom_tags
from tfcovid.experiment import heat_files
from tfcovid.experiment.exporting import run as exporting
from tfcovid.printable import one_line
from tfcovid.serving import heat_pictures
from tfcovid.serving.app import build_app
from tfcovid.serving.connections import ConnectionLimits
from tfcovid.serving.servable import Servable

pytest.importorskip("apache_beam")

SMALL = (
    *SMALL_WITH_HEAT,
    "--task=pneumonia",
    "--epochs=1",
    "--batch_size=16",
    "--controls=features",
    "--on_bad_image=set_aside",
    "--max_set_aside=.5",
)
KEY = bytes(range(101, 133))
# Of a file's name, which is written as it is: what shows that the search looks where words are.
NAMED = "Pfad-Zierfisch"


@contextlib.contextmanager
def shown_here():
    """Gives a function that returns all that this process shows from now on, on both streams."""
    # To append: what C++ writes and what Python writes do not overwrite each other.
    with tempfile.TemporaryFile("a+b") as held:
        sys.stdout.flush(), sys.stderr.flush()
        kept = {number: os.dup(number) for number in (1, 2)}
        text = io.TextIOWrapper(held, "utf-8", "surrogateescape", write_through=True)
        handler = logging.StreamHandler(text)
        logging.getLogger().addHandler(handler)
        for number in kept:
            os.dup2(held.fileno(), number)
        try:
            with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
                yield lambda: (text.flush(), os.pread(held.fileno(), 2**26, 0))[1]
        finally:
            logging.getLogger().removeHandler(handler)
            for number, before in kept.items():
                os.dup2(before, number)
                os.close(before)
            text.detach()


def command_here(entry, *arguments):
    """Runs a command in this process, which spares the start-up; returns all that it shows."""
    module = importlib.import_module(f"tfcovid.{entry}")
    with shown_here() as shown, flagsaver.flagsaver():
        try:
            getattr(module, entry)(parse.flags_parser([entry, *map(str, arguments)]))
        except ValueError as error:
            print(f"error: {one_line(str(error))}", file=sys.stderr)
        return shown()


def request(method, path, body=b""):
    lines = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    return f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def served(model, files):
    """Returns every answer of a server about the files, its figures, and its log."""
    app = build_app(service_of(Servable(model)), "tfcovid")
    limits = ConnectionLimits(headers_s=30, unread_s=30, connections=10)
    asks = [("GET", "/api/model", b""), ("GET", "/v1/models/tfcovid/metadata", b"")]
    for content in files:
        asks.append(("POST", "/api/classify", content))
        for signature in ("serving_default", "explain"):
            asked = {"signature_name": signature, "instances": [b64(content)]}
            asks.append(("POST", PREDICT, json.dumps(asked).encode()))
    asks.append(("GET", "/metrics", b""))
    with shown_here() as shown:
        with listening(app, limits) as address:
            answers = [said_to(address, request(*ask)) for ask in asks]
        return {"answers": b"\n".join(answers), "log": shown()}


def outputs_of(folder):
    """Returns every file below a folder by its path, which is searched too."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in files]
    return {
        name: name.encode() + b"\n" + path.read_bytes()
        for name, path in zip(names, files, strict=True)
    }


def check_whole(outputs):
    """Checks that every command left what it is run for: where nothing is, nothing is found."""
    scored = [name for name in outputs if name.startswith("run/evaluations/")]
    assert sum(name.endswith("/metrics.json") for name in scored) == 2
    assert outputs.keys() >= {
        "run/report.html",
        "run/checkpoints/model.keras",
        "run/control_predictions.csv",
        "run/heatmaps/heatmaps.csv",
        "run/saved_model/saved_model.pb",
        "run/exports/litert/int8.tflite",
        "run/exports/onnx/model.onnx",
        "audit/audit.html",
        "records/records.json",
    }
    for part in ("heat/", "steps/", "run/heatmaps/", "/events.out.tfevents"):
        assert any(part in name for name in outputs), part
    assert outputs["answers"].count(b"HTTP/1.1 200 OK") > 5 < outputs["answers"].count(b" 400 ")


def where_found(outputs, words):
    """Returns the words that stand in each output, and no output that has none."""
    return {name: here for name, data in outputs.items() if (here := found(data, words))}


@contextlib.contextmanager
def own_places(folder):
    """Keeps keys, caches and temporary files of this process in a folder."""
    with pytest.MonkeyPatch.context() as patched:
        for variable, name in (("XDG_CONFIG_HOME", "config"), ("XDG_CACHE_HOME", "cache")):
            patched.setenv(variable, str(folder / name))
        (folder / "temporary").mkdir(parents=True)
        patched.setattr(tempfile, "tempdir", str(folder / "temporary"))
        patched.setattr(exporting, "ROUNDS", 3)
        yield


def everything_of(out, data_flags, looked_at):
    """Runs every command on a data set; returns what they write, by path, and show, by command."""
    run, model = out / "run", out / "run" / "saved_model"
    names = sorted(looked_at)
    read = [flag for flag in data_flags if not flag.startswith("--task")]
    shown = {
        "train": command_here("train", *data_flags, *SMALL, f"--workdir={run}"),
        "evaluate": command_here("evaluate", f"--workdir={run}"),
        "evaluate others": command_here(
            "evaluate", *read, f"--workdir={run}", "--on_bad_image=set_aside"
        ),
        "audit": command_here("audit", *data_flags, f"--workdir={out / 'audit'}"),
        "export": command_here("export", f"--workdir={run}", "--format=saved_model,litert,onnx"),
        "predict": command_here(
            "predict", f"--model={model}", f"--heatmap_dir={out / 'heat'}", *names
        ),
        "steps": command_here(
            "steps", "--preprocessing=lung_crop", f"--output_dir={out / 'steps'}", *names
        ),
        # A bad file ends these: with its line, and nothing of it in that.
        "train, refused": command_here("train", *data_flags, f"--workdir={out / 'none'}"),
        "audit, refused": command_here("audit", *data_flags, f"--workdir={run}"),
    }
    prepared = [*read, "--image_size=32", "--shards=2", f"--output_dir={out / 'records'}"]
    shown["prepare, refused"] = command_here("prepare", *prepared)
    shown["prepare"] = command_here("prepare", *prepared, "--on_bad_image=set_aside")
    for name, text in shown.items():
        # Else there would be nothing to search.
        assert text.startswith(b"error: ") <= ("refused" in name), text
    answers = served(model, [path.read_bytes() for path in names])
    return outputs_of(out) | {f"shown by {name}": text for name, text in shown.items()} | answers


@pytest.fixture(scope="module")
def of_dicom(tmp_path_factory):
    """The folder of DICOM files and all that comes of them, by name."""
    root = tmp_path_factory.mktemp("dicom")
    films, out = root / "films", root / "out"
    for number, (folder, pixels) in enumerate(chests(32)):
        (films / folder).mkdir(parents=True, exist_ok=True)
        name = NAMED if number == 7 else str(number)
        content = film(number, pixels, BurnedInAnnotation="YES")
        (films / folder / f"{name}.dcm").write_bytes(content)
    for name, content in odd_films(pixels).items():
        (films / "normal" / name).write_bytes(content)
    told = ",".join(f'"{word}"' for word in TABLE.values())
    (films / "labels.csv").write_text(
        f"path,finding,{','.join(TABLE)}\n"
        f"normal/0.dcm,Normal,{told}\nnormal/gone.dcm,Normal,{told}\n"
    )
    (root / "site.key").write_bytes(KEY)
    flags = (f"--data_dir={films}", f"--patient_key={root / 'site.key'}", "--task=pneumonia")
    looked_at = [*films.glob("normal/[a-z]*"), films / "pneumonia" / f"{NAMED}.dcm"]
    with own_places(out):
        return films, everything_of(out, flags, looked_at)


def test_every_word_is_in_the_dicom_files(of_dicom):
    films, _ = of_dicom
    for path in films.rglob("[0-9]*.dcm"):
        assert found(path.read_bytes(), DICOM_WORDS) == set(DICOM_WORDS)
    assert found((films / "labels.csv").read_bytes(), TABLE_WORDS) == set(TABLE_WORDS)


def test_nothing_of_a_dicom_header_is_in_any_output(of_dicom):
    _, outputs = of_dicom
    check_whole(outputs)
    assert not where_found(outputs, [*DICOM_WORDS, *TABLE_WORDS, KEY])


def test_patients_are_keyed_hashes_in_every_table(of_dicom):
    _, outputs = of_dicom
    for name in ("run/manifest.csv", "records/reading.csv"):
        table = pd.read_csv(io.BytesIO(outputs[name].split(b"\n", 1)[1]))
        assert table["patient_id"].str.fullmatch(r"dicom:[0-9a-f]{16}").all()
        assert table["patient_id"].is_unique


def test_the_search_finds_a_files_name_wherever_it_is_written(of_dicom):
    places = where_found(of_dicom[1], [NAMED]).keys()
    assert places >= {
        "run/manifest.csv",
        "records/reading.csv",
        "shown by predict",
        f"heat/{NAMED}.dcm.heatmap.png",
    }


def test_the_search_finds_a_number_that_is_not_hashed(of_dicom, tmp_path, monkeypatch):
    films, _ = of_dicom
    monkeypatch.setattr(dicom_tags, "keyed_id", lambda patient, _: patient)
    arguments = (f"--data_dir={films}", f"--patient_key={films.parent / 'site.key'}")
    command_here("audit", *arguments, "--task=pneumonia", f"--workdir={tmp_path / 'audit'}")
    assert not where_found(outputs_of(tmp_path), DICOM_WORDS)
    command_here(
        "prepare",
        *arguments,
        "--image_size=32",
        "--on_bad_image=set_aside",
        f"--output_dir={tmp_path / 'records'}",
    )
    assert where_found(outputs_of(tmp_path), DICOM_WORDS) == {"records/reading.csv": {PATIENT_ID}}


@pytest.fixture(scope="module")
def of_pictures(tmp_path_factory):
    """The folder of PNG and JPEG files with a table, and all that comes of them, by name."""
    root = tmp_path_factory.mktemp("pictures")
    films, out = root / "films", root / "out"
    lines = [f"file,diagnosis,pid,{','.join(TABLE)}"]
    told = ",".join(f'"{word}"' for word in TABLE.values())
    for number, (folder, pixels) in enumerate(chests(30)):
        (films / folder).mkdir(parents=True, exist_ok=True)
        encode, ending = ((png, "png"), (jpeg, "jpg"))[number // 2 % 2]
        path = f"{folder}/{NAMED if number == 7 else number}.{ending}"
        (films / path).write_bytes(encode(pixels))
        lines.append(f"{path},{folder},case-{number},{told}")
    for name, content in {
        "cut.jpg": jpeg(pixels)[:900],
        "text.png": "\n".join(PICTURE_WORDS).encode(),
        "unlisted.png": png(pixels[::-1]),
    }.items():
        (films / "normal" / name).write_bytes(content)
    listed = [f"normal/{name},normal,case-9{name[0]},{told}" for name in ("cut.jpg", "text.png")]
    gone = f"normal/gone.png,normal,case-99,{told}"
    (films / "films.csv").write_text("\n".join([*lines, lines[1], *listed, gone]) + "\n")
    columns = "--columns=path:file,finding:diagnosis,patient_id:pid"
    flags = (f"--data_dir={films}", "--data=csv", columns, "--task=pneumonia")
    (root / "headless.csv").write_text("\n".join(lines[1:]))
    with own_places(out):
        outputs = everything_of(out, flags, sorted(films.glob("*/*[!0-9].*")))
        # The same files by their folders; then tables that are taken for others than they are.
        by_folders = command_here("audit", *flags[:1], "--data=folders", f"--workdir={out / 'by'}")
        mistaken = [f"{columns},age:{column}" for column in TABLE]
        mistaken += [f"--table={root / 'headless.csv'}", "--columns=path:file"]
        mistakes = [command_here("audit", *flags[:2], flag) for flag in mistaken]
    assert all(text.startswith(b"error: ") for text in mistakes)
    outputs |= outputs_of(out)
    return films, outputs | {"by folders": by_folders, "mistakes": b"\n".join(mistakes)}


def test_nothing_of_a_pictures_text_or_of_other_columns_is_in_any_output(of_pictures):
    films, outputs = of_pictures
    files = b"".join(path.read_bytes() for path in films.rglob("*.*g"))
    assert found(files, PICTURE_WORDS) == set(PICTURE_WORDS)
    assert found((films / "films.csv").read_bytes(), TABLE_WORDS) == set(TABLE_WORDS)
    check_whole(outputs)
    assert b"case-" in outputs["run/manifest.csv"]
    assert not where_found(outputs, [*PICTURE_WORDS, *TABLE_WORDS])


def test_the_search_finds_words_that_pictures_carry(of_pictures, monkeypatch, tmp_path):
    films, _ = of_pictures
    word, one = PICTURE_WORDS[1], films / "normal" / "unlisted.png"
    for module in (heat_files, heat_pictures):
        monkeypatch.setattr(module, "as_png", lambda pixels: png(np.asarray(pixels)))
    model = films.parent / "out" / "run" / "saved_model"
    command_here("predict", f"--model={model}", f"--heatmap_dir={tmp_path}", one)
    written = where_found(outputs_of(tmp_path), PICTURE_WORDS)
    assert word in written[f"{one.name}.heatmap.png"]
    assert word in where_found(served(model, [one.read_bytes()]), PICTURE_WORDS)["answers"]
