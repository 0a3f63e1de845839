"""A data set read, checked and written as records, from its Config."""

import dataclasses
import pathlib
import shlex
from collections.abc import Sequence

import pandas as pd
import rich.console

from flags.config import Config
from tfcovid.beam_jobs import import_beam, refuse_unknown_options
from tfcovid.console import counting_bar, open_console, say
from tfcovid.data.image_files import scan_files
from tfcovid.data.preparing import NEEDS_BEAM_TO, Prepared, prepare_records
from tfcovid.data.sources.reading import TEXT, Reading, listing
from tfcovid.experiment.inputs import read_data_sets


def prepare_data_set(
    config: Config, *, output_dir: pathlib.Path, shards: int, beam_args: Sequence[str]
) -> Prepared:
    """Writes the records of the data set that is asked for and says what was done.

    Args:
      config: what is asked for; its sources, and of its data image_size, on_bad_image, max_pixels.
      output_dir: folder for the records.
      shards: number of shard files.
      beam_args: options of Apache Beam.

    Raises:
      ValueError: if Beam is not installed or does not know an option; if the data cannot be read
        or is records already; if records cannot be written.
    """
    console = open_console()
    # Before the files are read: that takes minutes on a large data set.
    import_beam(NEEDS_BEAM_TO)
    refuse_unknown_options(beam_args)
    kinds, reading = read_data_sets(config, console)
    if "records" in kinds:
        raise ValueError(
            f"--data_dir={config.sources.data_dir}: holds records already, made by "
            "tfcovid.prepare; name the data set they were made from, or train on them as they are"
        )
    reading, facts = checked_files(config, reading, console)
    with counting_bar(console, "making shards") as made:
        prepared = prepare_records(
            reading,
            facts,
            output_dir=output_dir,
            image_size=config.data.image_size,
            shards=shards,
            on_bad_image=config.data.on_bad_image,
            max_pixels=config.data.max_pixels,
            data_folders=data_folders(config),
            beam_args=beam_args,
            progress=made,
        )
    for line in summary(prepared):
        say(console, line)
    return prepared


def data_folders(config: Config) -> list[pathlib.Path]:
    """Returns the folders of the data sets; none for the embedded sample."""
    folders = [config.sources.data_dir, *(folder for _, folder in config.sources.places())]
    return [folder for folder in folders if folder is not None]


def checked_files(
    config: Config, reading: Reading, console: rich.console.Console
) -> tuple[Reading, pd.DataFrame]:
    """Returns the reading without files that cannot be images, and the facts of the others.

    Raises:
      ValueError: if there is such a file and --on_bad_image is fail, or no file is left.
    """
    with counting_bar(console, "checking files") as scanned:
        facts, bad = scan_files(
            reading.rows, reading.root, max_pixels=config.data.max_pixels, progress=scanned
        )
    if not len(bad):
        return reading, facts
    first = bad.iloc[0]
    what = f"{reading.root / first['path']}: {first['reason']} ({len(bad)} bad of "
    what += f"{len(reading.rows)} images)"
    if config.data.on_bad_image == "fail" or facts.empty:
        raise ValueError(
            f"{what}; repair it, or leave such images out with --on_bad_image=set_aside"
        )
    reasons = [f"{row.path}: {row.reason}" for row in bad.itertuples()]
    note = f"{len(bad)} images set aside as bad files: {listing(reasons)}."
    say(console, f"note: {note}")
    rejected = pd.concat([reading.rejected, bad], ignore_index=True).astype(TEXT)
    rows = reading.rows.loc[facts.index].reset_index(drop=True)
    notes = (*reading.notes, note)
    reading = dataclasses.replace(reading, rows=rows, rejected=rejected, notes=notes)
    return reading, facts.reset_index(drop=True)


def summary(prepared: Prepared) -> list[str]:
    """Returns what was written and how fast."""
    index = prepared.index
    size_mib = sum(shard.bytes for shard in index.shards) / 2**20
    made = f"{prepared.made} made, {prepared.kept} kept from an earlier run"
    lines = [
        f"records: {len(index.places)} images of {index.image_size} px in {len(index.shards)} "
        f"shards ({made}), {size_mib:,.0f} MiB in {index.folder}",
        f"left out: {len(index.reading.rejected)} images, listed in "
        f"{index.folder / 'rejected.csv'}; {prepared.set_aside} of them do not decode",
    ]
    if prepared.decoded:
        lines.append(
            f"speed: {prepared.decoded} images in {prepared.seconds:.1f} s, "
            f"{prepared.decoded / prepared.seconds:,.0f} images/s"
        )
    lines.append(
        f"train: python -m tfcovid.train --data_dir={shlex.quote(str(index.folder))} "
        f"--image_size={index.image_size}"
    )
    return lines
