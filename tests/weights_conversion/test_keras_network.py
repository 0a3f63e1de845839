import numpy as np
import pytest

from weights_conversion import keras_network
from weights_conversion.namings import NAMINGS

NAMING = next(naming for naming in NAMINGS if naming.architecture == "resnet18")


def network():
    return keras_network.build_network(NAMING, channels=1, num_outputs=2)


def values_of(model):
    rng = np.random.default_rng(0)
    return {
        name: rng.normal(size=tuple(variable.shape))
        for name, variable in keras_network.variables_by_name(model).items()
    }


def test_every_variable_starts_at_its_value_rounded_to_its_type():
    with keras_network.deferred_variables():
        model = network()
        values = values_of(model)
        keras_network.start_at(model, {name: value.T.copy().T for name, value in values.items()})
    found = keras_network.values_by_name(model)
    assert found.keys() == values.keys()
    for name, value in found.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, values[name].astype(np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.update(logits_bias=np.zeros(2)), "not the same: .*logits_bias"),
        (lambda values: values.pop("logits/bias"), "not the same: .*logits/bias"),
        (lambda values: values.update({"logits/bias": np.zeros(3)}), r"has shape \(2,\), .*\(3,\)"),
    ],
)
def test_values_that_do_not_fit_are_refused_and_the_next_network_is_built_all_the_same(
    change, message
):
    with pytest.raises(ValueError, match=message), keras_network.deferred_variables():
        model = network()
        values = values_of(model)
        change(values)
        keras_network.start_at(model, values)
    with keras_network.deferred_variables():
        model = network()
        values = values_of(model)
        keras_network.start_at(model, values)
    bias = keras_network.values_by_name(model)["logits/bias"]
    np.testing.assert_array_equal(bias, values["logits/bias"].astype(np.float32))
