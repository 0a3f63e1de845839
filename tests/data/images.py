"""Images that the tests of the pixel half draw and encode themselves."""

import io

import numpy as np
from PIL import Image


def noise(height, width, channels=1, *, seed=0):
    """Returns uint8 [height, width] or [height, width, channels] without any symmetry."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height, width, *, seed=0):
    """Returns uint8 [height, width, 3] that JPEG keeps well: blocks of one colour."""
    blocks = noise(-(-height // 16), -(-width // 16), 3, seed=seed)
    return np.kron(blocks, np.ones((16, 16, 1), np.uint8))[:height, :width]


def encode(image, file_format, **options):
    """Returns the bytes of a Pillow image or an array in a file format."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def pillow_gray(encoded):
    """Returns Pillow's idea of the gray image, int [height, width]."""
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("L")).astype(int)


def write_images(folder, count, *, height=40, width=50):
    """Writes different PNG files and returns their paths."""
    paths = []
    for index in range(count):
        path = folder / f"{index}.png"
        path.write_bytes(encode(noise(height, width, seed=index), "PNG"))
        paths.append(path)
    return paths
