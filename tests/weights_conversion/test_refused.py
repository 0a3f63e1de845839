"""What is damaged, quantised or more than data is refused: one clear line each, nothing written."""

import json
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch

from tests.weights_conversion.conversions import convert_here, saved
from tests.weights_conversion.source_checkpoints import network
from weights_conversion.reading.checkpoint import read_checkpoint

NORM = "features.7.conv.0.1"


@pytest.fixture(scope="module")
def state():
    return network("mobilenet_v2").state_dict()


def a_missing_tensor(state, path):
    del state[f"{NORM}.running_mean"]
    torch.save(state, path)


def an_extra_tensor(state, path):
    torch.save(state | {"features.7.attention.weight": torch.ones(3)}, path)


def a_wrong_shape(state, path):
    state[f"{NORM}.weight"] = state[f"{NORM}.weight"][:-1]
    torch.save(state, path)


def an_axis_too_many(state, path):
    state[f"{NORM}.weight"] = state[f"{NORM}.weight"][None]
    torch.save(state, path)


def not_a_number(state, path):
    state["features.18.0.weight"][3, 2, 0, 0] = float("nan")
    torch.save(state, path)


def an_infinity(state, path):
    state["classifier.1.bias"][1] = float("inf")
    torch.save(state, path)


def a_negative_variance(state, path):
    state[f"{NORM}.running_var"][5] = -0.1
    torch.save(state, path)


def a_head_without_bias(state, path):
    del state["classifier.1.bias"]
    torch.save(state, path)


def integers_for_weights(state, path):
    state["features.18.0.weight"] = (state["features.18.0.weight"] * 100).to(torch.int8)
    torch.save(state, path)


def a_quantised_tensor(state, path):
    weight = torch.quantize_per_tensor(state["classifier.1.weight"], 0.1, 0, torch.qint8)
    torch.save(state | {"classifier.1.weight": weight}, path)


def a_quantised_head(state, path):
    del state["classifier.1.weight"], state["classifier.1.bias"]
    packed = (torch.quantize_per_tensor(torch.ones(14, 1280), 0.1, 0, torch.qint8), torch.ones(14))
    torch.save(state | {"classifier.1._packed_params._packed_params": packed}, path)


def a_sparse_tensor(state, path):
    state["classifier.1.weight"] = state["classifier.1.weight"].to_sparse()
    torch.save(state, path)


def a_complex_tensor(state, path):
    torch.save(state | {"classifier.1.bias": torch.ones(14, dtype=torch.complex64)}, path)


def a_view_larger_than_the_file(state, path):
    torch.save(state | {f"{NORM}.weight": torch.ones(1).expand(10**9)}, path)


def a_truncated_zip(state, path):
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-50_000])


def a_truncated_legacy_file(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-50_000])


def a_truncated_safetensors_file(state, path):
    safetensors.torch.save_file(state, path)
    path.write_bytes(path.read_bytes()[:-50_000])


def a_whole_model(state, path):
    torch.save(network("mobilenet_v2"), path)


def a_whole_model_in_the_old_format(state, path):
    torch.save(network("mobilenet_v2"), path, _use_new_zipfile_serialization=False)


def torchscript(state, path):
    torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(path)


def no_state_dict(state, path):
    torch.save({"epoch": 3, "optimizer": {"lr": 0.1}}, path)


def another_network(state, path):
    torch.save(torch.nn.Sequential(torch.nn.Linear(3, 4)).state_dict(), path)


def a_plain_pickle(state, path):
    path.write_bytes(pickle.dumps({name: tensor.numpy() for name, tensor in state.items()}))


def an_object_beside(state, path):
    torch.save({"state_dict": state, "folder": pathlib.PurePosixPath("runs")}, path)


def a_zip_of_something_else(state, path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "weights are elsewhere")


def a_compressed_zip(state, path):
    torch.save(state, path.with_suffix(".zip"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path.with_suffix(".zip"), "archive/data.pkl")
    path.with_suffix(".zip").unlink()


def a_name_that_is_not_unicode(state, path):
    torch.save(state | {"half a pair \ud800": torch.ones(1)}, path)


def a_name_that_steers_a_terminal(state, path):
    safetensors.torch.save_file(state | {"\x1b[2J.weight": torch.ones(1)}, path)


def all_zeros(state, path):
    torch.save({name: torch.zeros_like(tensor) for name, tensor in state.items()}, path)


def a_web_page(state, path):
    path.write_text("<!DOCTYPE html><html>Quota exceeded</html>")


def a_git_lfs_pointer(state, path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")


def an_empty_file(state, path):
    path.touch()


def noise(state, path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


DAMAGES = {
    a_missing_tensor: r"1 missing \(features\.7\.conv\.0\.1\.running_mean\)",
    an_extra_tensor: r"1 that nothing accounts for \(features\.7\.attention\.weight\)",
    a_wrong_shape: r"1 of shape \(191,\) where \(192,\) is expected \(features\.7\.conv\.0\.1\.w",
    an_axis_too_many: r"1 of shape \(1, 192\) where \(192,\) is expected",
    not_a_number: r"1 with NaN or infinity in it \(features\.18\.0\.weight\)",
    an_infinity: r"1 with NaN or infinity in it \(classifier\.1\.bias\)",
    a_negative_variance: r"1 with a negative variance \(features\.7\.conv\.0\.1\.running_var\)",
    a_head_without_bias: r"has classifier\.1\.weight but no classifier\.1\.bias",
    integers_for_weights: r"1 of type int8 where floating point is expected \(quantised\?\)",
    a_quantised_tensor: r"is quantised: classifier\.1\.weight is torch\.qint8",
    a_quantised_head: r"is quantised: classifier\.1\._packed_params",
    a_sparse_tensor: r"holds classifier\.1\.weight as torch\.sparse_coo on cpu",
    a_complex_tensor: r"1 of type complex64 where floating point is expected",
    a_view_larger_than_the_file: r"has shape \(1000000000,\), more than is stored",
    a_truncated_zip: r"is a zip of [\d,]+ bytes that is cut off or damaged",
    a_truncated_legacy_file: r"is a damaged or cut-off PyTorch file of [\d,]+ bytes",
    a_truncated_safetensors_file: r"is a damaged or cut-off safetensors file of [\d,]+ bytes",
    a_whole_model: r"holds a whole pickled model \(torchvision\.models\.mobilenetv2\.MobileNetV2\)",
    a_whole_model_in_the_old_format: r"holds a whole pickled model \(torchvision\.models\.mob",
    torchscript: r"is a TorchScript archive, which holds code",
    no_state_dict: r"holds a dictionary of epoch, optimizer: expected a state dict",
    another_network: r"expected the tensors of one of resnet18, .*0\.weight, 0\.bias",
    a_plain_pickle: r"is a pickle of NumPy arrays, not of torch\.save",
    an_object_beside: r"holds an object \(pathlib\.\w+\) beside the tensors",
    a_name_that_is_not_unicode: r"holds something called 'half a pair .ud800': expected names",
    a_name_that_steers_a_terminal: r"holds something called '.x1b\[2J\.weight': expected names",
    all_zeros: r"the source network gives every image the same features",
    a_zip_of_something_else: r"is a zip, but not of torch\.save: it holds readme\.txt",
    a_compressed_zip: r"is a compressed zip, which torch\.save does not write",
    a_web_page: r"is a web page or XML",
    a_git_lfs_pointer: r"is a Git LFS pointer",
    an_empty_file: r"is empty",
    noise: r"is no checkpoint: expected a file of torch\.save",
}


# Quantised tensors and TorchScript go out of PyTorch, but not out of people's folders.
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_each_damage_has_its_own_line_and_leaves_no_weights(state, tmp_path, damage):
    checkpoint, output = tmp_path / "source.pth", tmp_path / "x.weights.h5"
    damage({name: tensor.clone() for name, tensor in state.items()}, checkpoint)
    with pytest.raises(ValueError, match=DAMAGES[damage]) as raised:
        convert_here(checkpoint, output)
    message = str(raised.value)
    assert "\n" not in message and message.startswith(f"{checkpoint}: ")
    left = {path.name for path in tmp_path.iterdir()} - {checkpoint.name}
    assert left == {"x.report.json", "x.report.html"}
    report = json.loads((tmp_path / "x.report.json").read_text())
    assert report["refused"] in message


def test_the_lines_differ_from_each_other():
    assert len(set(DAMAGES.values())) == len(DAMAGES)


def test_the_report_lists_both_sides_with_shapes(state, tmp_path):
    damaged = {name: tensor.clone() for name, tensor in state.items()}
    del damaged[f"{NORM}.running_mean"]
    damaged["stray.weight"] = torch.ones(2, 3)
    with pytest.raises(ValueError, match="1 that nothing accounts for"):
        convert_here(saved(damaged, tmp_path / "a.pth"), tmp_path / "x.weights.h5")
    rows = json.loads((tmp_path / "x.report.json").read_text())["tensors"]
    problems = {row["tensor"]: row for row in rows if row["is_problem"]}
    assert set(problems) == {f"{NORM}.running_mean", "stray.weight"}
    missing = problems[f"{NORM}.running_mean"]
    assert missing["variable"] == "features_7_conv_0_1/moving_mean"
    assert missing["tensor_shape"] == missing["variable_shape"] == [192]
    assert problems["stray.weight"]["tensor_shape"] == [2, 3]
    # Every tensor of the file has its row.
    assert {row["tensor"] for row in rows} >= set(damaged)


class RunsCode:
    """Unpickling it makes a file, as it could do anything else."""

    def __init__(self, target, function=os.mkdir):
        self.target, self.function = target, function

    def __reduce__(self):
        return self.function, (str(self.target),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("function", [os.mkdir, pathlib.Path, eval, exec])
def test_code_in_a_pickle_is_refused_and_does_not_run(state, tmp_path, zipped, function):
    target = tmp_path / "made"
    if function in (eval, exec):
        target = f"__import__('os').mkdir({str(target)!r})"
    path = tmp_path / "x.pth"
    torch.save(
        {"state_dict": state, "hook": RunsCode(target, function)},
        path,
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(ValueError, match=r"holds (code to run|an object) \("):
        convert_here(path, tmp_path / "x.weights.h5")
    assert not (tmp_path / "made").exists()
    assert not (tmp_path / "x.weights.h5").exists()


def test_code_hidden_in_a_whole_model_is_called_code(tmp_path):
    model = network("mobilenet_v2")
    model.hook = RunsCode(tmp_path / "made")
    with pytest.raises(ValueError, match=r"holds code to run \(posix\.mkdir\)"):
        convert_here(saved(model, tmp_path / "x.pth"), tmp_path / "x.weights.h5")
    assert not (tmp_path / "made").exists()


def test_a_folder_and_a_file_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder: expected the checkpoint file in it"):
        convert_here(tmp_path, tmp_path / "x.weights.h5")
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"no\.pth: there is no such file$"):
        convert_here(tmp_path / "no.pth", tmp_path / "none" / "x.weights.h5")
    assert not list((tmp_path / "none").iterdir())


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("length", [1, 2, 14, 100, 130, 200, 260, 500, 1000, 5000, 50_000])
def test_a_file_cut_off_anywhere_is_refused_in_one_line(state, tmp_path, zipped, length):
    path = tmp_path / "x.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"x\.pth: ") as raised:
        convert_here(path, tmp_path / "x.weights.h5")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("place", range(0, 120, 7))
def test_a_byte_flipped_in_the_zip_directory_is_one_line_or_harmless(state, tmp_path, place):
    path = saved(state, tmp_path / "x.pth")
    content = bytearray(path.read_bytes())
    content[-1 - place] ^= 0x50
    path.write_bytes(content)
    try:
        read_checkpoint(path)
    except ValueError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("byte", [200, 4000, 100_000])
def test_a_flipped_byte_never_passes_silently(state, tmp_path, byte):
    """A byte of the structure breaks the file; one of a number is the number that is converted."""
    path = saved(state, tmp_path / "x.pth")
    content = bytearray(path.read_bytes())
    content[-byte] ^= 0xFF
    path.write_bytes(content)
    try:
        shown = convert_here(path, tmp_path / "x.weights.h5")
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert "proven: 262 tensors" in shown
