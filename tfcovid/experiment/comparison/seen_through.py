"""The images of a comparison through another preprocessing, for methods that bring their own."""

import dataclasses

import numpy as np
import rich.console

from flags.config import Config
from tfcovid.console import counting_bar, say
from tfcovid.data.image_store import ImageStore
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.sources.readers import cache_folder
from tfcovid.data.squares import squares_of
from tfcovid.data.uncropped import uncropped_notes
from tfcovid.experiment.comparison.pool import Pool


def pool_through(config: Config, pool: Pool, chain: str, console: rich.console.Console) -> Pool:
    """Returns the same images, labels and splits, decoded once more through a chain.

    Args:
      config: of the comparison.
      pool: the images.
      chain: a value of --preprocessing.
      console: for the progress bar.

    Raises:
      ValueError: if an image does not decode now, or records do not hold what the chain needs.
    """
    data = config.data
    if chain == data.preprocessing:
        return pool
    preprocessing = Preprocessing(data.image_size, view=data.view.value, chain=chain)
    paths = pool.dataset.frame["path"].tolist()
    with counting_bar(console, f"images through {chain}") as progress:
        images, failures = ImageStore.load(
            [pool.reading.root / path for path in paths],
            preprocessing,
            outcomes=squares_of(
                pool.reading,
                paths,
                preprocessing,
                num_parallel_calls=data.num_parallel_calls,
                max_pixels=data.max_pixels,
            ),
            cache=data.cache,
            budget_mib=data.cache_budget_mib,
            folder=cache_folder() / "images",
            progress=progress,
        )
    if failures:
        first = min(failures)
        raise ValueError(f"{paths[first]}: {failures[first]}, though it was decoded before")
    for note in uncropped_notes(images.uncropped):
        say(console, f"note: {chain}: {note}")
    index = np.arange(len(paths))
    return dataclasses.replace(
        pool, dataset=dataclasses.replace(pool.dataset, images=images, image_index=index)
    )
