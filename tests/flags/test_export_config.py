import pytest

from flags.export_config import ExportFormat, formats_from


def test_formats_are_each_once_in_their_own_order():
    assert formats_from("onnx, saved_model,onnx") == (ExportFormat.SAVED_MODEL, ExportFormat.ONNX)
    assert formats_from("litert") == (ExportFormat.LITERT,)


@pytest.mark.parametrize("text", [None, ""])
def test_no_format_is_refused_with_the_names_there_are(text):
    with pytest.raises(ValueError, match=r"saved_model, litert, onnx, found nothing"):
        formats_from(text)


@pytest.mark.parametrize(
    ("text", "found"), [("tflite", "tflite"), ("onnx,,litert", ""), ("a,b", "a")]
)
def test_an_unknown_format_is_named(text, found):
    with pytest.raises(ValueError, match=f"--format={text}: .* found {found}$"):
        formats_from(text)
