"""Writes the losses and gradients of stored inputs on Keras' PyTorch backend.

Run as `python -m tests.losses.torch_process IN.npz OUT.npz` with KERAS_BACKEND=torch.
"""

import sys

import numpy as np
import torch

from tfcovid.losses.focal import sigmoid_focal_loss, sparse_softmax_focal_loss


def main(inputs, outputs):
    given = np.load(inputs)
    results = {}
    for form, loss in (("sigmoid", sigmoid_focal_loss), ("softmax", sparse_softmax_focal_loss)):
        for row, gamma in enumerate(given["gammas"]):
            logits = torch.tensor(given[f"{form}_logits"], requires_grad=True)
            value = loss(torch.tensor(given[f"{form}_labels"]), logits, gamma=float(gamma))
            value.sum().backward()
            results[f"{form}_value_{row}"] = value.detach().cpu().numpy()
            results[f"{form}_gradient_{row}"] = logits.grad.cpu().numpy()
    np.savez(outputs, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
