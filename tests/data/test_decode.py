"""Every mode of every format becomes the gray image that Pillow makes of it."""

import io
import pathlib
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.data.images import encode, noise, pillow_gray, smooth
from tfcovid.data.decode import decode_gray, luma, scale_to_8_bit

REAL = pathlib.Path(__file__).parents[2] / ".." / "shared" / "data" / "full_resolution" / "images"


def decoded(encoded):
    return decode_gray(encoded).numpy()[..., 0].astype(int)


def adam7_gray(pixels):
    """Returns an interlaced PNG, which Pillow reads and does not write."""
    height, width = pixels.shape
    starts = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    passes = [pixels[r::dr, c::dc] for r, c, dr, dc in [*starts, (1, 0, 2, 1)]]
    raw = b"".join(b"\0" + row.tobytes() for part in passes if part.size for row in part)

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def with_alpha(image):
    image.putalpha(Image.fromarray(noise(image.height, image.width, seed=9)))
    return image


PNG_MODES = {
    "1": lambda: Image.fromarray(noise(13, 17)).convert("1"),
    "L": lambda: Image.fromarray(noise(13, 17)),
    "P": lambda: Image.fromarray(noise(13, 17, 3)).quantize(20),
    "P with four colours": lambda: Image.fromarray(noise(13, 17, 3)).quantize(4),
    "LA": lambda: with_alpha(Image.fromarray(noise(13, 17))),
    "RGB": lambda: Image.fromarray(noise(13, 17, 3)),
    "RGBA": lambda: with_alpha(Image.fromarray(noise(13, 17, 3))),
}


@pytest.mark.parametrize("mode", PNG_MODES)
def test_png_equals_pillow_exactly(mode):
    encoded = encode(PNG_MODES[mode](), "PNG")
    np.testing.assert_array_equal(decoded(encoded), pillow_gray(encoded))


def test_palette_with_transparent_colour_equals_pillow():
    palette = Image.fromarray(noise(13, 17, 3)).quantize(20)
    encoded = encode(palette, "PNG", transparency=3)
    np.testing.assert_array_equal(decoded(encoded), pillow_gray(encoded))


def test_alpha_changes_nothing():
    pixels = noise(13, 17, 3)
    opaque = decoded(encode(pixels, "PNG"))
    translucent = decoded(encode(with_alpha(Image.fromarray(pixels)), "PNG"))
    np.testing.assert_array_equal(opaque, translucent)


def test_interlaced_png_equals_pillow():
    pixels = noise(21, 19)
    encoded = adam7_gray(pixels)
    np.testing.assert_array_equal(pillow_gray(encoded), pixels)
    np.testing.assert_array_equal(decoded(encoded), pixels)


@pytest.mark.parametrize("progressive", [False, True])
def test_gray_jpeg_equals_pillow_exactly(progressive):
    encoded = encode(smooth(45, 61)[..., 0], "JPEG", progressive=progressive)
    np.testing.assert_array_equal(decoded(encoded), pillow_gray(encoded))


@pytest.mark.parametrize("progressive", [False, True])
def test_gray_content_in_a_colour_jpeg_equals_pillow_exactly(progressive):
    gray = Image.fromarray(smooth(45, 61)[..., 0]).convert("RGB")
    encoded = encode(gray, "JPEG", progressive=progressive)
    np.testing.assert_array_equal(decoded(encoded), pillow_gray(encoded))


def test_colour_jpeg_gives_its_y_channel():
    encoded = encode(smooth(45, 61), "JPEG")
    image = Image.open(io.BytesIO(encoded))
    image.draft("L", image.size)
    np.testing.assert_array_equal(decoded(encoded), np.asarray(image))


def test_rgb_jpeg_without_ycbcr_equals_pillow():
    encoded = encode(smooth(45, 61), "JPEG", keep_rgb=True)
    np.testing.assert_allclose(decoded(encoded), pillow_gray(encoded), atol=1)


def test_cmyk_jpeg_equals_pillow():
    encoded = encode(Image.fromarray(smooth(45, 61)).convert("CMYK"), "JPEG")
    np.testing.assert_allclose(decoded(encoded), pillow_gray(encoded), atol=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_gif_equals_pillow(channels):
    encoded = encode(noise(13, 17, channels), "GIF")
    np.testing.assert_array_equal(decoded(encoded), pillow_gray(encoded))


def test_first_frame_of_an_animation_counts():
    frames = [Image.fromarray(noise(13, 17, seed=seed)) for seed in range(3)]
    encoded = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decoded(encoded), np.asarray(frames[0]))


def test_sixteen_bit_gray_is_rounded_not_truncated():
    pixels = np.random.default_rng(1).integers(0, 65536, (13, 17), dtype=np.uint16)
    pixels[0, 0] = 65535
    expected = np.floor(pixels / 257 + 0.5)
    np.testing.assert_array_equal(decoded(encode(pixels, "PNG")), expected)
    assert np.any(expected != pixels >> 8)


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_detector_bits_in_a_sixteen_bit_file_use_the_whole_scale(bits):
    pixels = np.random.default_rng(1).integers(0, 2**bits, (13, 17), dtype=np.uint16)
    pixels[0, 0] = 2**bits - 1
    expected = np.floor(pixels * (255 / (2**bits - 1)) + 0.5)
    np.testing.assert_array_equal(decoded(encode(pixels, "PNG")), expected)


def test_scaling_keeps_black_black_and_the_order_of_gray():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    scaled = scale_to_8_bit(ramp).numpy().ravel().astype(int)
    assert scaled[0] == 0
    assert scaled[-1] == 255
    assert np.all(np.diff(scaled) >= 0)
    assert not scale_to_8_bit(np.zeros((2, 2, 1), np.uint16)).numpy().any()


def test_luma_is_rec_601_rounded():
    colour = noise(40, 30, 3)
    exact = colour @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(luma(colour).numpy()[..., 0], exact, atol=0.501)
    grays = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=-1)
    np.testing.assert_array_equal(luma(grays).numpy().ravel(), np.arange(256))


def test_graph_equals_eager():
    files = [encode(make(), "PNG") for make in PNG_MODES.values()]
    files += [encode(smooth(33, 47), "JPEG"), encode(noise(9, 8), "GIF")]
    in_graph = tf.data.Dataset.from_tensor_slices(files).map(decode_gray)
    assert in_graph.element_spec.shape.as_list() == [None, None, 1]
    for encoded, image in zip(files, in_graph, strict=True):
        np.testing.assert_array_equal(image, decode_gray(encoded))


PNG = encode(noise(40, 40), "PNG")
JPEG = encode(noise(40, 40), "JPEG")
NOT_IMAGES = {
    "empty": b"",
    "text": b"index,X_ray_image_name,Label\n",
    "png signature only": PNG[:8],
    "png cut in the header": PNG[:24],
    "png cut in the middle": PNG[: len(PNG) // 2],
    "jpeg signature only": JPEG[:3],
    "jpeg cut in the middle": JPEG[: len(JPEG) // 2],
    "tiff": encode(noise(9, 8), "TIFF"),
}


@pytest.mark.parametrize("kind", NOT_IMAGES)
def test_what_is_no_whole_image_is_refused(kind):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_gray(NOT_IMAGES[kind])


OTHER_FORMATS = {
    "bmp": encode(noise(9, 8), "BMP"),
    "palette bmp": encode(Image.fromarray(noise(9, 8, 3)).quantize(20), "BMP"),
    "webp": encode(noise(9, 8, 3), "WEBP"),
    "tiff": NOT_IMAGES["tiff"],
    "text": NOT_IMAGES["text"],
}


@pytest.mark.parametrize("kind", OTHER_FORMATS)
def test_another_format_is_refused_by_name_eagerly_and_in_a_graph(kind):
    for decode in (decode_gray, tf.function(decode_gray)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="expected a JPEG, PNG or GIF"):
            decode(tf.constant(OTHER_FORMATS[kind]))


def test_real_x_rays_equal_pillow_exactly():
    if not REAL.is_dir():
        pytest.skip(f"the real X-rays are not at {REAL}")
    small = sorted(REAL.iterdir(), key=lambda path: path.stat().st_size)[:20]
    for path in small:
        encoded = path.read_bytes()
        np.testing.assert_array_equal(decoded(encoded), pillow_gray(encoded), err_msg=path.name)
