"""Looks for words in bytes however they are spelled there, and in whatever is packed in them."""

import base64
import gzip
import html
import io
import json
import math
import re
import urllib.parse
import zipfile
import zlib

import h5py

# Any string of the alphabet may be base64; shorter ones are found by their spelling alone.
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}")
GZIP, ZLIB = re.compile(rb"\x1f\x8b\x08"), re.compile(rb"\x78[\x01\x5e\x9c\xda]")
HDF5 = b"\x89HDF\r\n\x1a\n"
TEXT_CODES = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "latin-1")
# What comes out of one stream: no output of a test is nearly as long.
MAX_UNPACKED = 2**26


def found(data, words):
    """Returns which of the words stand in the data, upper and lower case alike.

    Args:
      data: bytes of a file, or text that was shown.
      words: text, or bytes that are looked for raw, in hexadecimal and in base64.
    """
    data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    wanted = {word: spellings(word) for word in words}
    return {
        word
        for part in map(bytes.lower, contents(data))
        for word, spelled in wanted.items()
        if any(one in part for one in spelled)
    }


def spellings(word):
    """Returns how a word may stand in a file, as bytes in lower case."""
    if isinstance(word, bytes):
        coded, texts = [word], [word.hex()]
    else:
        texts = [word, word.lower(), word.upper(), *_dates(word)]
        coded = [text.encode(code) for text in texts[:3] for code in TEXT_CODES]
    escaped = [
        spelled.encode("utf-8")
        for text in texts
        for spelled in (
            text,
            json.dumps(text)[1:-1],
            ascii(text)[1:-1],
            repr(text.encode())[2:-1],
            html.escape(text).encode("ascii", "xmlcharrefreplace").decode(),
            urllib.parse.quote(text),
        )
    ]
    packed = [one for whole in coded[: len(TEXT_CODES)] for one in _in_base64(whole)]
    return {one.lower() for one in (*coded, *escaped, *packed)}


def _dates(word):
    """Returns other ways to write DICOM's date."""
    if not re.fullmatch(r"[12]\d{7}", word):
        return []
    year, month, day = word[:4], word[4:6], word[6:]
    return [f"{year}-{month}-{day}", f"{day}.{month}.{year}", f"{month}/{day}/{year}"]


def _in_base64(whole):
    """Yields the letters that a word alone decides, wherever it begins in a group of three."""
    for lead in range(3):
        letters = base64.b64encode(bytes(lead) + whole)
        yield letters[math.ceil(lead * 8 / 6) : (lead + len(whole)) * 8 // 6]


def contents(data, seen=None):
    """Yields the bytes and all that is packed in them, in any depth.

    Zip archives (.keras, .npz), HDF5, gzip and zlib streams wherever they begin (TFRecords, the
    text and the pixels of a PNG file, also of one inside an event file), and base64.
    """
    seen = set() if seen is None else seen
    if not data or data in seen:
        return
    seen.add(data)
    yield data
    for part in (*_of_zip(data), *_of_hdf5(data), *_of_streams(data), *_of_base64(data)):
        yield from contents(part, seen)


def _of_zip(data):
    if b"PK\x03\x04" in data and zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield "\n".join(archive.namelist()).encode()
            yield from map(archive.read, archive.namelist())


def _of_hdf5(data):
    if not data.startswith(HDF5):
        return
    told = []

    def tell(name, item):
        told.append(f"{name} {dict(item.attrs)}".encode())
        if isinstance(item, h5py.Dataset):
            value = item[()]
            told.append(value.tobytes() if hasattr(value, "tobytes") else bytes(value))

    with h5py.File(io.BytesIO(data)) as file:
        told.append(repr(dict(file.attrs)).encode())
        file.visititems(tell)
    yield from told


def _of_streams(data):
    for mark, window in ((GZIP, 31), (ZLIB, 15)):
        for match in mark.finditer(data):
            unpacker = zlib.decompressobj(window)
            try:
                # Bytes that are the mark by chance end here.
                yield unpacker.decompress(data[match.start() :], MAX_UNPACKED)
            except zlib.error:
                continue


def _of_base64(data):
    texts = (match[0].translate(bytes.maketrans(b"-_", b"+/")) for match in BASE64.finditer(data))
    # In one piece: most are names that happen to have its letters.
    yield b"\n".join(base64.b64decode(text[: len(text) // 4 * 4]) for text in texts)


def gzipped(data):
    """Returns the data in gzip, the same bytes each time."""
    return gzip.compress(data, mtime=0)
