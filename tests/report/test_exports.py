"""The table and the page of exports say what parity.json says."""

import io

import pytest
import rich.console

from tests.report.export_examples import content, entry
from tfcovid.report.export_page import write_exports
from tfcovid.report.export_rows import export_rows, size_words, summary
from tfcovid.report.export_terminal import print_exports

REFUSED = {
    "file": "litert/float32.tflite",
    "format": "litert",
    "precision": "weights and arithmetic float32",
    "refused": "a probability is 0.2 off",
}


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (94_321, "94.3 kB"), (575e6, "575 MB")],
)
def test_a_size_is_in_the_largest_unit(n_bytes, words):
    assert size_words(int(n_bytes)) == words


def test_rows_are_the_network_and_what_was_written():
    rows = export_rows(content(REFUSED))
    assert [row["name"] for row in rows] == [
        "the network itself",
        "onnx/model.onnx",
        "litert/int8.tflite",
    ]
    assert rows[2]["changed"] == "7"
    assert rows[2]["largest"] == "3.1e-02"
    assert (rows[0]["p50"], rows[1]["p99"], rows[1]["per_second"]) == ("5.00", "6.00", "500")


def test_the_summary_counts_what_is_there_and_what_decides_otherwise():
    assert summary(content(REFUSED)) == (
        "2 of 3 exports written; 1 of them decides some of the 40 validation images otherwise"
    )
    same = content()
    del same["exports"][1]
    assert summary(same).endswith("each decides all 40 validation images as the network does")


def shown(found, tmp_path):
    stream = io.StringIO()
    console = rich.console.Console(file=stream, width=100, markup=False, highlight=False)
    print_exports(console, found, tmp_path)
    return stream.getvalue()


def test_the_terminal_names_some_of_the_images_decided_otherwise(tmp_path):
    text = shown(content(), tmp_path)
    assert "litert/int8.tflite: <b>.png is COVID-19, was Normal" in text
    assert "4.png" not in text
    assert "and 2 more, in parity.json" in text
    assert str(tmp_path / "onnx/model.onnx") in text


def test_the_page_names_them_all_and_what_was_refused(tmp_path):
    write_exports(tmp_path / "parity.html", content(REFUSED, entry("saved_model")))
    text = (tmp_path / "parity.html").read_text()
    assert "&lt;b&gt;.png" in text
    assert all(f"{i}.png" in text for i in range(6))
    assert "a probability is 0.2 off" in text
    assert "INT8: CONV_2D" in text
    assert "2 training images" in text
