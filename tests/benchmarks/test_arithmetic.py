import keras
import numpy as np
import pytest

from benchmarks.arithmetic import forward_flops, training_flops
from tfcovid.models.classifier import build_classifier
from tfcovid.models.layers import zero_kernels


# Source: "GFLOPS" of torchvision 0.28.0's weights, which are multiplications; 1000 classes.
@pytest.mark.parametrize(
    ("network", "giga_products"),
    [("resnet50", 4.089), ("densenet121", 2.834), ("mobilenet_v2", 0.301)],
)
def test_networks_multiply_as_often_as_torchvision_says(network, giga_products):
    with zero_kernels():
        model = build_classifier(backbone=network, num_outputs=1000, image_size=224, channels=3)
    assert forward_flops(model) / 2e9 == pytest.approx(giga_products, abs=6e-4)


def _counted(image, layers):
    x = image
    for layer in layers:
        x = layer(x)
    return keras.Model(image, x)


def test_a_strided_and_a_depthwise_convolution_and_a_dense_layer_are_counted_by_their_sums():
    image = keras.Input((8, 6, 3))
    model = _counted(
        image,
        [
            keras.layers.Conv2D(4, (3, 1), strides=2, padding="same"),
            keras.layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ],
    )
    first, second, third = 4 * 3 * 4 * 3 * 3, 4 * 3 * 8 * 9, 4 * 3 * 8 * 5
    assert forward_flops(model) == 2 * (first + second + third)
    # The image needs no gradient.
    assert training_flops(model) == 2 * (2 * first + 3 * second + 3 * third)


def test_a_nested_network_counts_once():
    image = keras.Input((4, 4, 2))
    inner = _counted(image, [keras.layers.Conv2D(3, 1, use_bias=False)])
    outer = _counted(keras.Input((4, 4, 2)), [inner])
    assert forward_flops(outer) == forward_flops(inner) == 2 * np.prod((4, 4, 2, 3))
