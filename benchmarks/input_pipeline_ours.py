"""What benchmarks/input_pipeline.py measures in TensorFlow: tfcovid, plain Keras, the limits."""

import itertools
import time

import keras
import numpy as np
import tensorflow as tf

from tfcovid.data.augment import Augmentation
from tfcovid.data.decode_files import decode_files
from tfcovid.data.image_store import ImageStore
from tfcovid.data.pipeline import training_dataset
from tfcovid.data.preprocess import Preprocessing

SIZE_PX = 224
# As the flags have it; the peers' script says the same.
AUGMENTATION = Augmentation(
    rotation_degrees=10, translation=0.05, zoom=0.1, brightness=0.1, contrast=0.1
)
OURS, KERAS, LIMIT = "tfcovid", "Keras", "limit"
_BUFFERED_BATCHES = 8  # at least what a stream prepares while nobody asks


def rate(dataset, images):
    """Returns a function that takes batches worth so many images and returns images a second."""
    iterator = iter(dataset)

    def run():
        for _ in range(_BUFFERED_BATCHES):
            next(iterator)
        count, begun = 0, time.perf_counter()
        while count < images:
            batch = next(iterator)
            count += int((batch[0] if isinstance(batch, tuple) else batch).shape[0])
        return count / (time.perf_counter() - begun)

    return run


def cached_variants(store, images, batch_size=32):
    """Returns what is timed on images in memory: by name what runs it, each one warmed up.

    Args:
      store: an `ImageStore` in memory, of the images that the peers have.
      images: of a run.
      batch_size: of all of them.
    """
    count = len(store)
    pixels = store.fetch(np.arange(count))

    def stream(channels):
        return training_dataset(
            store,
            np.arange(count),
            np.zeros(count, int),
            preprocessing=Preprocessing(SIZE_PX, channels=channels),
            augmentation=AUGMENTATION,
            batch_size=batch_size,
            seed=0,
        )

    order = tf.data.Dataset.range(count).shuffle(count, seed=0).repeat()
    order = order.batch(batch_size, drop_remainder=True)

    def parallel(function):
        return order.map(function, tf.data.AUTOTUNE, deterministic=True).prefetch(4)

    layers = plain_layers()
    return {
        OURS: rate(stream(1), images),
        f"{OURS}, three channels": rate(stream(3), images),
        KERAS: rate(
            parallel(lambda at: layers(tf.cast(tf.gather(pixels, at), tf.float32), training=True)),
            max(batch_size, images // 8),
        ),
        LIMIT: rate(parallel(lambda at: tf.cast(tf.gather(pixels, at), tf.float32)), images),
    }


def plain_layers():
    """Returns the augmentation as Keras' guides write it, a layer a change."""
    zoom, turn = AUGMENTATION.zoom, AUGMENTATION.rotation_degrees / 360
    shift = AUGMENTATION.translation
    return keras.Sequential(
        [
            keras.layers.RandomRotation(turn, fill_mode="nearest"),
            keras.layers.RandomTranslation(shift, shift, fill_mode="nearest"),
            keras.layers.RandomZoom((-zoom, zoom), fill_mode="nearest"),
            keras.layers.RandomBrightness(AUGMENTATION.brightness, value_range=(0, 255)),
            keras.layers.RandomContrast(AUGMENTATION.contrast, value_range=(0, 255)),
        ]
    )


def file_variants(paths, batch_size=8):
    """Returns what is timed on files, from file to gray square: by name what runs it.

    Args:
      paths: of JPEG and PNG files; the peers have the same list.
      batch_size: of the streams.
    """
    preprocessing = Preprocessing(SIZE_PX, channels=1)
    images = len(paths)
    blank = np.zeros(images, bool)
    store = ImageStore(
        paths,
        preprocessing,
        cache="none",
        choice="",
        pixels=None,
        failed=blank,
        uncropped=blank,
        thumbnails=np.zeros(0, np.uint8),
    )
    stream = training_dataset(
        store,
        np.arange(images),
        np.zeros(images, int),
        preprocessing=preprocessing,
        augmentation=None,
        batch_size=batch_size,
        seed=0,
    )
    order = tf.data.Dataset.from_tensor_slices(list(paths)).shuffle(images, seed=0).repeat()

    def parallel(function):
        files = order.map(lambda path: function(tf.io.read_file(path)), tf.data.AUTOTUNE)
        return files.batch(batch_size).prefetch(2)

    def plain(encoded):
        image = tf.io.decode_image(encoded, channels=1, expand_animations=False)
        return tf.image.resize(image, [SIZE_PX, SIZE_PX])

    def load_pass():
        begun = time.perf_counter()
        outcomes = list(decode_files(paths, preprocessing))
        took = time.perf_counter() - begun
        wrong = [outcome for outcome in outcomes if isinstance(outcome, str)]
        if wrong:
            raise ValueError(f"{len(wrong)} files do not decode, the first: {wrong[0]}")
        return images / took

    return {
        OURS: rate(stream, images),
        f"{OURS}, load pass": load_pass,
        KERAS: rate(parallel(plain), images),
        LIMIT: rate(parallel(bare_decode), images),
    }


def bare_decode(encoded):
    """Returns the shape of a decoded JPEG or PNG file; its pixels go nowhere."""
    is_png = tf.strings.substr(encoded, 0, 4) == b"\x89PNG"
    return tf.cond(
        is_png,
        lambda: tf.shape(tf.io.decode_png(encoded, channels=1)),
        lambda: tf.shape(tf.io.decode_jpeg(encoded, channels=1, dct_method="INTEGER_ACCURATE")),
    )


def fill_seconds(paths, preprocessing, outcomes=None):
    """Returns the seconds until a store of all images is filled, from files or from outcomes."""
    begun = time.perf_counter()
    _, failures = ImageStore.load(paths, preprocessing, cache="memory", outcomes=outcomes)
    if failures:
        raise ValueError(f"{len(failures)} images fail: {next(iter(failures.values()))}")
    return time.perf_counter() - begun


def repeated(paths, count):
    """Returns the paths again and again, so many in all."""
    return list(itertools.islice(itertools.cycle(paths), count))
