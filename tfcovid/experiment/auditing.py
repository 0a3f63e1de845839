"""An audit from its Config to its page: what is wrong with data, before anyone trains on it."""

import dataclasses
import datetime
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import rich.console

from flags import choices
from flags.config import Config
from tfcovid.console import counting_bar, open_console, say
from tfcovid.controls.evidence import image_evidence
from tfcovid.controls.shortcuts import shortcut_scores
from tfcovid.data import audit_facts
from tfcovid.data.copies.merging import merge_copies
from tfcovid.data.copies.search import How, find_copies
from tfcovid.data.dataset import without_undecoded
from tfcovid.data.manifest import Manifest, build_manifest, source_notes
from tfcovid.data.preprocess import LUNG_BOX
from tfcovid.data.sources.reading import Reading
from tfcovid.data.squares import thumbnails_of
from tfcovid.data.tasks import TaskLabels, task_labels_of
from tfcovid.experiment.inputs import read_data_sets, split_asked_for
from tfcovid.experiment.run import free_name
from tfcovid.metrics.association import class_associations
from tfcovid.metrics.intervals import balanced_accuracy_interval
from tfcovid.report.audit_page import write_audit
from tfcovid.report.galleries import examples_of, gallery, pair_gallery
from tfcovid.training import run_record

EXAMPLES_OF_A_CLASS, PAIRS_SHOWN = 6, 8


@dataclasses.dataclass(frozen=True)
class Searched:
    """The images of an audit.

    Attributes:
      kinds: of the data sets.
      reading: what the readers found.
      task_labels: the task that is audited for.
      before: all readable images, also those without a class, labelled by class or "(finding)".
      pairs: copies among them, by position.
      after: the manifest once copies are merged and laterals set aside; its index is positions.
      thumbnails: uint8 [n, 96, 96], in the order of `before`.
    """

    kinds: tuple[str, ...]
    reading: Reading
    task_labels: TaskLabels
    before: Manifest
    pairs: pd.DataFrame
    after: Manifest
    thumbnails: np.ndarray


def audit_data(config: Config) -> dict[str, Any]:
    """Audits the data, writes audit.html and audit.json, and returns what the latter holds.

    Raises:
      ValueError: for a mistake in the flags or the data.
    """
    console = open_console()
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    wanted = config.run.workdir or pathlib.Path("runs") / f"{now}-audit"
    run_record.RunFolder(wanted).refuse_if_used()
    searched = search(config, console)
    found = describe(config, searched)
    folder = free_name(wanted, numbered=config.run.workdir is None)
    folder.mkdir(parents=True, exist_ok=True)
    run_record.write_json(folder / "audit.json", found)
    write_audit(folder / "audit.html", audit=found, pictures=pictures(searched))
    for line in found["verdict"]:
        say(console, f"- {line}")
    say(console, f"page: {folder / 'audit.html'}")
    say(console, f"figures: {folder / 'audit.json'}")
    return found


def search(config: Config, console: rich.console.Console) -> Searched:
    """Returns all images that can be read, and the copies among them."""
    data = config.data
    kinds, reading = read_data_sets(config, console)
    task_labels = task_labels_of(data.task, reading.rows["source"].dropna())
    with (
        counting_bar(console, "checking files") as scanned,
        counting_bar(console, "decoding images") as decoded,
        counting_bar(console, "looking for copies") as compared,
    ):
        before = build_manifest(
            reading,
            every_finding(task_labels, reading),
            on_bad_image="set_aside",
            max_pixels=data.max_pixels,
            every_class=False,
            progress=scanned,
        )
        thumbnails, failures = thumbnails_of(
            reading,
            before.frame["path"].tolist(),
            num_parallel_calls=data.num_parallel_calls,
            max_pixels=data.max_pixels,
            progress=decoded,
        )
        if failures:
            before = without_undecoded(before, failures, reading.root, "set_aside")
        thumbnails = thumbnails[before.frame.index]
        before = before.renumbered()
        pairs = find_copies(
            before.frame["sha256"],
            thumbnails if data.copies is choices.Copies.CONTENT else None,
            progress=compared,
        )
    keep = config.sources.lateral_views is choices.LateralViews.KEEP
    after = merge_copies(before, pairs, keep_laterals=keep)
    return Searched(kinds, reading, task_labels, before, pairs, after, thumbnails)


def every_finding(task_labels: TaskLabels, reading: Reading) -> TaskLabels:
    """Returns the task with a class "(finding)" besides for each finding that it has no class for.

    Copies are looked for among all images: what one task leaves out, another one trains on.
    """
    values = [str(value) for value in reading.rows[task_labels.column].dropna().unique()]
    class_of = {str(value): label for value, label in task_labels.class_of.items()}
    class_of |= {value: f"({value})" for value in values if value not in class_of}
    extra = [label for label in class_of.values() if label not in task_labels.classes]
    classes = (*task_labels.classes, *dict.fromkeys(extra))
    positive = classes[1] if len(classes) == 2 else None
    return dataclasses.replace(task_labels, classes=classes, class_of=class_of, positive=positive)


def describe(config: Config, searched: Searched) -> dict[str, Any]:
    """Returns the content of audit.json."""
    classes, after = searched.task_labels.classes, searched.after
    frame = after.frame[after.frame["label"].isin(classes)]
    split, leaks = split_of(config, searched.task_labels, after, frame)
    groups = frame["group_id"]
    columns = {
        "source": frame["source"],
        "age group": audit_facts.age_groups(frame["age"]),
        "view": frame["view"],
        "sex": frame["sex"],
    }
    notes = [*after.notes]
    if searched.task_labels.column == "finding":
        notes += source_notes(frame)
    found: dict[str, Any] = {
        "command": run_record.command_line("tfcovid.audit"),
        "data": data_folders(config, searched.kinds),
        "task": searched.task_labels.name,
        "classes": list(classes),
        "n_images": len(frame),
        "n_patients": int(frame["patient_id"].nunique()),
        "n_groups": int(groups.nunique()),
        "verdict": [],
        "counts": {
            "class": audit_facts.count_by(frame["label"], groups),
            "source": audit_facts.count_by(frame["source"], groups),
            "split": audit_facts.count_by(split, groups),
            "view": audit_facts.count_by(frame["view"], groups),
            "sex": audit_facts.count_by(frame["sex"], groups),
            "age": audit_facts.count_by(columns["age group"], groups),
        },
        "class_by_source": audit_facts.class_by_source(frame, classes),
        "rejected": {
            str(name): int(count)
            for name, count in after.rejected["category"].value_counts().items()
        },
        "rejected_examples": audit_facts.rejected_examples(after.rejected),
        "copies": audit_facts.describe_copies(
            searched.pairs, searched.before.frame, several_sets=len(searched.kinds) > 1
        ),
        "leaks": leaks,
        "files": audit_facts.odd_files(
            searched.before.frame,
            after.rejected,
            colour_annotated(searched),
        ),
        "declared": dict(searched.reading.declared),
        "shortcuts": shortcuts_of(config, searched, frame),
        "associations": [
            found.entry()
            for found in class_associations(
                frame["label"].tolist(),
                {name: column.tolist() for name, column in columns.items()},
                groups.tolist(),
                seed=config.run.seed,
            )
        ],
        "notes": notes,
    }
    return found | {"verdict": audit_facts.verdict(found)}


def colour_annotated(searched: Searched) -> int | None:
    """Returns how many images show colour; None for records, which are gray by now."""
    if searched.reading.facts is not None:
        return None
    frame = searched.before.frame
    paths = frame.loc[frame["mode"].isin(["RGB", "RGBA", "P", "CMYK"]), "path"]
    return sum(audit_facts.is_colour_annotated(str(searched.reading.root / p)) for p in paths)


def data_folders(config: Config, kinds: tuple[str, ...]) -> list[dict[str, str]]:
    """Returns kind and folder of each data set."""
    folders = [config.sources.data_dir, *(folder for _, folder in config.sources.places())]
    named = [str(folder) if folder else "the embedded synthetic sample" for folder in folders]
    return [{"kind": kind, "folder": folder} for kind, folder in zip(kinds, named, strict=True)]


def split_of(
    config: Config, task_labels: TaskLabels, after: Manifest, frame: pd.DataFrame
) -> tuple[pd.Series, list[str]]:
    """Returns the split that training would use, and why it would refuse to."""
    assign = split_asked_for(config, task_labels)
    usable = dataclasses.replace(after, frame=frame, official=after.official[frame.index])
    try:
        return assign(usable)["split"], []
    except ValueError as error:
        return pd.Series(pd.NA, frame.index, dtype=object), [str(error)]


def shortcuts_of(config: Config, searched: Searched, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns how well the class is told from what is not anatomy."""
    if frame["label"].nunique() < 2:
        return []
    present = [name for name in searched.task_labels.classes if (frame["label"] == name).any()]
    evidence = image_evidence(
        formats=searched.after.formats[frame.index].tolist(),
        modes=frame["mode"].tolist(),
        widths=frame["width"].to_numpy(float),
        heights=frame["height"].to_numpy(float),
        squares=searched.thumbnails[frame.index][..., None],
        box=dataclasses.astuple(LUNG_BOX),
    )
    found = shortcut_scores(
        evidence,
        frame["label"].map(present.index).to_numpy(np.int64),
        frame["group_id"].to_numpy(object),
        classes=present,
        interval=balanced_accuracy_interval,
        seed=config.run.seed,
    )
    return [dataclasses.asdict(shortcut) for shortcut in found]


def pictures(searched: Searched) -> dict[str, bytes]:
    """Returns the galleries of the page, PNG files by name."""
    frame = searched.after.frame
    shown = {}
    for name in searched.task_labels.classes:
        rows = frame.index[frame["label"] == name]
        if len(rows):
            chosen = examples_of(list(rows), EXAMPLES_OF_A_CLASS)
            shown[f"class/{name}: {len(chosen)} of {len(rows)} images"] = gallery(
                searched.thumbnails[chosen]
            )
    pairs = searched.pairs[searched.pairs["how"] != How.SAME_BYTES]
    for how, part in pairs.groupby("how"):
        # The least sure first: those are what a person has to judge.
        part = part.sort_values("correlation").head(PAIRS_SHOWN)
        caption = f"copy/{how}: the {len(part)} least sure of their kind, one above the other"
        shown[caption] = pair_gallery(
            searched.thumbnails[part["first"]], searched.thumbnails[part["second"]]
        )
    return shown
