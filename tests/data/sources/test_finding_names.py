import pytest

from tfcovid.data.sources.finding_names import class_findings, finding_of
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.reading import Finding


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("covid", "COVID-19"),
        ("COVID19", "COVID-19"),
        ("Covid-19", "COVID-19"),
        ("SARS_CoV_2", "COVID-19"),
        ("SARS", "SARS"),
        ("no_finding", "Normal"),
        ("HEALTHY", "Normal"),
        ("Pneumonia", "Pneumonia"),
        ("bacterial", "Bacterial"),
        ("Viral Pneumonia", "Viral"),
        ("lung_opacity", "Lung opacity"),
        ("e_coli", "E. coli"),
        ("other", None),
        ("noncovid", None),
        ("train", None),
    ],
)
def test_usual_spellings(name, finding):
    assert finding_of(name, {}) == finding


def test_every_finding_is_spelled_as_itself():
    assert [finding_of(finding, {}) for finding in Finding] == list(Finding)


def test_named_labels_go_before_the_usual_spellings():
    names = {"Viral": "covid", "nad": "Normal"}
    assert finding_of("viral", names) == "COVID-19"
    assert finding_of("NAD", names) == "Normal"
    with pytest.raises(ValueError, match=r"--label_names=nad:fine: expected one of the findings"):
        finding_of("x", {"nad": "fine"})


def test_all_unknown_names_are_named_at_once_with_the_way_out():
    options = SourceOptions(label_names={"nad": "normal"})
    assert class_findings(["NAD", "Covid"], options, "t.csv") == {
        "NAD": "Normal",
        "Covid": "COVID-19",
    }
    with pytest.raises(ValueError, match=r"^t.csv: .*Received: cyst, rib; .*=cyst:FINDING"):
        class_findings(["rib", "covid", "cyst"], options, "t.csv")
