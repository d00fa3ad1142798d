"""AdaDelta."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, as_number
from .groups import Groups
from .means import add_square
from .optimizer import Optimizer
from .parameters import Parameters
from .schedules import Rate


class AdaDelta(Optimizer):
    """Steps as long as the running root mean square of earlier steps (Zeiler, 2012).

    ::

        v ← rho·v + (1 − rho)·g²
        d = g · √(u + eps) / √(v + eps)
        u ← rho·u + (1 − rho)·d²,   w ← w − lr·d

    The change d has the unit of w, whatever the unit of the gradient.

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
    lr : float or schedule
    rho : float
        The decay rate of the means of the squared gradient and of the squared change, in [0, 1).
    eps : float
        Added to both means. It also sets the size of the first steps.
    weight_decay : float
        Adds ``weight_decay * w`` to g.
    groups : dict of str to dict
        Other values of lr and weight_decay for some parameters; see `Optimizer`.

    Examples
    --------
    >>> from netlib import Parameter
    >>> weight = Parameter([1.0, 2.0])
    >>> optimizer = AdaDelta(weight, rho=0.75, eps=1.0)
    >>> weight.grad += [0.0, 4.0]
    >>> optimizer.step()
    >>> weight.value.round(4)  # v + eps = 5, so the step is 4/√5
    array([1.    , 0.2111])
    """

    slots = ("squares", "changes")

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Rate = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        groups: Groups | None = None,
    ) -> None:
        name = type(self).__name__
        self.rho = as_number(rho, "rho", name, least=0, below=1)
        self.eps = as_number(eps, "eps", name, least=0)
        super().__init__(parameters, lr, weight_decay, groups)

    def update(self, rate: float, t: int, value: Array, grad: Array, scratch: Array, squares: Array, changes: Array) -> None:
        """Scale the gradient by the ratio of the two root mean squares."""
        add_square(squares, grad, self.rho, scratch)
        np.add(squares, self.eps, out=scratch)
        np.sqrt(scratch, out=scratch)
        grad /= scratch
        np.add(changes, self.eps, out=scratch)
        np.sqrt(scratch, out=scratch)
        grad *= scratch
        add_square(changes, grad, self.rho, scratch)
        grad *= rate
        value -= grad
