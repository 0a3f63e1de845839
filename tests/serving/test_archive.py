"""Scoring an archive gives the lines of `predict`, whatever the parallelism and the history."""

import fcntl
import importlib.util
import json
import pathlib
import shutil
import sys

import pytest
import tensorflow as tf

from tests.data.dicoms import dicom
from tests.data.images import encode, noise
from tests.killed_halfway import killed_halfway
from tests.serving.test_exported import exported
from tfcovid.beam_jobs import read_note
from tfcovid.serving import client
from tfcovid.serving.archive import ERRORS_NAME, INDEX_NAME, score_archive
from tfcovid.serving.archive_jobs import ArchiveJob, ScoringModel, score_job
from tfcovid.serving.client import load_signature, predict_files
from tfcovid.serving.exported import save_exported
from tfcovid.serving.lines import prediction_line
from tfcovid.serving.model_folder import ASSETS, decision_rule, model_card

needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None,
    reason="apache_beam is not installed: pip install -r requirements-prepare.txt",
)

SHARDS = 4
BATCH = 2


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "saved_model"
    save_exported(exported(3), folder)
    return folder


@pytest.fixture
def archive(tmp_path):
    """Thirteen files: JPEG, PNG, GIF, DICOM, and five that are no image of an X-ray."""
    folder = tmp_path / "archive"
    folder.mkdir()
    good = {
        "00.jpg": encode(noise(60, 50, 3), "JPEG"),
        "02.png": encode(noise(40, 52), "PNG"),
        "03.gif": encode(noise(45, 40), "GIF"),
        "04.dcm": dicom(noise(40, 50)),
        "06.png": encode(noise(50, 52, 4), "PNG"),
        "08.jpg": encode(noise(61, 50), "JPEG"),
        "09.dcm": dicom(noise(44, 50)),
        "12.png": encode(noise(41, 50), "PNG"),
    }
    bad = {
        "01.jpg": b"",
        "05.png": good["06.png"][: len(good["06.png"]) * 3 // 4],  # found by decoding alone
        "07.dcm": dicom(noise(40, 50), Modality="CT"),
        "10.txt": b"a letter\n",
        "11.png": encode(noise(20, 20), "PNG"),
    }
    for name, content in (good | bad).items():
        (folder / name).write_bytes(content)
    return folder


def files_of(archive):
    return sorted(map(str, archive.iterdir()))


def scored(archive, model, output, *, files=None, workers=2, shards=SHARDS, **options):
    return score_archive(
        files or files_of(archive),
        model,
        output=output,
        shards=shards,
        batch_size=BATCH,
        max_pixels=10**6,
        beam_args=[f"--direct_num_workers={workers}"],
        **options,
    )


def lines_of(output):
    shards = sorted(output.glob("predictions-*.jsonl"))
    return [line for shard in shards for line in shard.read_text().splitlines()]


def errors_of(output):
    return (output / ERRORS_NAME).read_text().splitlines()


def predicted(archive, model):
    """The lines of `predict`: of the images classified, and of the others."""
    predictions = predict_files(
        load_signature(model),
        files_of(archive),
        batch_size=BATCH,
        max_pixels=10**6,
        new_images=True,
    )
    rule = decision_rule(model_card(model))
    lines = [prediction_line(prediction, rule) for prediction in predictions]
    return [line for line in lines if "error" not in json.loads(line)], [
        line for line in lines if "error" in json.loads(line)
    ]


def stamps(output):
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in output.glob("predictions-*.jsonl")
    }


@needs_beam
@pytest.mark.parametrize(("workers", "shards"), [(1, 1), (2, 4), (3, 7)])
def test_the_lines_are_those_of_predict(archive, model, tmp_path, workers, shards):
    done = scored(archive, model, tmp_path / "out", workers=workers, shards=shards)
    lines, errors = predicted(archive, model)
    assert (len(lines), len(errors)) == (8, 5)
    assert lines_of(tmp_path / "out") == lines
    assert errors_of(tmp_path / "out") == errors
    assert (done.images, done.failed, done.made, done.kept) == (8, 5, shards, 0)
    index = json.loads((tmp_path / "out" / INDEX_NAME).read_text())
    assert sum(shard["images"] for shard in index["shards"]) == index["images"] == 8


KILLED = """
import pathlib, sys, threading
from tests.serving import test_archive as tests
from tfcovid.serving import archive_jobs
archive, model, output = map(pathlib.Path, sys.argv[1:])
predict = archive_jobs.predict_files
def predict_or_wait(signature, names, **options):
    if any(name.endswith("06.png") for name in names):
        threading.Event().wait()
    return predict(signature, names, **options)
archive_jobs.predict_files = predict_or_wait
tests.scored(archive, model, output, progress=lambda done, total: print(done, flush=True))
"""


@needs_beam
def test_a_killed_run_goes_on_and_classifies_no_finished_shard_again(archive, model, tmp_path):
    output = tmp_path / "out"
    killed_halfway(KILLED, archive, model, output, shards=SHARDS)
    assert not (output / INDEX_NAME).exists()
    before = stamps(output)
    assert SHARDS // 2 <= len(before) < SHARDS

    finished = scored(archive, model, output)
    assert (finished.made, finished.kept) == (SHARDS - len(before), len(before))
    assert {name: stamps(output)[name] for name in before} == before
    assert (lines_of(output), errors_of(output)) == predicted(archive, model)
    assert not list(output.glob(".part-*"))


@needs_beam
def test_an_option_that_beam_does_not_know_is_refused_before_anything_is_made(
    archive, model, tmp_path
):
    output = tmp_path / "out"
    asked = {"output": output, "shards": SHARDS, "batch_size": BATCH, "max_pixels": 10**6}
    with pytest.raises(ValueError, match="Apache Beam has no option --nonsense; correct it"):
        score_archive(files_of(archive), model, beam_args=["--nonsense=1"], **asked)
    assert not output.exists()


@needs_beam
def test_only_shards_whose_files_changed_are_made_again(archive, model, tmp_path):
    output = tmp_path / "out"
    scored(archive, model, output)
    before = stamps(output)
    (archive / "01.jpg").write_bytes(encode(noise(70, 70), "JPEG"))
    (archive / "12.png").unlink()
    files = sorted([*files_of(archive), str(archive / "12.png")])
    done = scored(archive, model, output, files=files)
    changed = {name for name, stamp in stamps(output).items() if stamp != before[name]}
    assert changed == {f"predictions-0000{number}-of-00004.jsonl" for number in (0, 3)}
    assert (done.images, done.failed, done.kept) == (8, 5, 2)
    assert "No such file" in errors_of(output)[-1]
    # What could not be read is tried again, though nothing is known to have changed.
    assert scored(archive, model, output, files=files).made == 1


@needs_beam
def test_results_of_other_files_are_neither_mixed_in_nor_destroyed(archive, model, tmp_path):
    output = tmp_path / "out"
    scored(archive, model, output)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    (archive / "00a.png").write_bytes(encode(noise(70, 70), "PNG"))
    with pytest.raises(ValueError, match="holds predictions of other files, as where an archive"):
        scored(archive, model, output)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


@needs_beam
def test_names_are_as_they_were_given_whatever_folder_a_worker_is_in(
    archive, model, tmp_path, monkeypatch
):
    monkeypatch.chdir(archive)
    names = sorted(path.name for path in archive.iterdir())
    scored(archive, model, tmp_path / "out", files=names)
    first = lines_of(tmp_path / "out")[0]
    assert json.loads(first)["image"] == "00.jpg"
    monkeypatch.chdir(tmp_path)
    images = (("00.jpg", 0, 0), ("01.jpg", 0, 0))
    used = ScoringModel.at(model)
    job = ArchiveJob(str(tmp_path / "shard"), str(archive), images, used, BATCH, 10**6)
    assert list(score_job(job, used.signature(), used.rule()).lines) == [first]


@needs_beam
def test_want_of_memory_is_no_fault_of_the_images(archive, model, tmp_path, monkeypatch):
    def full(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    with monkeypatch.context() as patch:
        patch.setattr(client, "_call", full)
        with pytest.raises(ValueError, match="could not be run, on images that may be good: OOM"):
            scored(archive, model, tmp_path / "out")
    assert scored(archive, model, tmp_path / "out").images == 8


@needs_beam
def test_a_second_process_is_refused(archive, model, tmp_path):
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another process scores into it"):
            scored(archive, model, tmp_path / "out")


@needs_beam
def test_no_other_runner_is_fetched(archive, model, tmp_path, monkeypatch):
    from apache_beam.runners.portability import prism_runner

    def fetched(*_, **__):
        raise AssertionError("Beam asked for its Prism runner")

    monkeypatch.setattr(prism_runner.PrismJobServer, "__init__", fetched)
    assert scored(archive, model, tmp_path / "out").made == SHARDS


@needs_beam
def test_a_damaged_shard_is_made_again(archive, model, tmp_path):
    output = tmp_path / "out"
    scored(archive, model, output)
    lines, shard = lines_of(output), output / "predictions-00002-of-00004.jsonl"
    shard.write_text(shard.read_text().replace("0.", "1.", 1))
    assert scored(archive, model, output).made == 1
    assert lines_of(output) == lines


@needs_beam
def test_results_of_another_model_are_neither_mixed_in_nor_destroyed(archive, model, tmp_path):
    output, other = tmp_path / "out", tmp_path / "saved_model"
    scored(archive, model, output)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    shutil.copytree(model, other)
    (other / ASSETS / "model_card.json").write_text("{}")
    with pytest.raises(ValueError, match="holds predictions of another model than"):
        scored(archive, other, output)
    with pytest.raises(ValueError, match="holds predictions in 4 shards; go on with them by"):
        scored(archive, model, output, shards=3)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


@needs_beam
def test_a_folder_with_something_else_in_it_is_refused(archive, model, tmp_path):
    with pytest.raises(ValueError, match=r"expected an empty folder, .* Received: 00\.jpg"):
        scored(archive, model, archive)
    assert len(list(archive.iterdir())) == 13


@needs_beam
def test_more_shards_than_batches_are_refused(archive, model, tmp_path):
    with pytest.raises(ValueError, match="--shards=8: expected 1 to 7, as 13 images make that"):
        scored(archive, model, tmp_path / "out", shards=8)


@needs_beam
def test_a_shard_that_cannot_be_written_is_named(archive, model, tmp_path, monkeypatch):
    def full(self, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_text", full)
    with pytest.raises(ValueError, match=r"predictions-00000-of-00004\.jsonl: was not made"):
        scored(archive, model, tmp_path / "out")
    monkeypatch.undo()
    assert scored(archive, model, tmp_path / "out").made == SHARDS


@needs_beam
def test_a_damaged_note_counts_for_nothing(archive, model, tmp_path):
    output = tmp_path / "out"
    scored(archive, model, output)
    for content in ("", "[1]", '{"shard": 3}', "[" * 100_000):
        note = output / "predictions-00001-of-00004.jsonl.json"
        note.write_text(content)
        assert scored(archive, model, output).made == 1
        assert read_note(note)["shard"]["images"] == 3


def test_without_beam_one_line_says_what_to_install(archive, model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ValueError, match=r"Apache Beam .*pip install -r requirements-prepare\.txt"):
        scored(archive, model, tmp_path / "out")
    assert not (tmp_path / "out").exists()
