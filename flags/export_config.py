"""What a finished run is exported to."""

import enum


class ExportFormat(enum.StrEnum):
    """The kinds of files that a classifier is written as."""

    SAVED_MODEL = enum.auto()
    LITERT = enum.auto()
    ONNX = enum.auto()


def formats_from(text: str | None) -> tuple[ExportFormat, ...]:
    """Returns the formats that --format names, each once, in the order of `ExportFormat`.

    Args:
      text: names with commas between them.

    Raises:
      ValueError: if there is no name, or one is unknown.
    """
    known = ", ".join(ExportFormat)
    names = [name.strip() for name in (text or "").split(",")]
    if names == [""]:
        raise ValueError(f"--format: expected one or several of {known}, found nothing")
    unknown = [name for name in names if name not in list(ExportFormat)]
    if unknown:
        raise ValueError(f"--format={text}: expected one or several of {known}, found {unknown[0]}")
    return tuple(one for one in ExportFormat if one in names)
