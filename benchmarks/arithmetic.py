"""How much a network multiplies, counted from the shapes of its layers."""

import keras
import numpy as np

FLOPS_PER_PRODUCT = 2  # a multiplication and an addition


def layers_of(model):
    """Yields the layers of a model and of the models nested in it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


def products_of(layer):
    """Returns the multiplications of one image in a convolution or a dense layer; 0 of any other.

    Padding counts as if it were multiplied, as everyone counts.
    """
    if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
        # A kernel gives each place of each output channel one sum over all its other axes.
        places = np.prod(layer.output.shape[1:-1], dtype=int)
    elif isinstance(layer, keras.layers.DepthwiseConv2D):
        places = np.prod(layer.output.shape[1:3], dtype=int)
    else:
        return 0
    return int(np.prod(layer.kernel.shape, dtype=int) * places)


def forward_flops(model):
    """Returns the floating-point operations of one image through a model of static shapes."""
    return FLOPS_PER_PRODUCT * sum(products_of(layer) for layer in layers_of(model))


def training_flops(model):
    """Returns the floating-point operations of one image in a training step.

    Forward, the gradient of each kernel, and that of each input but the image's own.
    """
    first = next(products for layer in layers_of(model) if (products := products_of(layer)))
    return 3 * forward_flops(model) - FLOPS_PER_PRODUCT * first
