"""What a task of findings makes of the head, the loss and the shares, from the training split."""

import types

import numpy as np
import pandas as pd
import pytest
from scipy import special

from flags import choices, config
from tfcovid.data.dataset import Dataset
from tfcovid.data.tasks import TASK_LABELS
from tfcovid.experiment.heads import head_of, known_shares
from tfcovid.losses.cross_entropy import SigmoidCrossEntropy, SoftmaxCrossEntropy
from tfcovid.losses.focal import SigmoidFocal


def dataset(task="findings14_covid", n=300, seed=0):
    """Returns drawn labels, the last third in the validation split, without images."""
    labels = TASK_LABELS[task]
    rng = np.random.default_rng(seed)
    parts = []
    for block in labels.blocks:
        size = len(block.outputs)
        if block.exclusive:
            part = np.eye(size, dtype=int)[rng.choice(size, n, p=[0.5, 0.4, 0.1])]
            part[rng.random(n) < 0.3] = -1
        else:
            part = (rng.random((n, size)) < np.linspace(0.05, 0.6, size)).astype(int)
            part[rng.random(n) < 0.2] = -1
        parts.append(part)
    split = np.where(np.arange(n) < 2 * n // 3, "train", "validation")
    return Dataset(
        root=None,
        classes=labels.classes,
        blocks=labels.blocks,
        frame=pd.DataFrame({"split": split}),
        labels=np.hstack(parts).astype(np.int32),
        images=types.SimpleNamespace(),
        image_index=np.arange(n),
        rejected=pd.DataFrame(),
        notes=(),
    )


def asked(task="findings14_covid", **loss):
    return config.Config(
        data=config.DataConfig(task=choices.Task(task)), loss=config.LossConfig(**loss)
    )


def training(data):
    return data.labels[data.rows("train")]


def shares_of(targets):
    known = targets >= 0
    return (targets == 1).sum(axis=0) / known.sum(axis=0)


def test_the_head_starts_at_each_output_s_share_of_the_known_labels():
    data = dataset()
    bias = head_of(data).bias(asked(imbalance=choices.Imbalance.NONE), data)
    expected = shares_of(training(data))
    np.testing.assert_allclose(special.softmax(bias[:3]), expected[:3])
    np.testing.assert_allclose(special.expit(bias[3:]), expected[3:])


def test_under_class_weights_it_starts_at_one_half_and_one_third():
    data = dataset()
    bias = head_of(data).bias(asked(), data)
    np.testing.assert_allclose(special.softmax(bias[:3]), 1 / 3)
    np.testing.assert_allclose(special.expit(bias[3:]), 0.5)
    true, seen = known_shares(asked(), data)
    np.testing.assert_allclose(true, shares_of(training(data)))
    np.testing.assert_allclose(seen, [1 / 3] * 3 + [0.5] * 14)


def test_an_alpha_by_frequency_shifts_the_prior_as_class_weights_do():
    data = dataset("findings14")
    asks = asked(
        "findings14", focal_alpha=config.INVERSE_FREQUENCY, imbalance=choices.Imbalance.NONE
    )
    np.testing.assert_allclose(special.expit(head_of(data).bias(asks, data)), 0.5)
    (own,) = head_of(data).loss(asks, data).losses
    np.testing.assert_allclose(own.alpha, 1 - shares_of(training(data)))
    assert own.label_weights is None


def test_the_loss_has_chexnet_s_weights_a_finding_and_a_divisor_a_block():
    data = dataset()
    loss = head_of(data).loss(asked(loss=choices.Loss.CE), data)
    classes, findings = loss.losses
    assert type(classes) is SoftmaxCrossEntropy and type(findings) is SigmoidCrossEntropy
    targets = training(data)
    shares = shares_of(targets)
    # n / (2 N) and n / (2 P): proportional to w- = P / n and w+ = N / n.
    expected = np.stack([0.5 / (1 - shares[3:]), 0.5 / shares[3:]], axis=1)
    np.testing.assert_allclose(findings.label_weights, expected)
    np.testing.assert_allclose(classes.alpha, 1 / (3 * shares[:3]))
    known = targets >= 0
    np.testing.assert_allclose(
        loss.divisors, [known[:, :3].all(axis=1).mean(), known[:, 3:].sum(axis=1).mean()]
    )


def test_plain_cross_entropy_is_the_mean_over_the_known_labels():
    data = dataset("findings14")
    loss = head_of(data).loss(
        asked("findings14", loss=choices.Loss.CE, imbalance=choices.Imbalance.NONE), data
    )
    targets = training(data)
    logits = np.random.default_rng(1).normal(0, 2, targets.shape).astype(np.float32)
    known = targets >= 0
    terms = np.logaddexp(0, np.where(targets == 1, -logits, logits).astype(np.float64))
    assert float(loss(targets, logits)) == pytest.approx(terms[known].mean(), rel=1e-5)


def test_focal_loss_has_its_gamma_and_alphas_a_finding():
    data = dataset("findings14")
    alphas = tuple(np.linspace(0.1, 0.9, 14))
    asks = asked(
        "findings14", focal_gamma=1.5, focal_alpha=alphas, imbalance=choices.Imbalance.NONE
    )
    (own,) = head_of(data).loss(asks, data).losses
    assert type(own) is SigmoidFocal and own.gamma == 1.5
    assert own.alpha == pytest.approx(list(alphas))


def test_no_image_has_a_weight_of_its_own():
    data = dataset()
    assert head_of(data).weights(asked(), data) == (None, None)
