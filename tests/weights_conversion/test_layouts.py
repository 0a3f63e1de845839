import numpy as np
import pytest
import torch

from weights_conversion.layouts import Layout

SHAPES = {
    Layout.CONVOLUTION: (2, 3, 4, 5),
    Layout.DEPTHWISE: (6, 1, 3, 4),
    Layout.LINEAR: (2, 3),
    Layout.VECTOR: (5,),
}


def test_a_convolution_kernel_ends_in_its_output_channels():
    tensor = np.arange(120).reshape(SHAPES[Layout.CONVOLUTION])
    assert Layout.CONVOLUTION.to_keras(tensor)[3, 4, 2, 1] == tensor[1, 2, 3, 4]


def test_a_depthwise_kernel_has_its_multiplier_last():
    tensor = np.arange(72).reshape(SHAPES[Layout.DEPTHWISE])
    keras_kernel = Layout.DEPTHWISE.to_keras(tensor)
    assert keras_kernel.shape == (3, 4, 6, 1)
    assert keras_kernel[2, 3, 5, 0] == tensor[5, 0, 2, 3]


def test_a_linear_weight_is_transposed():
    tensor = torch.arange(6).reshape(2, 3).numpy()
    np.testing.assert_array_equal(Layout.LINEAR.to_keras(tensor), tensor.T)


@pytest.mark.parametrize("layout", Layout)
def test_the_shape_in_pytorch_is_found_back(layout):
    tensor = np.zeros(SHAPES[layout])
    assert layout.torch_shape(layout.to_keras(tensor).shape) == SHAPES[layout]
