"""What the terminal says of a conversion, a few lines for what a user needs next."""

import pathlib

from tfcovid.models.input_contract import contract_path
from weights_conversion.accounting import CONVERTED
from weights_conversion.namings import ASSUMED
from weights_conversion.plan import Plan
from weights_conversion.proof.comparison import INFERENCE_LIMIT, TRAINING_LIMIT, summary
from weights_conversion.reading.checkpoint import Checkpoint
from weights_conversion.recognition import LEFT_OUT
from weights_conversion.record import Record
from weights_conversion.report import report_paths


def checkpoint_line(name: str, checkpoint: Checkpoint) -> str:
    """Returns a line on the file."""
    content = checkpoint.content
    where = f" under {content.container!r}" if content.container else ""
    beside = f"; not read beside it: {', '.join(content.beside)}" if content.beside else ""
    return (
        f"read: {name}, {content.file_format}, {len(content.tensors)} tensors{where}, SHA-256 "
        f"{checkpoint.sha256[:12]}…{beside}"
    )


def plan_lines(plan: Plan) -> list[str]:
    """Returns lines on what was recognised, what becomes of the head, and the input."""
    source, target = plan.source, plan.target
    lines = [f"recognised: {plan.recognition.describe()}", f"head: {_head(plan)}"]
    lines.append(
        f"input: {source.channels} channel(s), black {source.low:g}, white {source.high:g}, mean "
        f"{_numbers(source.mean)}, std {_numbers(source.std)}, trained at {source.image_size} px; "
        f"{source.reason}"
    )
    left_out = [name for name, why in plan.recognition.notes.items() if why == LEFT_OUT]
    if left_out:
        lines.append(f"left out as asked for: {', '.join(left_out)}")
    lines.append(f"assumed: {ASSUMED}")
    if target.channels != source.channels:
        lines.append(
            f"channels: {target.channels} instead of {source.channels}, the first kernel "
            f"{'summed' if target.channels == 1 else 'spread'}; mean {_numbers(target.mean)}, std "
            f"{_numbers(target.std)}"
        )
    return lines


def proof_line(record: Record) -> str:
    """Returns a line on how equal the networks are."""
    largest = ", ".join(
        f"{kind} {value:.1e}"
        for kind, value in summary(record.comparisons)["largest_relative_difference"].items()
    )
    converted = sum(row.outcome == CONVERTED for row in record.rows)
    shift = ""
    if record.channel_shift is not None:
        shift = (
            "; equal under the averages of the channels' mean and std, which moves the features by "
            f"{record.channel_shift:.1%} against the source's own"
        )
    partial = f"; PARTIAL PROOF: {record.partial}" if record.partial else ""
    return (
        f"proven: {converted} tensors; largest relative difference: {largest} (limits "
        f"{INFERENCE_LIMIT:.0e} in float32, {TRAINING_LIMIT:.0e} in float64); "
        f"converted in {record.seconds['conversion']:.1f} s, proven in "
        f"{record.seconds['proof']:.1f} s{shift}{partial}"
    )


def written_lines(plan: Plan, output: pathlib.Path) -> list[str]:
    """Returns lines on where the files are and how they are used."""
    files = ", ".join(str(path) for path in (contract_path(output), *report_paths(output)[::-1]))
    return [
        f"wrote: {output} ({output.stat().st_size / 1e6:.1f} MB), {files}",
        "use it: python -m tfcovid.train "
        f"--backbone={plan.recognition.naming.architecture} --weights={output} --data_dir=DIR",
    ]


def _head(plan):
    if plan.head is not None:
        names = plan.target.class_names
        known = ", ".join(names) if names else "names not known, --class_names=… tells them"
        return f"{plan.head.name}, {plan.head.num_outputs} outputs, kept ({known})"
    dropped = plan.recognition.head
    return f"dropped as asked for ({', '.join(dropped)})" if dropped else "the checkpoint has none"


def _numbers(values):
    unique = values if len(set(values)) > 1 else values[:1]
    return ", ".join(f"{value:g}" for value in unique)
