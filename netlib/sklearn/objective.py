"""The function that both estimators minimize."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arrays import Array
from ..layer import Layer
from ..losses.loss import Loss
from ..parameter import Parameter


class Objective(Layer):
    """``Σ w l / Σ w + alpha/2 · Σ‖W‖² / Σ w``: the mean loss of a sample, and an L2 penalty.

    Both sums over w run over the samples of a batch. For each penalized weight W,
    ∂/∂W (alpha/2 · ‖W‖² / Σ w) = alpha · W / Σ w, which backward adds to its gradient.

    Parameters
    ----------
    loss : Loss
        A mean over samples, or over samples and outputs.
    weights : iterable of Parameter
        The parameters to penalize.
    alpha : float
        The strength of the penalty.
    factor : float
        The factor of the sum of a sample's terms.
    outputs : int
        The number of terms of `loss` for each sample.

    >>> weight = Parameter([[3.0, 4.0]])
    >>> from netlib import MeanSquaredError
    >>> objective = Objective(MeanSquaredError(), [weight], alpha=0.1, factor=0.5)
    >>> objective.forward([[1.0], [2.0]], [[0.0], [2.0]])  # (1 + 0)/2 / 2 + 0.1/2 · 25 / 2
    0.875
    >>> objective.backward(), weight.grad
    (array([[0.5],
           [0. ]]), array([[0.15, 0.2 ]]))
    """

    n_nondifferentiable_inputs = 1

    def __init__(self, loss: Loss, weights: Iterable[Parameter], alpha: float, factor: float = 1.0, outputs: int = 1) -> None:
        self.loss = loss
        self.weights = list(weights) if alpha else []
        self.alpha = alpha
        self.outputs = outputs
        self.factor = factor * outputs

    @property
    def total_weight(self) -> float:
        """The weight of the samples of the last forward."""
        return self.loss.total_weight / self.outputs

    def forward(self, y: Array, t: Array, weight: Array | None = None) -> float:
        """Return the value for outputs `y` and targets `t`."""
        value = self.factor * float(self.loss.forward(y, t, weight))
        squares = sum(float(np.vdot(each.value, each.value)) for each in self.weights)
        return value + self.alpha / 2 * squares / self.total_weight if squares else value

    def backward(self, dout: float = 1.0) -> Any:
        """Add to the gradients of the weights, and return the gradient of y."""
        for each in self.weights:
            each.add_grad(dout * self.alpha / self.total_weight * each.value)
        return self.loss.backward(dout * self.factor)
