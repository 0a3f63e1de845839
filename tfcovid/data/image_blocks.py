"""What the blocks of JPEG, PNG and GIF files say that nobody decodes: frames, and which way is up.

By hand, because Pillow decodes a whole PNG file to find its EXIF data, every frame of a GIF file to
count them, and says through warnings of the whole process that EXIF data is damaged.
"""

import struct
from collections.abc import Iterator

JPEG, PNG, GIF = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8"
# Files have hundreds; each takes a moment, so that a file of nothing else would take seconds.
MAX_BLOCKS = 1_000_000

_APP1, _START_OF_SCAN, _END_OF_IMAGE = 0xE1, 0xDA, 0xD9
_EXIF = b"Exif\0\0"
_ORIENTATION_TAG, _SHORT = 0x0112, 3
_ORIENTATIONS = range(1, 9)
_IMAGE, _EXTENSION = 0x2C, 0x21
_HAS_TABLE, _TABLE_SIZE = 0x80, 0x07


def frames_in(content: bytes) -> int:
    """Returns how many frames a PNG or GIF file has; 1 of any other, 0 of a GIF cut before any.

    Args:
      content: the whole file.

    Raises:
      ValueError: if a GIF file has more than `MAX_BLOCKS` blocks.
    """
    if content.startswith(PNG):
        for kind, data in _png_chunks(content):
            if kind == b"acTL" and len(data) >= 4:
                return int.from_bytes(data[:4], "big")
            if kind == b"IDAT":
                break
    return _gif_frames(content) if content.startswith(GIF) else 1


def orientation_of(content: bytes) -> int:
    """Returns the EXIF orientation of a JPEG or PNG file, 1 to 8; 1 where it says none.

    Args:
      content: the whole file.

    Source: CIPA DC-008 (Exif 2.32), 4.6.4; PNG, third edition, 11.3.4.5 (eXIf).
    """
    try:
        found = _orientation_in(_exif_of(content))
    except struct.error:  # cut off, or no such data
        return 1
    return found if found in _ORIENTATIONS else 1


def _exif_of(content: bytes) -> bytes:
    if content.startswith(JPEG):
        for marker, data in _jpeg_segments(content):
            if marker == _APP1 and data.startswith(_EXIF):
                return data.removeprefix(_EXIF)
    if content.startswith(PNG):
        for kind, data in _png_chunks(content):
            if kind == b"eXIf":
                return data
    return b""


def _orientation_in(exif: bytes) -> int:
    """Returns the tag of the first directory of a TIFF structure, 0 where it has none."""
    order = ">" if exif.startswith(b"MM") else "<"
    (at,) = struct.unpack_from(f"{order}I", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
        if (tag, kind) == (_ORIENTATION_TAG, _SHORT):
            return value
    return 0


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields marker and data of what stands before the picture."""
    at = 2
    for _ in range(MAX_BLOCKS):
        if content[at : at + 1] != b"\xff" or at + 4 > len(content):
            return
        marker = content[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            return
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        yield marker, content[at + 4 : at + 2 + length]
        at += 2 + length


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields kind and data of each chunk, and those of the picture without data."""
    at = len(PNG)
    for _ in range(MAX_BLOCKS):
        if at + 8 > len(content):
            return
        length, kind = struct.unpack_from(">I4s", content, at)
        yield kind, b"" if kind == b"IDAT" else content[at + 8 : at + 8 + length]
        at += 12 + length


def _gif_frames(content: bytes) -> int:
    """Returns how many images begin in a GIF file.

    Source: GIF89a, CompuServe 1990, Appendix A and B.
    """
    flags = content[10] if len(content) > 10 else 0
    at, left, frames = 13 + _table_bytes(flags), MAX_BLOCKS, 0
    while at + 10 <= len(content) and content[at] in (_IMAGE, _EXTENSION):
        if content[at] == _IMAGE:
            frames += 1
            at += 11 + _table_bytes(content[at + 9])  # the descriptor, and the size of a code
        else:
            at += 2
        while at < len(content) and content[at]:
            at += 1 + content[at]
            left -= 1
            if not left:
                raise ValueError(f"not decoded: a GIF file of more than {MAX_BLOCKS} blocks")
        at += 1
    return frames


def _table_bytes(flags: int) -> int:
    return 3 * 2 ** (1 + (flags & _TABLE_SIZE)) if flags & _HAS_TABLE else 0
