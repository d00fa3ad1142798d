"""Adamax."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .adam import Adam
from .groups import Groups
from .means import add
from .parameters import Parameters
from .schedules import Rate


class Adamax(Adam):
    """Adam with the largest recent gradient as divisor (Kingma and Ba, 2015, section 7.1).

    ::

        m ← b1·m + (1 − b1)·g,    u ← max(b2·u, |g| + eps)
        w ← w − lr/(1 − b1ᵗ) · m/u

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
    lr : float or schedule
    betas : pair of float
        The decay rates of the mean of the gradient and of its largest magnitude, each in [0, 1).
    eps : float
        Added to the magnitude of the gradient, so that the divisor is not 0.
    weight_decay : float
        Adds ``weight_decay * w`` to g.
    groups : dict of str to dict
        Other values of lr and weight_decay for some parameters; see `Optimizer`.

    Examples
    --------
    >>> from netlib import Parameter
    >>> weight = Parameter([1.0, 2.0])
    >>> optimizer = Adamax(weight, lr=0.5)
    >>> weight.grad += [10.0, -0.1]
    >>> optimizer.step()
    >>> weight.value.round(4)
    array([0.5, 2.5])
    """

    slots = ("mean", "largest")

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay, groups)

    def update(self, rate: float, t: int, value: Array, grad: Array, scratch: Array, mean: Array, largest: Array) -> None:
        """Divide the running mean of the gradient by its largest recent magnitude."""
        b1, b2 = self.betas
        add(mean, grad, b1, scratch)
        np.abs(grad, out=grad)
        grad += self.eps
        largest *= b2
        np.maximum(largest, grad, out=largest)
        np.divide(mean, largest, out=scratch)
        scratch *= rate / (1 - b1**t)
        value -= scratch
