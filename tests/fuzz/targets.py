"""Each parser that reads what somebody else wrote, as a target of fuzzing.

A target's reader is made once, in a folder of its own, and then takes one input after the other as
the project's own entry point would take the file.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

from absl import flags as absl_flags

from tests.data.images import encode, noise
from tests.fuzz import corpus, other_targets, run_targets
from tests.fuzz.archive_mutations import (
    HDF5_MUTATIONS,
    PICKLE_MUTATIONS,
    PICKLE_TOKENS,
    SAFETENSORS_MUTATIONS,
    ZIP_MUTATIONS,
)
from tests.fuzz.dicom_mutations import DICOM_MUTATIONS, DICOM_TOKENS
from tests.fuzz.image_mutations import IMAGE_MUTATIONS, IMAGE_TOKENS
from tests.fuzz.mutations import Mutation
from tests.fuzz.outcomes import READ, UnclearError, set_aside
from tests.fuzz.text_mutations import JSON_MUTATIONS, LINE_MUTATIONS, TABLE_MUTATIONS, TEXT_TOKENS

Read = Callable[[bytes], str]


@dataclasses.dataclass(frozen=True)
class Target:
    """A parser.

    Attributes:
      kind: what it reads: images, dicoms, csvs, checkpoints or others.
      seeds: makes the corpus.
      reader: makes, in a folder, what reads one input and returns its outcome.
      mutations: changes that know the format.
      tokens: what stands in such files.
      names: what every refusal has to name, None where the caller adds the file's name.
      refusals: the errors that a reader may end in.
    """

    kind: str
    seeds: Callable[[], Sequence[bytes]]
    reader: Callable[[pathlib.Path], Read]
    mutations: tuple[Mutation, ...] = ()
    tokens: tuple[bytes, ...] = ()
    names: str | None = None
    refusals: tuple[type[Exception], ...] = (ValueError, OSError)


def image_reader(folder: pathlib.Path) -> Read:
    """Reads images as a run and as the server do, and holds the two to one judgement."""
    import tensorflow as tf

    from tfcovid.data.decode_files import square_and_thumbnail, why_undecoded
    from tfcovid.data.dicom_header import is_dicom
    from tfcovid.data.image_files import DEFAULT_MAX_PIXELS
    from tfcovid.data.preprocess import Preprocessing
    from tfcovid.data.readable import readable_file
    from tfcovid.serving.incoming import prepared
    from tfcovid.serving.refused import RefusedError

    preprocessing = Preprocessing(image_size=64)
    path = folder / "film"

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
    def decode(encoded):
        return square_and_thumbnail(encoded, preprocessing)

    def read(content: bytes) -> str:
        path.write_bytes(content)
        found = readable_file(path)
        run = found if isinstance(found, str) else found.encoded
        unread = {"max_pixels": DEFAULT_MAX_PIXELS, "radiograph": False}
        try:
            served = prepared(content, where="", **unread).value
        except RefusedError as error:
            served = str(error)
        if run != served:
            raise UnclearError(f"run and server differ: {run[:200]!r}, {served[:200]!r}")
        if isinstance(run, str):
            return set_aside(run)
        try:
            decode(run)
        except tf.errors.OpError as error:
            if is_dicom(content):
                raise UnclearError("the picture of a DICOM file does not decode") from error
            return set_aside(f"undecoded: {why_undecoded(error)}")
        return READ

    return read


def dicom_reader(folder: pathlib.Path) -> Read:
    """Reads DICOM as images are read, and the patient's elements as the folder's reader does."""
    from tfcovid.data.sources.dicom_tags import read_header

    read_image = image_reader(folder)

    def read(content: bytes) -> str:
        outcome = read_image(content)
        header = read_header(folder, "film", lambda: bytes(32))
        if outcome == READ and header.reason is not None:
            return set_aside(header.reason)
        return outcome

    return read


def checkpoint_reader(folder: pathlib.Path) -> Read:
    """Reads PyTorch's and safetensors' files as the conversion does."""
    from weights_conversion.reading.checkpoint import read_checkpoint

    path = folder / "checkpoint"

    def read(content: bytes) -> str:
        path.write_bytes(content)
        read_checkpoint(path)
        return READ

    return read


def table_reader(name: str, kind: str, images: Sequence[str]) -> Callable[[pathlib.Path], Read]:
    """Returns what makes the reader of a data set's table, its images beside it.

    Args:
      name: of the table's file.
      kind: a key of READERS.
      images: paths of images in the folder.
    """

    def reader(folder: pathlib.Path) -> Read:
        from tfcovid.data.sources.options import SourceOptions
        from tfcovid.data.sources.readers import READERS

        for seed, image in enumerate(images):
            (folder / image).parent.mkdir(parents=True, exist_ok=True)
            (folder / image).write_bytes(encode(noise(40, 48, seed=seed), "PNG"))
        table = folder / name

        def read(content: bytes) -> str:
            table.write_bytes(content)
            READERS[kind](folder, SourceOptions())
            return READ

        return read

    return reader


def patients_reader(folder: pathlib.Path) -> Read:
    """Reads the table of --patients."""
    from tfcovid.data.sources.patients import read_patients

    path = folder / "patients.csv"

    def read(content: bytes) -> str:
        path.write_bytes(content)
        read_patients(path)
        return READ

    return read


def manifest_reader(folder: pathlib.Path) -> Read:
    """Reads the table of --manifest."""
    from tfcovid.data.manifest import read_manifest

    path = folder / "manifest.csv"

    def read(content: bytes) -> str:
        path.write_bytes(content)
        read_manifest(path, classes=("Normal", "COVID-19"))
        return READ

    return read


def _table(text: str, name: str, kind: str, *images: str) -> Target:
    return Target(
        "csvs",
        lambda: [text.encode()],
        table_reader(name, kind, images),
        TABLE_MUTATIONS,
        TEXT_TOKENS,
        names=name,
    )


def _of_records(name: str, mutations: tuple[Mutation, ...]) -> Target:
    return Target(
        "others",
        other_targets.of_records(name),
        other_targets.records_reader(name),
        mutations,
        TEXT_TOKENS,
        names="records",
    )


def _of_run(name: str, mutations: tuple[Mutation, ...]) -> Target:
    return Target(
        "others",
        run_targets.of_run(name),
        run_targets.run_file_reader(name),
        mutations,
        names="run",
    )


_CORONAHACK_IMAGES = "Coronahack-Chest-XRay-Dataset/Coronahack-Chest-XRay-Dataset"

TARGETS: dict[str, Target] = {
    "images": Target("images", corpus.images, image_reader, IMAGE_MUTATIONS, IMAGE_TOKENS),
    "dicom": Target("dicoms", corpus.dicom_files, dicom_reader, DICOM_MUTATIONS, DICOM_TOKENS),
    "coronahack.csv": _table(
        corpus.CORONAHACK,
        "Chest_xray_Corona_Metadata.csv",
        "coronahack",
        f"{_CORONAHACK_IMAGES}/train/IM-0128-0001.jpeg",
        f"{_CORONAHACK_IMAGES}/train/a.png",
        f"{_CORONAHACK_IMAGES}/test/person1_virus_2.jpeg",
    ),
    "covid_chestxray.csv": _table(
        corpus.COVID_CHESTXRAY, "metadata.csv", "covid_chestxray", "images/a.png", "images/b.png"
    ),
    "nih14.csv": _table(
        corpus.NIH14, "Data_Entry_2017_v2020.csv", "nih14", "images/a.png", "images/b.png"
    ),
    "any.csv": _table(corpus.ANY_TABLE, "table.csv", "csv", "a.png", "b.png", "c.png"),
    "patients.csv": Target(
        "csvs",
        lambda: [corpus.PATIENTS.encode()],
        patients_reader,
        TABLE_MUTATIONS,
        TEXT_TOKENS,
        names="patients.csv",
    ),
    "manifest.csv": Target(
        "csvs",
        corpus.manifests,
        manifest_reader,
        TABLE_MUTATIONS,
        TEXT_TOKENS,
        names="manifest.csv",
    ),
    "torch_zip": Target(
        "checkpoints", corpus.torch_zips, checkpoint_reader, ZIP_MUTATIONS, PICKLE_TOKENS
    ),
    "torch_pickle": Target(
        "checkpoints", corpus.torch_pickles, checkpoint_reader, PICKLE_MUTATIONS, PICKLE_TOKENS
    ),
    "flagfile": Target(
        "others",
        other_targets.flag_files,
        other_targets.flag_file_reader,
        LINE_MUTATIONS,
        other_targets.FLAG_TOKENS,
        refusals=(ValueError, OSError, absl_flags.Error),
    ),
    "config.json": Target(
        "others",
        other_targets.configs,
        other_targets.config_reader,
        JSON_MUTATIONS,
        names="config.json",
    ),
    "request": Target(
        "others", other_targets.requests, other_targets.request_reader, JSON_MUTATIONS
    ),
    "records.json": _of_records("records.json", JSON_MUTATIONS),
    "records.csv": _of_records("reading.csv", TABLE_MUTATIONS),
    "records.tfrecord": _of_records("images-00000-of-00002.tfrecord", ()),
    "network.keras": Target(
        "others",
        run_targets.tiny_networks,
        run_targets.keras_reader,
        ZIP_MUTATIONS,
        names="model.keras",
    ),
    "weights.h5": Target(
        "others",
        run_targets.converted_weights,
        run_targets.weights_reader,
        HDF5_MUTATIONS,
        names="x.",
    ),
    "contract.json": Target(
        "others", run_targets.contracts, run_targets.contract_reader, JSON_MUTATIONS, names="x."
    ),
    "snapshot.npz": Target("others", corpus.npz_files, run_targets.snapshot_reader, ZIP_MUTATIONS),
    "controls.npz": Target(
        "others",
        run_targets.controls,
        run_targets.controls_reader,
        ZIP_MUTATIONS,
        names="probes.npz",
    ),
    **{f"run/{name}": _of_run(name, JSON_MUTATIONS) for name in run_targets.JSON_FILES},
    **{f"run/{name}": _of_run(name, TABLE_MUTATIONS) for name in run_targets.TABLES},
    "safetensors": Target(
        "checkpoints", corpus.safetensors_files, checkpoint_reader, SAFETENSORS_MUTATIONS
    ),
}
