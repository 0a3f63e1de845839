"""The name tables, against the Keras networks and each other."""

import collections

import keras
import pytest

from weights_conversion.keras_network import build_network, variables_by_name
from weights_conversion.layouts import Layout
from weights_conversion.namings import ARCHITECTURES, NAMINGS


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_variable_has_one_place_in_each_table(architecture):
    (first, *others) = [n for n in NAMINGS if n.architecture == architecture]
    variables = variables_by_name(build_network(first, channels=3, num_outputs=0))
    for naming in (first, *others):
        places = collections.Counter(place.variable for place in naming.table.values())
        assert set(places) == set(variables), naming.spelling
        assert set(places.values()) == {1}, naming.spelling


def test_the_network_is_float32_whatever_keras_is_set_to():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_network(NAMINGS[0], channels=3, num_outputs=2)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(policy)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


@pytest.mark.parametrize("naming", NAMINGS, ids=lambda n: f"{n.architecture}, {n.spelling}")
def test_layouts_fit_the_number_of_axes(naming):
    for name, place in naming.table.items():
        kernel = place.variable.endswith("/kernel")
        assert kernel == (place.layout in (Layout.CONVOLUTION, Layout.DEPTHWISE)), name


def test_the_anchor_is_in_its_table():
    assert all(naming.anchor in naming.table for naming in NAMINGS)
