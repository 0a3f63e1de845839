"""The selection figure where outputs come in blocks, and the AUROC beside it, over an epoch."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="tfcovid")
class BlockLogLoss(keras.metrics.Metric):
    """Mean over blocks of a log-loss in which every output counts the same, in nats.

    Of a block of exclusive classes it is `MacroLogLoss`: the mean over the classes seen of the mean
    log-loss of their images. Of independent outputs it is the mean over them of the mean of their
    two classes' mean log-losses, a class that no image is known to have left out. Labels below 0
    are unknown and count for nothing; weights of examples are ignored.

    Args:
      blocks: of each block its number of outputs and whether they exclude each other.
      name: of the figure in the logs.
      **kwargs: of keras.metrics.Metric.
    """

    def __init__(self, *, blocks, name="macro_log_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.blocks = [(int(size), bool(exclusive)) for size, exclusive in blocks]
        width = sum(size for size, _ in self.blocks)
        # A row for the negative labels, one for the positive ones.
        self.losses = self.add_weight(name="losses", shape=(2, width), initializer="zeros")
        self.counts = self.add_weight(name="counts", shape=(2, width), initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch of labels int and logits float, [b, num_outputs] each."""
        labels, logits = ops.cast(y_true, self.dtype), ops.cast(y_pred, self.dtype)
        losses, counts, start = [], [], 0
        for size, exclusive in self.blocks:
            columns = slice(start, start + size)
            nll = (_softmax_nll if exclusive else _sigmoid_nll)(logits[:, columns])
            of_block = labels[:, columns]
            # What is not of a class has no log-loss of its own there.
            has = [ops.cast((of_block == 0) & (not exclusive), self.dtype)]
            has.append(ops.cast(of_block == 1, self.dtype))
            terms = [ops.where(h > 0, n, 0.0) for h, n in zip(has, nll, strict=True)]
            losses.append(ops.stack([ops.sum(term, axis=0) for term in terms]))
            counts.append(ops.stack([ops.sum(h, axis=0) for h in has]))
            start += size
        self.losses.assign_add(ops.concatenate(losses, axis=1))
        self.counts.assign_add(ops.concatenate(counts, axis=1))

    def result(self):
        """Returns the figure over what occurred; 0 before anything did."""
        means = self.losses / ops.maximum(self.counts, 1.0)
        present = ops.cast(self.counts > 0, self.dtype)
        outputs = _mean(means, present, axis=0)
        known = ops.max(present, axis=0)
        figures, seen, start = [], [], 0
        for size, _ in self.blocks:
            columns = slice(start, start + size)
            figures.append(_mean(outputs[columns], known[columns], axis=0))
            seen.append(ops.max(known[columns]))
            start += size
        return _mean(ops.stack(figures), ops.stack(seen), axis=0)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "blocks": self.blocks}


@keras.saving.register_keras_serializable(package="tfcovid")
class MeanAuroc(keras.metrics.Metric):
    """Mean AUROC of the independent outputs over an epoch, from a histogram of their logits.

    Logits are binned, finest around 0; of two in one bin neither ranks above the other, so that the
    figure is a little nearer to .5 than the exact one. An output without both classes is left out.

    Args:
      blocks: of each block its number of outputs and whether they exclude each other.
      bins: of the histogram, >= 2.
      name: of the figure in the logs.
      **kwargs: of keras.metrics.Metric.
    """

    def __init__(self, *, blocks, bins=1000, name="mean_auroc", **kwargs):
        super().__init__(name=name, **kwargs)
        self.blocks, self.bins = [(int(size), bool(ex)) for size, ex in blocks], bins
        ends = np.cumsum([size for size, _ in self.blocks]).tolist()
        spans = zip([0, *ends], ends, self.blocks, strict=False)
        self.columns = [i for a, b, (_, exclusive) in spans if not exclusive for i in range(a, b)]
        shape = (2, len(self.columns), bins)
        self.counts = self.add_weight(name="counts", shape=shape, initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts a batch of labels int and logits float, [b, num_outputs] each."""
        labels, logits = (
            ops.stack([ops.cast(values, self.dtype)[:, i] for i in self.columns], axis=1)
            for values in (y_true, y_pred)
        )
        # From -inf … inf to 0 … 1, with equal shares of a logistic distribution of scale 2.
        place = ops.cast(ops.floor(ops.sigmoid(logits / 2.0) * self.bins), "int32")
        bins = ops.one_hot(ops.clip(place, 0, self.bins - 1), self.bins, dtype=self.dtype)
        found = [
            ops.sum(bins * ops.cast(labels == value, self.dtype)[..., None], axis=0)
            for value in (0, 1)
        ]
        self.counts.assign_add(ops.stack(found))

    def result(self):
        """Returns the mean over the outputs that have both classes; 0.5 before any has."""
        negatives, positives = self.counts[0], self.counts[1]
        below = ops.cumsum(negatives, axis=-1) - negatives / 2.0
        pairs = ops.sum(negatives, axis=-1) * ops.sum(positives, axis=-1)
        defined = ops.cast(pairs > 0, self.dtype)
        auroc = ops.sum(positives * below, axis=-1) / ops.maximum(pairs, 1.0)
        return ops.where(ops.any(pairs > 0), _mean(auroc, defined, axis=0), 0.5)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "blocks": self.blocks, "bins": self.bins}


def _mean(values, present, *, axis):
    """Returns the mean of the values that are present, 0 where none is."""
    return ops.sum(values * present, axis=axis) / ops.maximum(ops.sum(present, axis=axis), 1.0)


def _sigmoid_nll(logits):
    return ops.softplus(logits), ops.softplus(-logits)


def _softmax_nll(logits):
    nll = -ops.log_softmax(logits, axis=-1)
    return nll, nll
