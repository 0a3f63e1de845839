"""Changes of PNG, JPEG and GIF files that keep them readable up to the place that was changed."""

import random
import struct
import zlib

from tests.fuzz.mutations import BLIND, Mutation, number

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE, GIF_SIGNATURE = b"\xff\xd8\xff", b"GIF8"
_SCAN, _LAST_WITHOUT_LENGTH = 0xDA, 0xD9


def png_changed(content: bytes, rng: random.Random) -> bytes:
    """Changes a chunk: its header's fields, its data, its place; its checksum is made right."""
    chunks = png_chunks(content)
    if not chunks:
        return content
    at = rng.randrange(len(chunks))
    kind, data = chunks[at]
    change = rng.choice(("size", "depth", "data", "pixels", "twice", "gone", "kind", "length"))
    if change == "size" and chunks[0][0] == b"IHDR":
        sides = struct.pack(">II", number(rng, 4), number(rng, rng.choice((2, 4))))
        chunks[0] = (b"IHDR", sides + chunks[0][1][8:])
    elif change == "depth" and chunks[0][0] == b"IHDR":
        fields = bytes((rng.choice((1, 2, 4, 8, 16)), rng.choice((0, 2, 3, 4, 6))))
        chunks[0] = (b"IHDR", chunks[0][1][:8] + fields + bytes((0, 0, rng.randrange(2))))
    elif change == "data":
        chunks[at] = (kind, rng.choice(BLIND)(data, rng))
    elif change == "pixels":
        _change_pixels(chunks, rng)
    elif change == "twice":
        chunks.insert(rng.randrange(len(chunks)), (kind, data))
    elif change == "gone":
        del chunks[at]
    elif change == "kind":
        chunks[at] = (rng.choice((b"PLTE", b"tRNS", b"zTXt", b"iCCP", b"acTL", b"IDAT")), data)
    written = [png_chunk(*chunk) for chunk in chunks]
    if change == "length":
        written[at] = struct.pack(">I", number(rng, 4)) + written[at][4:]
    return PNG_SIGNATURE + b"".join(written)


def png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Returns kind and data of each whole chunk of a PNG file, none of another file."""
    chunks, at = [], len(PNG_SIGNATURE)
    while content.startswith(PNG_SIGNATURE) and at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Returns a chunk with its length and its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _change_pixels(chunks: list[tuple[bytes, bytes]], rng: random.Random) -> None:
    packed = b"".join(data for kind, data in chunks if kind == b"IDAT")
    try:
        pixels = zlib.decompressobj().decompress(packed, 1 << 20)
    except zlib.error:
        return
    chunks[:] = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
    data = zlib.compress(rng.choice(BLIND)(pixels, rng), rng.randrange(10))
    chunks.insert(max(len(chunks) - 1, 0), (b"IDAT", data))


def jpeg_changed(content: bytes, rng: random.Random) -> bytes:
    """Changes a segment of the header: length, size, components, tables, place, or adds scans."""
    segments = jpeg_segments(content)
    if not segments:
        return content
    at, end = rng.choice(segments)
    segment = content[at:end]
    change = rng.choice(("length", "frame", "data", "twice", "gone", "marker", "scans"))
    if change == "length":
        segment = segment[:2] + struct.pack(">H", number(rng, 2)) + segment[4:]
    elif change == "frame":
        frames = [pair for pair in segments if content[pair[0] + 1] in (0xC0, 0xC1, 0xC2)]
        at, end = rng.choice(frames or segments)
        field = rng.choice((4, 5, 7, 9, 10, 11))
        size = 2 if field in (5, 7) else 1
        value = number(rng, size).to_bytes(size, "big")
        segment = content[at:end][:field] + value + content[at:end][field + size :]
    elif change == "data":
        segment = segment[:4] + rng.choice(BLIND)(segment[4:], rng)
    elif change == "twice":
        segment *= rng.choice((2, 200))
    elif change == "gone":
        segment = b""
    elif change == "marker":
        segment = bytes((0xFF, rng.randint(0xC0, 0xFE))) + segment[2:]
    elif change == "scans":
        last = segments[-1]
        scan = content[last[0] :].removesuffix(b"\xff\xd9")
        return content[: last[0]] + scan * rng.choice((2, 20, 120)) + b"\xff\xd9"
    return content[:at] + segment + content[end:]


def jpeg_segments(content: bytes) -> list[tuple[int, int]]:
    """Returns where each segment up to the first scan begins and ends, none of another file."""
    found, at = [], 2
    while content.startswith(JPEG_SIGNATURE) and at + 4 <= len(content):
        if content[at] != 0xFF or content[at + 1] == _LAST_WITHOUT_LENGTH:
            break
        (length,) = struct.unpack_from(">H", content, at + 2)
        found.append((at, min(at + 2 + length, len(content))))
        if content[at + 1] == _SCAN:
            break
        at += 2 + length
    return found


def gif_changed(content: bytes, rng: random.Random) -> bytes:
    """Changes the size of the screen, of a frame, the code size, or has frames many times."""
    if not content.startswith(GIF_SIGNATURE) or len(content) < 32:
        return content
    frame = content.find(b"\x2c", 13)
    change = rng.choice(("screen", "palette", "frame", "code", "frames", "interlaced"))
    changed = bytearray(content)
    if change == "screen":
        changed[6:10] = struct.pack("<HH", number(rng, 2), number(rng, 2))
    elif change == "palette":
        changed[10] = rng.randrange(256)
    elif 0 < frame < len(content) - 11:
        if change == "frame":
            changed[frame + 1 : frame + 9] = struct.pack("<4H", *(number(rng, 2) for _ in "xywh"))
        elif change == "code":
            changed[frame + 10] = rng.randrange(256)
        elif change == "interlaced":
            changed[frame + 9] ^= 0x40
        else:
            return content[:-1] + content[frame:-1] * rng.choice((2, 50)) + content[-1:]
    return bytes(changed)


IMAGE_MUTATIONS: tuple[Mutation, ...] = (png_changed, jpeg_changed, gif_changed)
IMAGE_TOKENS = (
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"iCCP", b"zTXt", b"iTXt", b"eXIf"),
    *(b"\xff\xc0", b"\xff\xc2", b"\xff\xc4", b"\xff\xda", b"\xff\xdb", b"\xff\xdd", b"\xff\xd9"),
    *(b"Exif\0\0", b"Adobe\0", b"JFIF\0", b"\xff\xee", b"!\xf9\x04", b"!\xff\x0bNETSCAPE2.0"),
    *(b"GIF87a", b"GIF89a", PNG_SIGNATURE, JPEG_SIGNATURE),
)
