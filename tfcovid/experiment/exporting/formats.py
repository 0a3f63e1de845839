"""Writes each format, and lets a file have its name only if it says what the network says."""

import dataclasses
import functools
import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import rich.console

from flags.export_config import ExportFormat
from tfcovid.experiment.evaluation import classify
from tfcovid.experiment.exporting.images import Images, representative_images
from tfcovid.experiment.exporting.network import Network, digest_of, in_batches, size_of
from tfcovid.experiment.model_assets import model_assets
from tfcovid.exports import litert, onnx_file
from tfcovid.exports.parity import Classify, parity_of
from tfcovid.exports.squares import NoOperationError
from tfcovid.serving.client import load_signature
from tfcovid.serving.exported import save_exported
from tfcovid.startup import filtered_stderr
from tfcovid.training import run_record
from tfcovid.whole_file import whole_file

ENDING_OF_CONTRACT = ".json"
FLOAT32 = "weights and arithmetic float32"


class RefusedError(Exception):
    """An export says something else than the network; the message says what."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """The network on the images that every export is compared on.

    Attributes:
      network: it.
      images: all of the validation split.
      probs: what it says of them, float32 [n, num_classes].
      decided: what it decides, as labels are written, [n].
      folder: gets the exports; made already.
      console: for progress.
    """

    network: Network
    images: Images
    probs: np.ndarray
    decided: Sequence[str]
    folder: pathlib.Path
    console: rich.console.Console

    def balanced_accuracy(self, decided: Sequence[str]) -> float | None:
        """Returns that of what was decided of the images."""
        labels, task_labels = self.images.rows["label"], self.network.run.task_labels
        return self.network.kind.balanced_accuracy(labels, decided, task_labels)

    def compared(self, probs: np.ndarray, decided: Sequence[str], *, exact: bool) -> dict[str, Any]:
        """Returns the figures of an export.

        Args:
          probs: what it says of the images, float32 [n, num_classes].
          decided: what is decided by that.
          exact: whether it computes in float32.

        Raises:
          RefusedError: if it may not be used.
        """
        parity = parity_of(self.probs, probs, self.decided, decided)
        why = parity.why_refused(exact=exact)
        if why is not None:
            raise RefusedError(why)
        names = self.images.rows["image"]
        return {
            "largest_difference": parity.largest,
            "mean_difference": parity.mean,
            "decisions_changed": [
                {"image": names[i], "network": self.decided[i], "export": decided[i]}
                for i in np.flatnonzero(parity.changed).tolist()
            ],
            "balanced_accuracy": self.balanced_accuracy(decided),
        }


Export = tuple[dict[str, Any], Classify | None]
"""An entry of parity.json, and the file as a function; None of a file that is not there."""


def export_saved_model(measured: Measured) -> Iterator[Export]:
    """Yields the SavedModel, written once more from what the run trained and chose."""
    network, images = measured.network, measured.images
    path = measured.folder / ExportFormat.SAVED_MODEL.value

    def write() -> dict[str, Any]:
        with whole_file(path) as beside:
            save_exported(network.module(), beside, model_assets(network.run.folder))
            found = classify(
                beside,
                images.reading,
                images.rows["path"].tolist(),
                network.preprocessing,
                measured.console,
            )
            failed = [prediction for prediction in found if prediction.error is not None]
            if failed:
                raise RefusedError(f"{failed[0].image}: {failed[0].error}")
            probs = np.array([[*one.probabilities.values()] for one in found], np.float32)
            figures = measured.compared(probs, [str(one.decision) for one in found], exact=True)
            shutil.rmtree(path, ignore_errors=True)
        return figures

    yield entry_of(measured, path, ExportFormat.SAVED_MODEL, write, load_saved_model)


def export_litert(measured: Measured) -> Iterator[Export]:
    """Yields the three precisions; where float32 is refused, so are the others."""
    network = measured.network
    representative = representative_images(network, measured.console)
    refused = None
    with litert.Conversion(network.module()) as convert:
        for precision in litert.PRECISIONS:
            path = measured.folder / ExportFormat.LITERT.value / f"{precision}{litert.ENDING}"
            write = functools.partial(
                write_litert, measured, path, precision, convert, representative, refused
            )
            entry, load = entry_of(measured, path, ExportFormat.LITERT, write, litert.load_litert)
            if precision == litert.FLOAT32:
                refused = entry.get("refused")
            yield entry, load


def write_litert(
    measured: Measured,
    path: pathlib.Path,
    precision: str,
    convert: litert.Conversion,
    representative: Images,
    refused: str | None,
) -> dict[str, Any]:
    """Writes a LiteRT file of one precision; returns its figures.

    Raises:
      RefusedError: if it says something else than the network, or float32 did, as `refused` tells.
      NoOperationError: if LiteRT has no operation for a part of the network.
    """
    if refused is not None:
        raise RefusedError(f"so is float32: {refused}")
    content, how = convert(precision, representative.squares)
    contract = measured.network.contract(batch=1, precision=how)
    figures = accepted(
        measured,
        path,
        litert.with_contract(content, contract),
        contract,
        litert.load_litert,
        exact=precision == litert.FLOAT32,
    )
    figures |= {"precision": how, "operations": litert.operations_of(content)}
    if precision == litert.INT8:
        figures["representative"] = representative.rows["image"].tolist()
    return figures


def export_onnx(measured: Measured) -> Iterator[Export]:
    """Yields the ONNX file."""
    path = measured.folder / ExportFormat.ONNX.value / "model.onnx"

    def write() -> dict[str, Any]:
        contract = measured.network.contract(batch=onnx_file.BATCH, precision=FLOAT32)
        content = onnx_file.onnx_model(measured.network.module(), contract)
        return accepted(measured, path, content, contract, onnx_file.load_onnx, exact=True)

    yield entry_of(measured, path, ExportFormat.ONNX, write, onnx_file.load_onnx)


EXPORTERS: dict[ExportFormat, Callable[[Measured], Iterator[Export]]] = {
    ExportFormat.SAVED_MODEL: export_saved_model,
    ExportFormat.LITERT: export_litert,
    ExportFormat.ONNX: export_onnx,
}
CHECKS: dict[ExportFormat, Callable[[], None]] = {
    ExportFormat.SAVED_MODEL: lambda: None,
    ExportFormat.LITERT: litert.check_extra,
    ExportFormat.ONNX: onnx_file.check_extra,
}
"""What raises ValueError where a format's extra is not installed."""


def accepted(
    measured: Measured,
    path: pathlib.Path,
    content: bytes,
    contract: dict[str, Any],
    load: Callable[[pathlib.Path], Classify],
    *,
    exact: bool,
) -> dict[str, Any]:
    """Writes a file and its contract once it says what the network says; returns its figures.

    Raises:
      RefusedError: if it does not; nothing is written then.
    """
    path.parent.mkdir(exist_ok=True)
    with whole_file(path) as beside:
        beside.write_bytes(content)
        probs = in_batches(load(beside), measured.images.squares)
        figures = measured.compared(probs, measured.network.decided(probs), exact=exact)
    run_record.write_json(path.with_suffix(ENDING_OF_CONTRACT), contract)
    return figures


def entry_of(
    measured: Measured,
    path: pathlib.Path,
    of_format: ExportFormat,
    write: Callable[[], dict[str, Any]],
    load: Callable[[pathlib.Path], Classify],
) -> Export:
    """Returns what became of an export; where it was refused, no earlier one keeps its name."""
    entry = {
        "file": path.relative_to(measured.folder).as_posix(),
        "format": of_format.value,
        "precision": FLOAT32,
    }
    # The runtimes say on stderr, from C++, which kernels they take.
    with filtered_stderr():
        try:
            entry |= write()
        except (RefusedError, NoOperationError) as reason:
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            path.with_suffix(ENDING_OF_CONTRACT).unlink(missing_ok=True)
            return {**entry, "refused": str(reason)}, None
        return entry | {"bytes": size_of(path), "sha256": digest_of(path)}, load(path)


def load_saved_model(path: pathlib.Path) -> Classify:
    """Returns a SavedModel as a function of decoded images, by its signature `image`."""
    signature = load_signature(path, "image")
    return lambda images: signature(images=images)["probabilities"].numpy()
