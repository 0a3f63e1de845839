"""Flag files, configs, requests to the server, and prepared records, as targets."""

import hashlib
import json
import pathlib
import tempfile
from collections.abc import Callable, Sequence

from tests.fuzz.outcomes import READ, set_aside

Read = Callable[[bytes], str]


def flag_files() -> list[bytes]:
    """Returns what a run writes as flags.cfg."""
    return [
        b"--task=multiclass\n--loss=focal\n--focal_gamma=2.0\n--focal_alpha=0.2,0.3,0.5\n"
        b"--seed=1\n# --workdir is not repeated\n--image_size=64\n--epochs=5\n--split=patient\n"
        b"--backbone=tiny\n--learning_rate=0.001\n--precision=float32\n",
        b"--system=bolhassani_multiclass_densenet121_focal\n--epochs=2\n",
    ]


FLAG_TOKENS = (
    *(b"--flagfile=/dev/zero\n", b"--flagfile=/dev/stdin\n", b"--flagfile=flags.cfg\n"),
    *(b"--flagfile\n", b"--help\n", b"--helpxml\n", b"--undefok=seed\n", b"--noseed\n", b"--\n"),
    *(b"--system=../../x\n", b"--data_dir=~\n", b"--epochs=1e400\n", b"--seed=-0x1\n"),
)


def flag_file_reader(folder: pathlib.Path) -> Read:
    """Reads --flagfile of a training up to its Config."""
    from flags import parse

    path = folder / "flags.cfg"

    def read(content: bytes) -> str:
        path.write_bytes(content)
        try:
            values = parse.flag_values_from_argv(["train", f"--flagfile={path}"])
        except SystemExit:
            return set_aside("shows the help and ends")
        parse.config_from_flags(values)
        return READ

    return read


def configs() -> list[bytes]:
    """Returns config.json of a training with the flags' defaults."""
    from flags import config_json, parse

    values = parse.flag_values_from_argv(["train", "--task=multiclass", "--loss=focal"])
    return [config_json.to_json(parse.config_from_flags(values)).encode()]


def config_reader(folder: pathlib.Path) -> Read:
    """Reads config.json as what reads a run does."""
    from flags import config_json
    from tfcovid.training.run_record import as_a_run_writes, read_json

    path = folder / "config.json"

    def read(content: bytes) -> str:
        path.write_bytes(content)
        with as_a_run_writes(path):
            config_json.from_dict(read_json(path))
        return READ

    return read


def requests() -> list[bytes]:
    """Returns bodies of requests in both forms of the protocol."""
    pixels = [[[[1], [2]], [[3], [255]]]]
    bodies = (
        {"instances": [{"b64": "aGVsbG8="}, {"image_bytes": {"b64": "aGk="}}]},
        {"signature_name": "image", "inputs": {"images": pixels}},
        {"signature_name": "image", "instances": pixels},
        {"inputs": [{"b64": "aGVsbG8="}]},
    )
    return [json.dumps(body).encode() for body in bodies]


def request_reader(folder: pathlib.Path) -> Read:
    """Reads the body of a request of `:predict`."""
    import tensorflow as tf

    from tfcovid.serving.protocol import parse_predict
    from tfcovid.serving.refused import RefusedError
    from tfcovid.serving.servable import Signature

    del folder
    shared = frozenset({"labels"})
    signatures = {
        "serving_default": Signature("serving_default", "image_bytes", tf.string, 0, shared),
        "image": Signature("image", "images", tf.uint8, 3, shared),
    }

    def read(content: bytes) -> str:
        try:
            parse_predict(content, signatures)
        except RefusedError as error:
            return set_aside(str(error))
        return READ

    return read


def _records(folder: pathlib.Path) -> pathlib.Path:
    from tests.data.test_records import write_folder

    return write_folder(folder / "records")[0]


def of_records(name: str) -> Callable[[], Sequence[bytes]]:
    """Returns what makes a file of a folder of records."""

    def seeds() -> Sequence[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            return [(_records(pathlib.Path(folder)) / name).read_bytes()]

    return seeds


def records_reader(name: str) -> Callable[[pathlib.Path], Read]:
    """Returns what makes the reader of records of which a file was changed.

    A table or a shard gets its digest made right, so that more than the digest is tried.
    """

    def reader(folder: pathlib.Path) -> Read:
        from tfcovid.data.records import RecordSquares

        records = _records(folder)
        index = json.loads((records / "records.json").read_text())

        def read(content: bytes) -> str:
            (records / name).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            if name in index["tables"]:
                index["tables"][name] = digest
            for shard in index["shards"]:
                if shard["file"] == name:
                    shard["sha256"] = digest
            if name != "records.json":
                (records / "records.json").write_text(json.dumps(index))
            squares = RecordSquares(records)
            for outcome in squares(list(squares.index.reading.rows["path"])):
                if isinstance(outcome, str):
                    return set_aside(outcome)
            return READ

        return read

    return reader
