"""RMSProp."""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..arrays import Array, as_number
from .groups import Groups
from .optimizer import Optimizer
from .parameters import Parameters
from .schedules import Rate


class RMSProp(Optimizer):
    """Steps divided by a running root mean square of the gradient.

    Tieleman and Hinton, 2012, lecture 6.5.

    ::

        v ← alpha·v + (1 − alpha)·g²,   w ← w − lr·g / (√v + eps)

    The state holds the decayed sum ``squares`` = v / (1 − alpha), which saves an operation on the
    arrays. The factor 1 − alpha moves into lr and eps.

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
    lr : float or schedule
    alpha : float
        The decay rate of the mean of the squared gradient, in [0, 1).
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
    >>> optimizer = RMSProp(weight, lr=0.1, alpha=0.96)
    >>> weight.grad += [10.0, -0.1]
    >>> optimizer.step()
    >>> weight.value.round(4)
    array([0.5, 2.5])
    """

    slots = ("squares",)

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Rate = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        groups: Groups | None = None,
    ) -> None:
        name = type(self).__name__
        self.alpha = as_number(alpha, "alpha", name, least=0, below=1)
        self.eps = as_number(eps, "eps", name, least=0)
        super().__init__(parameters, lr, weight_decay, groups)

    def update(self, rate: float, t: int, value: Array, grad: Array, scratch: Array, squares: Array) -> None:
        """Divide the gradient by its running root mean square."""
        scale = sqrt(1 - self.alpha)
        squares *= self.alpha
        np.multiply(grad, grad, out=scratch)
        squares += scratch
        np.sqrt(squares, out=scratch)
        scratch += self.eps / scale
        np.divide(grad, scratch, out=scratch)
        scratch *= rate / scale
        value -= scratch
