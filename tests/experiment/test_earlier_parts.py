import json

import pytest

from tfcovid.experiment.earlier_parts import DAMAGED, EARLIER, with_earlier_parts

BEGUN = {
    "commit": "a",
    "python": "3.11.1",
    "packages": {"numpy": "2.1", "keras": "3.15.1"},
    "devices": ["CPU with 2 cores"],
    "cpu_instructions": ["avx2", "fma"],
    "precision": "float32",
    "jit_compile": False,
    "tf_enable_onednn_opts": "1",
    "command": "python -m tfcovid.train",
}


@pytest.fixture
def goes_on(tmp_path):
    """Returns what a part of a run gets that follows one with this record."""

    def with_record(before, **now):
        path = tmp_path / "environment.json"
        path.write_text(before if isinstance(before, str) else json.dumps(before))
        return with_earlier_parts({**BEGUN, **now}, path)

    return with_record


def test_the_first_part_has_none(tmp_path):
    assert with_earlier_parts(BEGUN, tmp_path / "environment.json") == (BEGUN, None)


def test_the_same_again_is_no_change(goes_on):
    assert goes_on(BEGUN, command="python -m tfcovid.train --resume") == (
        {**BEGUN, "command": "python -m tfcovid.train --resume"},
        None,
    )


@pytest.mark.parametrize(
    ("now", "name", "was"),
    [
        ({"commit": "b"}, "commit", "a"),
        ({"packages": {"numpy": "2.2", "keras": "3.15.1"}}, "numpy", "2.1"),
        ({"devices": ["NVIDIA H100"]}, "devices", "CPU with 2 cores"),
        ({"cpu_instructions": ["avx2", "fma", "avx512f"]}, "cpu_instructions", "avx2, fma"),
        ({"precision": "mixed_bfloat16"}, "precision", "float32"),
        ({"tf_enable_onednn_opts": "0"}, "tf_enable_onednn_opts", "1"),
        ({"shared": {"by": "worker 1 of 2", "sync_batch_norm": True}}, "shared", "none"),
    ],
)
def test_what_is_otherwise_is_named_with_what_it_was(goes_on, now, name, was):
    environment, line = goes_on(BEGUN, **now)
    assert environment[EARLIER] == {name: [was]}
    assert line.endswith(f"so results may differ: {name} was {was}")


def test_a_training_that_loses_its_other_worker_says_so(goes_on):
    shared = {**BEGUN, "shared": {"by": "worker 1 of 2", "sync_batch_norm": True}}
    environment, line = goes_on(shared)
    was = "by worker 1 of 2, sync_batch_norm True"
    assert environment[EARLIER] == {"shared": [was]} and line.endswith(f"shared was {was}")


def test_parts_add_up_and_only_the_last_change_is_told(goes_on):
    before = {**BEGUN, EARLIER: {"numpy": ["1.9"], "python": ["3.11.0"]}}
    environment, line = goes_on(before, packages={"numpy": "2.2", "keras": "3.15.1"})
    assert environment[EARLIER] == {"numpy": ["1.9", "2.1"], "python": ["3.11.0"]}
    assert line.endswith(": numpy was 2.1")
    assert goes_on(environment, packages={"numpy": "2.2", "keras": "3.15.1"}) == (environment, None)


def test_what_an_older_record_does_not_know_is_no_change(goes_on):
    older = {name: value for name, value in BEGUN.items() if name != "cpu_instructions"}
    assert goes_on(older) == (BEGUN, None)


@pytest.mark.parametrize(
    "damaged", ["", "{", "[]", '{"packages": 3}', '{"packages": {}, "earlier_parts": [1]}']
)
def test_a_damaged_record_is_told_and_stops_nothing(goes_on, damaged):
    environment, line = goes_on(damaged)
    assert environment == {**BEGUN, EARLIER: {"environment": [DAMAGED]}}
    assert DAMAGED in line
