"""A few hundred mutated files of each kind, the same ones every time; `make fuzz` tries more."""

import random
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import image_mutations, run_targets
from tests.fuzz.mutations import mutated
from tests.fuzz.outcomes import outcome_of
from tests.fuzz.targets import TARGETS

# About two seconds a target.
INPUTS = {"images": 300, "dicoms": 120, "csvs": 60, "checkpoints": 200, "others": 40}


@pytest.mark.parametrize("name", TARGETS)
def test_a_changed_file_is_read_set_aside_or_refused_with_one_clear_line(
    name, tmp_path, request, monkeypatch
):
    if name.startswith("run/"):
        run = request.getfixturevalue("finished_run")
        monkeypatch.setattr(run_targets, "finished_run", lambda: run)
    target = TARGETS[name]
    seeds, read = target.seeds(), target.reader(tmp_path)
    fates = [outcome_of(read, seed, target.refusals, target.names) for seed in seeds]
    assert "read" in fates, "the corpus itself is good"
    for index in range(INPUTS[target.kind]):
        content = mutated(seeds, target.mutations, target.tokens, random.Random(index))
        fates.append(outcome_of(read, content, target.refusals, target.names))
    assert len({fate.split(":")[0] for fate in fates}) > 1, "some are good and some are not"


@pytest.mark.parametrize("name", ["images", "torch_pickle", "safetensors"])
def test_bytes_that_hypothesis_makes_up_are_refused_like_changed_files(name, tmp_path):
    target = TARGETS[name]
    read = target.reader(tmp_path)
    starts = sorted({seed[:size] for seed in target.seeds() for size in (0, 4, 16)})

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(starts), st.binary(max_size=200))
    def holds(start, rest):
        outcome_of(read, start + rest, target.refusals, target.names)

    holds()


def test_mutations_differ_and_come_again_with_their_number():
    target = TARGETS["images"]
    seeds = target.seeds()

    def at(index):
        return mutated(seeds, target.mutations, target.tokens, random.Random(index))

    assert at(1) == at(1)
    assert len({at(index) for index in range(50)}) > 45


def test_a_changed_png_keeps_right_checksums():
    import io

    from PIL import Image

    png = TARGETS["images"].seeds()[5]
    assert png.startswith(image_mutations.PNG_SIGNATURE)
    opened = 0
    with warnings.catch_warnings(action="ignore"):
        for index in range(60):
            changed = image_mutations.png_changed(png, random.Random(index))
            try:
                with Image.open(io.BytesIO(changed)) as image:
                    opened += image.size is not None
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                continue
    assert opened > 30
