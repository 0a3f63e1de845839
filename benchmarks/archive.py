"""Scores an archive with Apache Beam, killed once in the middle, and compares it with `predict`.

    python -m benchmarks.archive --data_dir=CORONAHACK --model=RUN/saved_model

The archive is every image of CoronaHack, some of them once more as DICOM files, and broken files
among them. The process is killed with SIGKILL once a third of the shards is there, and the same
command given again. Every line is then held against those of `predict`. Exit code 1 where one
differs. The speeds are of whole commands, start-up included, in turn in the same run.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import pydicom
from absl import app
from absl import flags as absl_flags
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from benchmarks.failing import check_paths, command_failed
from tfcovid.console import open_console, say
from tfcovid.data.sources import coronahack

DATA_DIR = absl_flags.DEFINE_string("data_dir", None, "CoronaHack.", required=True)
MODEL = absl_flags.DEFINE_string("model", None, "RUN/saved_model.", required=True)
SHARDS = absl_flags.DEFINE_integer("shards", 24, "Of the archive's predictions.")
BROKEN = absl_flags.DEFINE_integer("broken", 20, "Files that are no image.")
DICOM = absl_flags.DEFINE_integer("dicom", 10, "Images that are there as DICOM too.")
SEED = absl_flags.DEFINE_integer("seed", 0, "Of where these lie.")
ROUNDS = absl_flags.DEFINE_integer("rounds", 2, "How often both commands are timed.")

RADIOGRAPH = "1.2.840.10008.5.1.4.1.1.1.1"


def fill(folder: pathlib.Path) -> int:
    """Makes the archive of links to the images and of new files; returns how many files it has."""
    reading = coronahack.read(DATA_DIR.value)
    images = [reading.root / path for path in reading.rows["path"]]
    for path in images:
        (folder / path.name).symlink_to(path.resolve())
    rng = np.random.default_rng(SEED.value)
    for number, index in enumerate(rng.choice(len(images), BROKEN.value, replace=False)):
        content = images[index].read_bytes()
        broken = (b"", content[:200], content[: len(content) // 2], b"<html>", content[99:])
        (folder / f"{images[index].stem}~{number}.jpeg").write_bytes(broken[number % len(broken)])
    for index in rng.choice(len(images), DICOM.value, replace=False):
        write_dicom(images[index], folder / f"{images[index].stem}.dcm")
    return len(list(folder.iterdir()))


def write_dicom(image: pathlib.Path, path: pathlib.Path) -> None:
    """Writes an image as a DICOM file of a radiograph, twelve bits deep."""
    with Image.open(image) as opened:
        pixels = np.asarray(opened.convert("L"), np.uint16) << 4
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = RADIOGRAPH
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = pydicom.uid.generate_uid()
    ds.Modality, ds.PhotometricInterpretation = "DX", "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.BitsAllocated, ds.PixelRepresentation = 1, 16, 0
    ds.BitsStored, ds.HighBit = 12, 11
    ds.add_new("PixelData", "OW", pixels.tobytes())
    pydicom.dcmwrite(path, ds, enforce_file_format=True)


def command(archive: pathlib.Path, output: pathlib.Path, *more: str) -> list[str]:
    """Returns the words of a `predict` of the archive."""
    words = [sys.executable, "-m", "tfcovid.predict", f"--model={MODEL.value}"]
    return [*words, f"--pattern={archive}/*", f"--output={output}", *more]


def timed(words: list[str]) -> float:
    """Runs a command that finds broken files; returns what it took in seconds."""
    started = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != bool(BROKEN.value):
        command_failed("tfcovid.predict", done.returncode, done.stderr)
    return time.monotonic() - started


def killed(words: list[str], output: pathlib.Path) -> int:
    """Kills a command once a third of its shards is there; returns how many that were."""
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=said) as process,
    ):
        while (done := len(list(output.glob("*.jsonl.json")))) < SHARDS.value // 3:
            if process.poll() is not None:
                said.seek(0)
                command_failed("tfcovid.predict", process.returncode, said.read())
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    return done


def main(_: list[str]) -> int:
    """Prints what was equal and how fast both were."""
    check_paths(folders=[DATA_DIR, MODEL])
    console = open_console()
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        archive, plain, output = place / "archive", place / "plain.jsonl", place / "killed"
        archive.mkdir()
        files = fill(archive)
        shards = f"--shards={SHARDS.value}"
        done = killed(command(archive, output, shards), output)
        times = {"predict": [timed(command(archive, plain))], "with --shards": []}
        timed(command(archive, output, shards))
        for number in range(ROUNDS.value):
            fresh = place / f"fresh{number}"
            times["with --shards"].append(timed(command(archive, fresh, shards)))
            if number + 1 < ROUNDS.value:
                times["predict"].append(timed(command(archive, plain)))
        expected: dict[bool, list[str]] = {False: [], True: []}
        for line in plain.read_text().splitlines():
            expected["error" in json.loads(line)].append(line)
        found = [
            line
            for shard in sorted(output.glob("*.jsonl"))
            if shard.name.startswith("predictions")
            for line in shard.read_text().splitlines()
        ]
        errors = (output / "errors.jsonl").read_text().splitlines()
    same = found == expected[False] and errors == expected[True]
    say(console, f"{files} files, killed when {done} of {SHARDS.value} shards were there")
    say(console, f"lines: {len(found)} of {len(expected[False])}, errors: {len(errors)}")
    say(console, f"equal to predict, line for line: {'yes' if same else 'NO'}")
    for way, seconds in times.items():
        spread = ", ".join(f"{one:.1f}" for one in seconds)
        say(console, f"{way}: {files / np.median(seconds):.1f} images/s ({spread} s)")
    return int(not same)


if __name__ == "__main__":
    app.run(main)
