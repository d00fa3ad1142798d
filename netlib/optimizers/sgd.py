"""Stochastic gradient descent."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, as_number
from ..errors import InvalidValueError
from .groups import Groups
from .optimizer import Optimizer
from .parameters import Parameters
from .schedules import Rate


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

    ::

        w ← w − lr·g                                        plain
        v ← momentum·v + g,   w ← w − lr·v                  with momentum
        v ← momentum·v + g,   w ← w − lr·(g + momentum·v)   with Nesterov's momentum

    Polyak, 1964; Nesterov's momentum as in Sutskever et al., 2013.

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
    lr : float or schedule
    momentum : float
        In [0, 1).
    nesterov : bool
        Whether to use Nesterov's momentum, which looks ahead along the velocity.
    weight_decay : float
        Adds ``weight_decay * w`` to g.
    groups : dict of str to dict
        Other values of lr and weight_decay for some parameters; see `Optimizer`.

    Examples
    --------
    >>> from netlib import Parameter
    >>> weight = Parameter([1.0, 2.0])
    >>> optimizer = SGD(weight, lr=0.1)
    >>> weight.grad += [10.0, -10.0]
    >>> optimizer.step()
    >>> weight.value
    array([0., 3.])
    """

    slots = ("velocity",)

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        groups: Groups | None = None,
    ) -> None:
        name = type(self).__name__
        self.momentum = as_number(momentum, "momentum", name, least=0, below=1)
        self.nesterov = bool(nesterov)
        if self.nesterov and not self.momentum:
            message = "momentum is 0, expected more for nesterov=True"
            raise InvalidValueError(message, where=name, hint="For example, use momentum=0.9.")
        super().__init__(parameters, lr, weight_decay, groups)

    def update(self, rate: float, t: int, value: Array, grad: Array, scratch: Array, velocity: Array) -> None:
        """Step along the gradient or the velocity."""
        if self.momentum:
            velocity *= self.momentum
            velocity += grad
            np.multiply(velocity, rate * self.momentum if self.nesterov else rate, out=scratch)
            value -= scratch
        if self.nesterov or not self.momentum:
            grad *= rate
            value -= grad
