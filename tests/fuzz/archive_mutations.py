"""Changes of zip archives, pickles, safetensors and HDF5: fields of headers, members, opcodes."""

import io
import json
import pickletools
import random
import struct
import warnings
import zipfile
import zlib

from tests.fuzz.mutations import BLIND, Mutation, number
from tests.fuzz.text_mutations import json_changed

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
# Offset and size of the fields of each header: version, flags, method, time, checksum, sizes …
_FIELDS = {
    _LOCAL: ((4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
    _CENTRAL: ((6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (42, 4)),
    _END: ((4, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
}
_NAMES = ("../out", "/tmp/out", "a/../../out", "", "data.pkl", "x" * 300, "\u202egnp", "con\0")
_MOST_OPCODES = 20_000


def zip_field_changed(content: bytes, rng: random.Random) -> bytes:
    """Overwrites a field of a header of a zip archive."""
    mark = rng.choice(list(_FIELDS))
    places = [at for at in range(len(content)) if content.startswith(mark, at)]
    if not places:
        return content
    offset, size = rng.choice(_FIELDS[mark])
    at = rng.choice(places) + offset
    return content[:at] + number(rng, size).to_bytes(size, "little") + content[at + size :]


def zip_member_changed(content: bytes, rng: random.Random) -> bytes:
    """Changes a member, its name, its compression or its place, with headers that are right."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError):
        return content
    except (struct.error, LookupError, zlib.error, EOFError):
        return content
    if not members:
        return content
    at = rng.randrange(len(members))
    name, data = members[at]
    kept = rng.choice((zipfile.ZIP_STORED,) * 3 + (zipfile.ZIP_DEFLATED,))
    change = rng.choice(("data", "data", "data", "name", "twice", "gone", "compressed"))
    if change == "data":
        members[at] = (name, _member_changed(name, data, rng))
    elif change == "name":
        members[at] = (rng.choice((*_NAMES, name.upper())), data)
    elif change == "twice":
        members.insert(rng.randrange(len(members)), (name, rng.choice(members)[1]))
    elif change == "gone":
        del members[at]
    packed = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(packed, "w", kept) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, kept)
    return packed.getvalue()


def _member_changed(name: str, data: bytes, rng: random.Random) -> bytes:
    if name.endswith(".pkl"):
        return pickle_changed(data, rng)
    if name.endswith(".json"):
        return json_changed(data, rng)
    if name.endswith(".h5"):
        return hdf5_changed(data, rng)
    return rng.choice(BLIND)(data, rng)


def pickle_changed(content: bytes, rng: random.Random) -> bytes:
    """Removes, repeats, exchanges or changes opcodes of a pickle."""
    places = _opcodes(content)
    if len(places) < 3:
        return content
    one, other = sorted(rng.sample(range(len(places) - 1), 2))
    start, end = places[one], places[one + 1]
    change = rng.choice(("gone", "twice", "opcode", "argument", "moved"))
    if change == "gone":
        return content[:start] + content[end:]
    if change == "twice":
        return content[:start] + content[start:end] * rng.choice((2, 1000)) + content[end:]
    if change == "opcode":
        code = rng.choice(pickletools.opcodes).code.encode("latin-1")
        return content[:start] + code + content[start + 1 :]
    if change == "argument":
        argument = rng.choice(BLIND)(content[start + 1 : end], rng)
        return content[: start + 1] + argument + content[end:]
    moved = content[:start] + content[end:]
    at = places[other] - (end - start)
    return moved[:at] + content[start:end] + moved[at:]


def _opcodes(content: bytes) -> list[int]:
    places: list[int] = []
    try:
        for _, _, at in pickletools.genops(content):
            if at is not None and len(places) < _MOST_OPCODES:
                places.append(at)
    except Exception:  # noqa: BLE001 -- of a broken pickle it raises anything; what was read counts
        return places
    return places


def safetensors_changed(content: bytes, rng: random.Random) -> bytes:
    """Changes the JSON in front of the tensors, and makes its length right, or the length alone."""
    if len(content) < 8:
        return content
    (length,) = struct.unpack_from("<Q", content)
    if rng.random() < 0.2:
        return struct.pack("<Q", number(rng, 8)) + content[8:]
    header = content[8 : 8 + length]
    changed = json_changed(header, rng)
    if rng.random() < 0.5:
        changed = _offsets_changed(header, rng)
    return struct.pack("<Q", len(changed)) + changed + content[8 + length :]


def _offsets_changed(header: bytes, rng: random.Random) -> bytes:
    try:
        fields = json.loads(header)
        entry = fields[rng.choice(sorted(fields))]
        values = entry[rng.choice(("data_offsets", "shape"))]
        values[rng.randrange(len(values))] = number(rng, rng.choice((1, 4, 8)))
    except (ValueError, LookupError, TypeError, RecursionError):
        return header
    return json.dumps(fields).encode()


def hdf5_changed(content: bytes, rng: random.Random) -> bytes:
    """Overwrites a field of eight bytes, where addresses and sizes stand, near a mark of HDF5."""
    marks = [b"TREE", b"HEAP", b"SNOD", b"\x89HDF", b"GCOL"]
    places = [at for mark in marks if (at := content.find(mark)) >= 0]
    if not places or rng.random() < 0.3:
        return rng.choice(BLIND)(content, rng)
    at = rng.choice(places) + 8 * rng.randrange(12)
    return content[:at] + number(rng, 8).to_bytes(8, "little") + content[at + 8 :]


ZIP_MUTATIONS: tuple[Mutation, ...] = (zip_field_changed, zip_member_changed, zip_member_changed)
PICKLE_MUTATIONS: tuple[Mutation, ...] = (pickle_changed,)
SAFETENSORS_MUTATIONS: tuple[Mutation, ...] = (safetensors_changed,)
HDF5_MUTATIONS: tuple[Mutation, ...] = (hdf5_changed,)
PICKLE_TOKENS = (
    *(b"cos\nsystem\n", b"cbuiltins\neval\n", b"\x93", b"R", b"b", b"(", b"0", b"2", b"."),
    *(b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n", b"\x8a\x80", b"Q"),
    *(b"\xff\xff\xff\x7f", b"X\xff\xff\xff\xff", b"B\xff\xff\xff\x7f", b"j\xff\xff\xff\xff"),
)
