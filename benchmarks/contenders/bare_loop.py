"""A training step in NumPy calls alone, the least that it can cost without compiled code."""

from __future__ import annotations

from itertools import accumulate, cycle, pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..case import LR

if TYPE_CHECKING:
    from ..case import Array, Case
    from . import Step


class BareLoop:
    """The matrix products, sums and ufuncs of a training step, each into a preallocated array.

    There are no layers, no checks and no Python functions; the parameters are one flat array.
    """

    takes_weights = True

    def __init__(self, threads: int) -> None:
        self.versions = {"numpy": np.__version__}

    def train(self, case: Case) -> Step:
        """Return a training step."""
        flat, weights, biases = flat_parameters(case)
        flat_grad, dweights, dbiases = flat_parameters(case)
        for weight, first in zip(weights, case.weights(), strict=True):
            weight[...] = first
        x, targets = case.inputs(), cycle(case.targets())
        outputs = [np.empty((case.batch, n), case.dtype) for n in case.widths[1:]]
        inputs = [x, *outputs[:-1]]
        masks = [np.empty(y.shape, bool) for y in outputs]
        douts = [np.empty_like(y) for y in outputs]
        logits, dlogits, samples = outputs[-1], douts[-1], np.arange(case.batch)
        column = np.empty((case.batch, 1), case.dtype)
        total, squares, scratch = np.zeros_like(flat), np.zeros_like(flat), np.empty_like(flat)
        last, n = len(weights) - 1, 0

        def step() -> float:
            nonlocal n
            t = next(targets)
            for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                np.matmul(inputs[i], weight, out=outputs[i])
                np.add(outputs[i], bias, out=outputs[i])
                if i < last:
                    np.greater(outputs[i], 0, out=masks[i])
                    np.maximum(outputs[i], 0, out=outputs[i])

            np.maximum.reduce(logits, axis=1, keepdims=True, out=column)
            np.subtract(logits, column, out=logits)
            np.exp(logits, out=dlogits)
            np.add.reduce(dlogits, axis=1, keepdims=True, out=column)
            np.log(column, out=column)
            np.subtract(logits, column, out=logits)
            loss = -float(np.add.reduce(logits[samples, t], dtype=np.float64)) / len(t)

            np.exp(logits, out=dlogits)
            dlogits[samples, t] -= 1
            np.divide(dlogits, len(t), out=dlogits)
            for i in range(last, -1, -1):
                np.matmul(inputs[i].T, douts[i], out=dweights[i])
                np.add.reduce(douts[i], axis=0, out=dbiases[i])
                if i:
                    np.matmul(douts[i], weights[i].T, out=douts[i - 1])
                    np.multiply(douts[i - 1], masks[i - 1], out=douts[i - 1])

            n += 1
            c = ((1 - 0.999) / (1 - 0.999**n)) ** 0.5
            np.multiply(total, 0.9, out=total)
            np.add(total, flat_grad, out=total)
            np.multiply(squares, 0.999, out=squares)
            np.multiply(flat_grad, flat_grad, out=flat_grad)
            np.add(squares, flat_grad, out=squares)
            np.sqrt(squares, out=scratch)
            np.add(scratch, 1e-8 / c, out=scratch)
            np.divide(total, scratch, out=scratch)
            np.multiply(scratch, LR * (1 - 0.9) / (1 - 0.9**n) / c, out=scratch)
            np.subtract(flat, scratch, out=flat)
            return loss

        return step

    def infer(self, case: Case) -> Step:
        """Return one forward pass."""
        weights, outputs = list(case.weights()), [np.empty((case.batch, n), case.dtype) for n in case.widths[1:]]
        inputs, biases = [case.inputs(), *outputs], [np.zeros(n, case.dtype) for n in case.widths[1:]]

        def forward() -> Array:
            for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                np.matmul(inputs[i], weight, out=outputs[i])
                np.add(outputs[i], bias, out=outputs[i])
                if i < len(weights) - 1:
                    np.maximum(outputs[i], 0, out=outputs[i])
            return outputs[-1]

        return forward


def flat_parameters(case: Case) -> tuple[Array, list[Array], list[Array]]:
    """Return one flat array of zeros, and the weights and biases as views of it."""
    sizes = [size for n_in, n_out in case.shapes for size in (n_in * n_out, n_out)]
    flat = np.zeros(sum(sizes), case.dtype)
    views = [flat[first:last] for first, last in pairwise([0, *accumulate(sizes)])]
    return flat, [view.reshape(shape) for view, shape in zip(views[::2], case.shapes, strict=True)], views[1::2]
