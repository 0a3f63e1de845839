"""Decodes the bytes of an X-ray file to one 8-bit gray channel, inside a TensorFlow graph.

The same operations run in the training pipeline, in the SavedModel and in the
server, so only TensorFlow's own decoders are used: Pillow cannot be exported.
The tests hold the result equal to Pillow's `convert("L")` where Pillow has one.
"""

import tensorflow as tf

# Rec. 601 luma in 16-bit fixed point, as Pillow's convert("L") computes it: rounded half up.
_LUMA_WEIGHTS = (19595, 38470, 7471)
_LUMA_SHIFT = 16

# Bytes 24 and 25 of a PNG are the bit depth and the colour type of its IHDR chunk.
_PNG_HEADER_BYTES = 26
_PNG_SIXTEEN_BIT = b"\x10"
_PNG_GRAY_TYPES = (b"\x00", b"\x04")  # gray, gray with alpha

_NOT_SUPPORTED = (
    "expected a JPEG, PNG or GIF image: the first bytes of the file are of none of them"
)


def decode_gray(encoded):
    """Returns the pixels of an encoded image as 8-bit gray.

    - Colour becomes Rec. 601 luma. The Y channel of a JPEG is that luma, and is read as it is.
    - Alpha is dropped, as Pillow and OpenCV drop it: the sample was measured, its opacity is a
      remark of whoever exported the file.
    - 16-bit PNG is scaled by its significant bits, see `scale_to_8_bit`.
    - Of an animation the first frame counts. An EXIF orientation is not applied.

    Args:
      encoded: the bytes of a JPEG (gray, YCbCr, RGB, CMYK), PNG (any mode) or GIF file, scalar
        string. BMP is refused: TensorFlow reads the palette indices of one as if they were gray.

    Returns:
      Gray image, uint8 [height, width, 1].

    Raises:
      tf.errors.InvalidArgumentError: if the bytes are empty, truncated, or none of these formats.
    """
    is_jpeg = tf.strings.substr(encoded, 0, 3) == b"\xff\xd8\xff"
    is_png = tf.strings.substr(encoded, 0, 8) == b"\x89PNG\r\n\x1a\n"
    gray = tf.cond(
        is_jpeg,
        lambda: _decode_jpeg(encoded),
        lambda: tf.cond(is_png, lambda: _decode_png(encoded), lambda: _decode_gif(encoded)),
    )
    return tf.ensure_shape(gray, [None, None, 1])


def scale_to_8_bit(pixels):
    """Returns 16-bit pixels on the 8-bit scale, rounded to nearest.

    Detectors deliver 10, 12 or 14 bits and many exporters store these unscaled in 16-bit files.
    Dividing such a file by 257 would leave 4 to 64 gray levels of a nearly black picture, so the
    full scale is taken to be 8, 10, 12, 14 or 16 bits, whichever is the least that holds the
    brightest pixel. With 16 bits, as in a file that uses its range, this is round(pixel / 257).

    Args:
      pixels: unsigned samples, uint16 [height, width, channels].

    Returns:
      uint8 of the same shape, 0..255.
    """
    brightest = tf.reduce_max(tf.cast(pixels, tf.int32))
    full_scales = tf.constant([2**bits - 1 for bits in (8, 10, 12, 14, 16)])
    full_scale = tf.reduce_min(tf.boolean_mask(full_scales, full_scales >= brightest))
    # Integers: (2 * 255 * pixel + full_scale) // (2 * full_scale) rounds half up without error.
    return tf.cast((510 * tf.cast(pixels, tf.int32) + full_scale) // (2 * full_scale), tf.uint8)


def luma(colour):
    """Returns the Rec. 601 luma of 8-bit RGB, rounded half up as in Pillow's `convert("L")`.

    Args:
      colour: uint8 [height, width, 3].

    Returns:
      uint8 [height, width, 1].
    """
    # Channel by channel: a reduction over an axis of three is several times slower on a CPU.
    red, green, blue = tf.split(tf.cast(colour, tf.int32), 3, axis=-1)
    for_red, for_green, for_blue = _LUMA_WEIGHTS
    total = for_red * red + for_green * green + for_blue * blue + (1 << (_LUMA_SHIFT - 1))
    return tf.cast(tf.bitwise.right_shift(total, _LUMA_SHIFT), tf.uint8)


def _decode_jpeg(encoded):
    # libjpeg cannot turn CMYK into gray; TensorFlow turns it into RGB itself.
    components = tf.io.extract_jpeg_shape(encoded)[-1]
    return tf.cond(
        components == 4,
        lambda: luma(tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")),
        lambda: tf.io.decode_jpeg(encoded, channels=1, dct_method="INTEGER_ACCURATE"),
    )


def _decode_png(encoded):
    # A file cut inside its header goes to decode_png as it is, which says what is wrong with it.
    header = tf.strings.substr(encoded, 0, _PNG_HEADER_BYTES)
    bit_depth = tf.strings.substr(header, tf.minimum(24, tf.strings.length(header)), 1)
    colour_type = tf.strings.substr(header, tf.minimum(25, tf.strings.length(header)), 1)
    is_gray = tf.reduce_any(colour_type == tf.constant(_PNG_GRAY_TYPES))

    def gray_of(dtype, to_8_bit):
        # channels=1 on a colour PNG would truncate the luma instead of rounding it.
        return tf.cond(
            is_gray,
            lambda: to_8_bit(tf.io.decode_png(encoded, channels=1, dtype=dtype)),
            lambda: luma(to_8_bit(tf.io.decode_png(encoded, channels=3, dtype=dtype))),
        )

    # Decoding 16 bit as uint8 would drop the low byte.
    return tf.cond(
        bit_depth == _PNG_SIXTEEN_BIT,
        lambda: gray_of(tf.uint16, scale_to_8_bit),
        lambda: gray_of(tf.uint8, tf.identity),
    )


def _decode_gif(encoded):
    is_gif = tf.strings.substr(encoded, 0, 4) == b"GIF8"
    with tf.control_dependencies([tf.debugging.Assert(is_gif, [_NOT_SUPPORTED])]):
        encoded = tf.identity(encoded)
    # decode_gif would decode every frame.
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return luma(tf.ensure_shape(image, [None, None, 3]))
