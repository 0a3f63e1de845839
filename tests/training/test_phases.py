import pytest

from tests.training.test_resuming import batches, network, planned
from tfcovid.training.distribution import Workers
from tfcovid.training.phases import Phase, compile_for


@pytest.mark.parametrize("precision", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_step_is_traced_once(precision):
    model, traces = network(precision), []
    step = model.train_step
    model.train_step = lambda data: traces.append(data) or step(data)
    phase = Phase("1_training", "training", 1, 0, 1e-3, train_backbone=True)
    compile_for(model, phase, planned(precision, patience=0), Workers())
    model.fit(batches(0, 0), steps_per_epoch=3, verbose=0, shuffle=False)
    assert len(traces) == 1
