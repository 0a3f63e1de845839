"""Changes of DICOM files, element by element."""

import random
import struct

from tests.fuzz.mutations import BLIND, Mutation, number

_FIRST = 132
_LONG = (b"OB", b"OW", b"OF", b"SQ", b"UT", b"UN", b"OD", b"OL", b"UC", b"UR")
_KINDS = (b"US", b"SS", b"UL", b"DS", b"IS", b"CS", b"UI", b"SQ", b"OB", b"OW", b"UN", b"zz")
_UNDEFINED = 0xFFFFFFFF


def element_changed(content: bytes, rng: random.Random) -> bytes:
    """Changes an element's tag, kind, length, value or place."""
    elements = elements_of(content)
    if not elements:
        return content
    at, value, end = rng.choice(elements)
    head, data = content[at:value], content[value:end]
    change = rng.choice(("tag", "kind", "length", "number", "text", "twice", "gone", "moved"))
    if change == "tag":
        head = rng.choice(elements_heads(content, elements))[:4] + head[4:]
    elif change == "kind":
        head = head[:4] + rng.choice(_KINDS) + head[6:]
    elif change == "length":
        size = 2 if len(head) == 8 else 4
        length = rng.choice((number(rng, size), len(data) + rng.choice((-2, 2, 1)), _UNDEFINED))
        head = head[:-size] + (length % (1 << 8 * size)).to_bytes(size, "little")
    elif change == "number" and len(data) in (2, 4):
        data = number(rng, len(data)).to_bytes(len(data), "little")
    elif change in ("number", "text"):
        data = rng.choice(BLIND)(data, rng)
        head = _with_length(head, len(data))
    elif change == "twice":
        data += head + data
    elif change == "gone":
        head = data = b""
    elif change == "moved":
        rest = content[:at] + content[end:]
        other = rng.choice(elements)[0]
        return rest[:other] + head + data + rest[other:]
    return content[:at] + head + data + content[end:]


def elements_of(content: bytes) -> list[tuple[int, int, int]]:
    """Returns where each element, its value, and the next element begin; explicit, little-endian.

    Elements inside of a sequence are not looked into.
    """
    found, at = [], _FIRST
    while content[128:132] == b"DICM" and at + 12 <= len(content):
        if content[at + 4 : at + 6] in _LONG:
            (length,), value = struct.unpack_from("<I", content, at + 8), at + 12
        else:
            (length,), value = struct.unpack_from("<H", content, at + 6), at + 8
        end = min(value + length, len(content))
        found.append((at, value, end))
        at = end
    return found


def elements_heads(content: bytes, elements: list[tuple[int, int, int]]) -> list[bytes]:
    """Returns tag, kind and length of each element."""
    return [content[at:value] for at, value, _ in elements]


def _with_length(head: bytes, length: int) -> bytes:
    size = 2 if len(head) == 8 else 4
    return head[:-size] + (length % (1 << 8 * size)).to_bytes(size, "little")


DICOM_MUTATIONS: tuple[Mutation, ...] = (element_changed,)
DICOM_TOKENS = (
    *(b"DICM", b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.4.70"),
    *(b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.2", b"MONOCHROME1 "),
    *(b"PALETTE COLOR ", b"YBR_FULL_422", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"),
    *(b"\xfe\xff\x0d\xe0", b"\xe0\x7f\x10\x00OW\0\0", b"\x28\x00\x10\x00US\x02\x00", b"1e400 "),
)
