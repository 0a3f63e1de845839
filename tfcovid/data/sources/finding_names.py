"""What a data set's own names for findings mean: the usual spellings, and those the user says."""

from collections.abc import Collection, Mapping

from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.reading import Finding, listing


def _plain(label: str) -> str:
    """Returns a label's letters and digits, in lower case."""
    return "".join(character for character in label.casefold() if character.isalnum())


# "Other" is not among them: other than what is for the owner of the data to say.
USUAL: dict[str, Finding] = {_plain(finding): finding for finding in Finding} | {
    "covid": Finding.COVID19,
    "covid2019": Finding.COVID19,
    "covidpneumonia": Finding.COVID19,
    "covid19pneumonia": Finding.COVID19,
    "sarscov2": Finding.COVID19,
    "nofinding": Finding.NORMAL,
    "nofindings": Finding.NORMAL,
    "healthy": Finding.NORMAL,
    "bacteria": Finding.BACTERIAL,
    "bacterialpneumonia": Finding.BACTERIAL,
    "pneumoniabacterial": Finding.BACTERIAL,
    "virus": Finding.VIRAL,
    "viralpneumonia": Finding.VIRAL,
    "pneumoniaviral": Finding.VIRAL,
    "merscov": Finding.MERS,
}


def finding_of(label: str, label_names: Mapping[str, str]) -> Finding | None:
    """Returns what a data set's own label or folder means, None where nobody says.

    Args:
      label: as the data set writes it.
      label_names: the Finding that labels mean, by the user; it goes before the usual spellings,
        and case and punctuation do not count.

    Raises:
      ValueError: if a value of `label_names` is no finding.
    """
    named = {}
    for name, meant in label_names.items():
        if _plain(meant) not in USUAL:
            raise ValueError(
                f"--label_names={name}:{meant}: expected one of the findings "
                f"{', '.join(Finding)}. Received: {meant}."
            )
        named[_plain(name)] = USUAL[_plain(meant)]
    return named.get(_plain(label), USUAL.get(_plain(label)))


def class_findings(names: Collection[str], options: SourceOptions, where: str) -> dict[str, str]:
    """Returns the finding of each label or folder name.

    Args:
      names: as the data set writes them.
      options: `label_names` is read.
      where: what the message begins with, such as "ROOT: class folders".

    Raises:
      ValueError: if the finding of some name is not known; the message names all of them.
    """
    findings = {name: finding_of(name, options.label_names) for name in names}
    unknown = sorted(name for name, finding in findings.items() if finding is None)
    if unknown:
        raise ValueError(
            f"{where}: expected names that say a finding. Received: {listing(unknown)}; say what "
            f"they mean with --label_names={unknown[0]}:FINDING, one of {', '.join(Finding)}."
        )
    return {name: str(finding) for name, finding in findings.items()}
