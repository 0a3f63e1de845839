"""Whether two pictures are the same film: their correlation once one is laid over the other.

One picture is stretched and shifted along both axes until it fits the other best (Gauss-Newton on
brightness and geometry together, coarse to fine). A crop, another aspect or another size is then
undone, and what still differs is what a codec changes. Both pictures are normalised in
a window that moves along: the shadow of a chest is alike in all people, ribs and vessels are not.

Source: Evangelidis and Psarakis 2008, "Parametric image alignment using enhanced correlation
coefficient maximization", with four parameters.
"""

import concurrent.futures
import os
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from tfcovid.data.copies.fingerprint import CROPS, THUMBNAIL_PX, resample

# Side in pixels, window of the normalisation, steps of Gauss-Newton, and the correlation below
# which a pair is given up. Measured on 6,490 films with 1,600 made copies (crops up to 0.15 a
# side): at 24 px it tells little and finds the place; a look at 36 px from that place spares six of
# ten pairs the next steps, and of the copies none fell below 0.62 there; at 48 px unrelated films
# reach 0.65 in one of a hundred, copies stay above 0.82 in 199 of 200.
STAGES = ((24, 7, 3, 0.75), (36, 5, 0, 0.58), (48, 5, 2, 0.76), (THUMBNAIL_PX, 11, 3, 0.0))
FLAT = 3.0  # gray levels that count as no structure
# A copy may be stretched or shrunk by no more than this, and must lie over most of the other.
MOST_STRETCH = 1.5
LEAST_OVERLAP = 0.5
# Pairs from one word of progress to the next, pixels of those whose pictures are normalised
# together, each once, and pairs that are aligned together.
CHUNK, NORMALISED_PX, BATCH = 2**16, 2**25, 256
MOST_THREADS = 8  # each takes 200 MB at the finest resolution


def aligned_correlation(
    thumbnails: np.ndarray,
    pairs: np.ndarray,
    crops: np.ndarray,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Returns the correlation of each pair at its best alignment; 0 where there is none.

    Args:
      thumbnails: uint8 [n, 96, 96].
      pairs: int64 [m, 2], an image and one that is to be laid over it.
      crops: the crop of the second one that the search starts from, int64 [m].
      progress: called with (pairs done, pairs in all).

    Returns:
      float64 [m], 0 to 1; 0 for pairs that a coarser look rules out.
    """
    correlation = np.zeros(len(pairs))
    for start in range(0, len(pairs), CHUNK):
        part = slice(start, start + CHUNK)
        correlation[part] = _of_chunk(thumbnails, pairs[part], crops[part])
        if progress:
            progress(min(part.stop, len(pairs)), len(pairs))
    return correlation


def _of_chunk(thumbnails, pairs, crops):
    maps = np.array([_start(CROPS[number]) for number in crops])
    correlation = np.zeros(len(pairs))
    left = np.arange(len(pairs))
    for size, window, steps, least in STAGES:
        found, maps[left] = _align(thumbnails, pairs[left], maps[left], size, window, steps)
        correlation[:] = 0.0
        left = left[found >= least]
        if not len(left):
            break
        correlation[left] = found[found >= least]
    return correlation


def _start(crop):
    """Returns the map (down: scale, shift; right: scale, shift) from a whole onto a crop.

    Positions run from -1 to 1 along each axis.
    """
    left, right, top, bottom = crop
    return (1 - top - bottom, top - bottom, 1 - left - right, left - right)


def _align(thumbnails, pairs, maps, size, window, steps):
    """Returns correlations [m] and maps [m, 4] after some steps at one resolution."""
    at_a_time = NORMALISED_PX // size**2
    parts = [slice(start, start + at_a_time) for start in range(0, len(pairs), at_a_time)]
    aligned = [_align_part(thumbnails, pairs[p], maps[p], size, window, steps) for p in parts]
    correlation, moved_maps = zip(*aligned, strict=True)
    return np.concatenate(correlation), np.concatenate(moved_maps)


def _align_part(thumbnails, pairs, maps, size, window, steps):
    used, index = np.unique(pairs, return_inverse=True)
    index = index.reshape(pairs.shape)
    normalised = local_contrast(resample(thumbnails[used], CROPS[0], size), window)
    layers = [normalised]
    if steps:
        layers += np.gradient(normalised, 2 / size, axis=(1, 2))

    def of_batch(start):
        part = slice(start, start + BATCH)
        return _align_batch(layers, index[part], maps[part], size, steps)

    # NumPy computes one batch on one core, and lets other threads run meanwhile.
    with concurrent.futures.ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as threads:
        aligned = list(threads.map(of_batch, range(0, len(pairs), BATCH)))
    correlation, moved_maps = zip(*aligned, strict=True)
    return np.concatenate(correlation), np.concatenate(moved_maps)


def _align_batch(layers, index, maps, size, steps):
    fixed, other = layers[0][index[:, 0]], index[:, 1]
    layers = [layer[other] for layer in layers]
    for _ in range(steps):
        maps = maps + _step(fixed, layers, maps, size)
    moved = np.empty_like(fixed)
    inside = _warp(layers[:1], maps, size, [moved])
    return _masked_correlation(fixed, moved, inside, maps), maps


def local_contrast(images: np.ndarray, window: int) -> np.ndarray:
    """Returns images less their mean, by their deviation, both in a window that moves along."""
    mean = ndimage.uniform_filter(images, (0, window, window), mode="nearest")
    centred = images - mean
    power = ndimage.uniform_filter(centred**2, (0, window, window), mode="nearest")
    return centred / (np.sqrt(power) + FLAT)


def _step(fixed, layers, maps, size):
    """Returns the change of the maps that fits best to first order, [m, 4]."""
    # fixed = gain * (moved + gradient . change) + offset, linear in the six unknowns, where inside.
    # The eighth is zero: BLAS multiplies eight rows by eight in a third of the time of seven.
    terms = np.empty((len(fixed), 8, size, size), np.float32)
    down_y, down, right_x, right, moved, one, wanted, none = terms.swapaxes(0, 1)
    none[:] = 0
    one[:] = _warp(layers, maps, size, [moved, down, right])
    np.multiply(fixed, one, out=wanted)
    along = _positions(size)
    np.multiply(down, along[:, None], out=down_y)
    np.multiply(right, along[None, :], out=right_x)
    terms = terms.reshape(len(fixed), 8, -1)
    products = terms @ terms.transpose(0, 2, 1)
    square, target = products[:, :6, :6], products[:, :6, 6:7]
    scale = np.trace(square, axis1=1, axis2=2)[:, None, None]
    square = square + (1e-6 * scale + 1e-6) * np.eye(6, dtype=square.dtype)
    solution = np.linalg.solve(square, target)[..., 0]
    gain = solution[:, 4:5]
    change = solution[:, :4] / np.where(np.abs(gain) > 1e-3, gain, np.inf)
    return np.clip(change, -0.1, 0.1)


def _warp(layers, maps, size, warped):
    """Puts the layers at the mapped positions into `warped`, 0 outside, all [m, size, size].

    Returns where these positions lie inside.
    """
    rows, in_rows = _interpolation(maps[:, 0], maps[:, 1], size)
    columns, in_columns = _interpolation(maps[:, 2], maps[:, 3], size)
    for layer, out in zip(layers, warped, strict=True):
        np.matmul(rows @ layer, columns.transpose(0, 2, 1), out=out)
    return in_rows[:, :, None] & in_columns[:, None, :]


def _interpolation(scale, shift, size):
    """Returns linear interpolation weights [m, size, size] along one axis, and what is inside.

    The weights of what is not are 0.
    """
    scale, shift = scale.astype(np.float32)[:, None], shift.astype(np.float32)[:, None]
    where = scale * _positions(size) + shift
    pixel = ((where + 1) * size - 1) / 2
    inside = (pixel >= -0.5) & (pixel <= size - 0.5)
    # One array throughout: most of this takes as long as memory does.
    weights = np.clip(pixel, 0, size - 1)[..., None] - np.arange(size, dtype=np.float32)
    np.abs(weights, out=weights)
    np.subtract(inside[..., None], weights, out=weights)
    return np.maximum(weights, 0, out=weights), inside


def _positions(size):
    return ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)


def _masked_correlation(fixed, moved, inside, maps):
    weight = inside.sum(axis=(1, 2)) + 1e-9
    mask = inside.astype(np.float32)

    def centred(images):
        mean = (images * mask).sum(axis=(1, 2)) / weight
        return (images - mean[:, None, None]) * mask

    a, b = centred(fixed), centred(moved)
    power = np.sqrt((a**2).sum(axis=(1, 2)) * (b**2).sum(axis=(1, 2)))
    correlation = (a * b).sum(axis=(1, 2)) / np.maximum(power, 1e-9)
    scales = maps[:, [0, 2]]
    plausible = ((scales > 1 / MOST_STRETCH) & (scales < MOST_STRETCH)).all(axis=1)
    plausible &= weight / inside[0].size >= LEAST_OVERLAP
    return np.where(plausible, correlation, 0.0)
