"""AdaGrad."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, as_number
from .groups import Groups
from .optimizer import Optimizer
from .parameters import Parameters
from .schedules import Rate


class AdaGrad(Optimizer):
    """Steps that shrink as a weight's squared gradients add up (Duchi, Hazan and Singer, 2011).

    ::

        s ← s + g²,   w ← w − lr·g / (√s + eps)

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
    lr : float or schedule
    eps : float
        Added to the divisor for numerical stability.
    weight_decay : float
        Adds ``weight_decay * w`` to g.
    groups : dict of str to dict
        Other values of lr and weight_decay for some parameters; see `Optimizer`.

    Examples
    --------
    >>> from netlib import Parameter
    >>> weight = Parameter([1.0, 2.0])
    >>> optimizer = AdaGrad(weight, lr=0.5)
    >>> weight.grad += [10.0, -0.1]
    >>> optimizer.step()
    >>> weight.value
    array([0.5, 2.5])
    """

    slots = ("squares",)

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Rate = 0.01,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
        groups: Groups | None = None,
    ) -> None:
        self.eps = as_number(eps, "eps", type(self).__name__, least=0)
        super().__init__(parameters, lr, weight_decay, groups)

    def update(self, rate: float, t: int, value: Array, grad: Array, scratch: Array, squares: Array) -> None:
        """Divide the gradient by the root of the sum of its squares."""
        np.multiply(grad, grad, out=scratch)
        squares += scratch
        np.sqrt(squares, out=scratch)
        scratch += self.eps
        np.divide(grad, scratch, out=scratch)
        scratch *= rate
        value -= scratch
