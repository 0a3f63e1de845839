"""AdamW under warm-up and its schedule, with loss scaling where float16 needs it."""

import keras

from tfcovid.training.fused_adamw import AdamW

# Decaying these would pull batch-norm scales and biases to zero without regularising anything.
# Source: He et al. 2019, "Bag of Tricks", arXiv:1812.01187, section 3.1 ("no bias decay").
UNDECAYED_VARIABLES = ("bias", "gamma", "beta")


def build_optimizer(
    *,
    learning_rate: float,
    weight_decay: float,
    total_steps: int,
    warmup_steps: int,
    precision: str,
    initial_loss_scale: float,
    schedule: str = "cosine",
) -> keras.optimizers.Optimizer:
    """Returns the optimizer of one phase.

    Args:
      learning_rate: peak rate, reached at the end of the warm-up, > 0.
      weight_decay: decoupled decay per unit of learning rate, >= 0.
      total_steps: steps after which the rate is zero.
      warmup_steps: steps of linear warm-up, fewer than total_steps.
      precision: name of the Keras dtype policy; 'mixed_float16' adds loss scaling.
      initial_loss_scale: first factor of the dynamic loss scale.
      schedule: 'cosine', or 'plateau', whose rate is a variable that `plateau.WarmUpThenPlateau`
        moves.

    Returns:
      AdamW, which with a weight_decay of 0 is Adam; wrapped in a LossScaleOptimizer under
      mixed_float16.

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101 (AdamW) and arXiv:1608.03983 (cosine).
    """
    optimizer = AdamW(
        learning_rate=SCHEDULES[schedule](learning_rate, total_steps, warmup_steps),
        weight_decay=weight_decay,
    )
    optimizer.exclude_from_weight_decay(var_names=list(UNDECAYED_VARIABLES))
    if precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=initial_loss_scale)
    return optimizer


def warmup_cosine(
    learning_rate: float, total_steps: int, warmup_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns linear warm-up from zero to learning_rate, then cosine decay to zero.

    A run of fewer steps than its warm-up is warmed up for half of its length.
    """
    warmup_steps = min(warmup_steps, total_steps // 2)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else learning_rate,
        decay_steps=max(1, total_steps - warmup_steps),
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )


SCHEDULES = {
    "cosine": warmup_cosine,
    "plateau": lambda learning_rate, total_steps, warmup_steps: learning_rate,
}
"""How the learning rate goes, by --schedule."""
