"""Training from the converted weights goes the same way in Keras and in PyTorch."""

import numpy as np
import pytest
import tensorflow as tf
import torch

from tests.weights_conversion.conversions import built, saved
from tests.weights_conversion.source_checkpoints import network
from weights_conversion import keras_network

STEPS = 5
LEARNING_RATE = 0.01


def batch(outputs):
    rng = np.random.default_rng(4)
    coarse = rng.normal(size=(4, 4, 4, 3)).repeat(12, axis=1).repeat(16, axis=2)
    images = coarse + 0.3 * rng.normal(size=coarse.shape)
    return images.astype(np.float32), rng.integers(0, 2, (4, outputs)).astype(np.float64)


def torch_losses(net, images, labels):
    net = net.double().train()
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE)
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float64))
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            net(x), torch.from_numpy(labels)
        )
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def keras_losses(model, images, labels):
    losses = []
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)[-1]
            each = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(each)
        values = [variable.value for variable in model.trainable_variables]
        for variable, gradient in zip(
            model.trainable_variables, tape.gradient(loss, values), strict=True
        ):
            variable.assign_sub(LEARNING_RATE * gradient)
        losses.append(float(loss))
    return losses


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50", "densenet121", "mobilenet_v2"])
def test_five_sgd_steps_give_the_same_losses_in_float64(architecture, tmp_path):
    net = network(architecture, outputs=3)
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # MobileNetV2 has one before its head
    _, converted = built(saved(net.state_dict(), tmp_path / "x.pth"))
    model = keras_network.double_precision(converted.model, converted.values)
    images, labels = batch(3)
    theirs = torch_losses(net, images, labels)
    ours = keras_losses(model, images, labels)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert abs(ours[-1] - ours[0]) > 1e-3  # the steps have moved something
