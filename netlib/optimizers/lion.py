"""Lion."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .groups import Groups
from .means import as_betas
from .optimizer import Optimizer
from .parameters import Parameters
from .schedules import Rate


class Lion(Optimizer):
    """Steps of equal size, in the direction of the sign of a running mean (Chen et al., 2023).

    ::

        w ← w − lr·(sign(b1·m + (1 − b1)·g) + weight_decay·w)
        m ← b2·m + (1 − b2)·g

    Both means are computed as g + b·(m − g). The authors use a third to a tenth of the learning
    rate of `AdamW` and three to ten times its weight decay.

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
    lr : float or schedule
    betas : pair of float
        The decay rates of the mean in the step and of the mean that is kept, each in [0, 1).
    weight_decay : float
        Each step subtracts ``lr * weight_decay * w`` from the weight w, as in `AdamW`.
    groups : dict of str to dict
        Other values of lr and weight_decay for some parameters; see `Optimizer`.

    Examples
    --------
    >>> from netlib import Parameter
    >>> weight = Parameter([1.0, 2.0, 3.0])
    >>> optimizer = Lion(weight, lr=0.5)
    >>> weight.grad += [10.0, -0.1, 0.0]
    >>> optimizer.step()
    >>> weight.value
    array([0.5, 2.5, 3. ])
    """

    slots = ("mean",)

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Rate = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        groups: Groups | None = None,
    ) -> None:
        self.betas = as_betas(betas, type(self).__name__)
        super().__init__(parameters, lr, weight_decay, groups)

    def decay(self, rate: float, weight_decay: float, value: Array, grad: Array, scratch: Array) -> None:
        """Apply weight decay before the update: ``value -= rate * weight_decay * value``."""
        value *= 1 - rate * weight_decay

    def update(self, rate: float, t: int, value: Array, grad: Array, scratch: Array, mean: Array) -> None:
        """Step by the sign of the mean."""
        b1, b2 = self.betas
        mean -= grad
        np.multiply(mean, b1, out=scratch)
        scratch += grad
        np.sign(scratch, out=scratch)
        scratch *= rate
        value -= scratch
        mean *= b2
        mean += grad
