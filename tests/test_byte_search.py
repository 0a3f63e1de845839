"""The searcher finds a word however it is spelled and packed, and no word where there is none."""

import base64
import io
import json
import os
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.byte_search import found, gzipped
from tests.data.images import encode

WORDS = ("Quarzmänn^Odilia", "19470923", "nest-8822")
KEY = bytes(range(40, 56))


def png_with(word, **chunk):
    info = PngInfo()
    info.add_text("Comment", word, **chunk)
    return encode(Image.new("L", (2, 2)), "PNG", pnginfo=info)


def npz_with(word):
    stream = io.BytesIO()
    np.savez_compressed(stream, names=np.array([word, "other"]))
    return stream.getvalue()


def hdf5_with(word, **storage):
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        values = np.frombuffer(word.encode().ljust(64, b"."), "<u4")
        file.create_dataset("a/b", data=values, compression="gzip", **storage)
    return stream.getvalue()


def zip_of(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner", content)
    return stream.getvalue()


def event_with(word):
    """The bytes of a TensorBoard file in which a PNG file has the word in compressed text."""
    picture = tf.compat.v1.Summary.Image(encoded_image_string=png_with(word, zip=True))
    value = tf.compat.v1.Summary.Value(tag="films", image=picture)
    return tf.compat.v1.Event(
        summary=tf.compat.v1.Summary(value=[value])
    ).SerializeToString() + os.urandom(50)


PACKED = {
    "plain": lambda word: b"<" + word.encode() + b">",
    "upper case": lambda word: word.upper().encode(),
    "latin-1": lambda word: word.encode("latin-1"),
    "utf-16": lambda word: b"\0" + word.encode("utf-16-le"),
    "utf-16 of motorola": lambda word: word.encode("utf-16-be"),
    "json": lambda word: json.dumps({"a": word}).encode(),
    "html": lambda word: word.encode("ascii", "xmlcharrefreplace"),
    "base64": lambda word: base64.b64encode(word.encode()),
    "base64, one letter on": lambda word: base64.b64encode(b"x" + word.encode() + b"y"),
    "base64, two letters on": lambda word: base64.urlsafe_b64encode(b"xx" + word.encode() + b"y"),
    "base64 of latin-1": lambda word: base64.b64encode(b"xx" + word.encode("latin-1")),
    "zip": lambda word: zip_of(word.encode()),
    "gzip in zip": lambda word: zip_of(gzipped(word.encode("utf-16-le"))),
    "gzip behind others": lambda word: b"12345" + gzipped(word.encode()) + b"67",
    "png": png_with,
    "png, compressed": lambda word: png_with(word, zip=True),
    "png, in a page": lambda word: b"<img src='data:;base64," + base64.b64encode(png_with(word)),
    "png, in an event": event_with,
    "npz": npz_with,
    "keras": lambda word: zip_of(hdf5_with(word)),
    "hdf5, shuffled": lambda word: hdf5_with(word, shuffle=True),
}


@pytest.mark.parametrize("packing", PACKED)
def test_a_word_is_found_however_it_is_packed(packing):
    for word in WORDS:
        assert found(PACKED[packing](word), WORDS) == {word}


@pytest.mark.parametrize("packing", PACKED)
def test_other_words_are_not(packing):
    assert not found(PACKED[packing]("Rosenquärz"), WORDS)


def test_a_date_is_found_as_people_write_it():
    for text in ("1947-09-23", "born 23.09.1947", "09/23/1947"):
        assert found(text, WORDS) == {"19470923"}


def test_a_key_is_found_raw_in_hexadecimal_and_in_base64():
    for data in (b"a" + KEY, KEY.hex(), KEY.hex().upper(), base64.b64encode(b"a" + KEY)):
        assert found(data, [KEY]) == {KEY}
    assert not found(bytes(reversed(KEY)), [KEY])
