"""Adam with decoupled weight decay."""

from __future__ import annotations

from ..arrays import Array
from .adam import Adam
from .parameters import Parameters
from .schedules import Rate


class AdamW(Adam):
    """Adam, with weight decay that does not pass through the moments (Loshchilov and Hutter, 2019).

    ::

        w ← w − lr·weight_decay·w,   then Adam's step

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
    lr : float or schedule
    betas : pair of float
        How much of the mean and of the mean square is kept at a step, each in [0, 1).
    eps : float
        Keeps the quotient finite.
    weight_decay : float
        The share of a weight, times lr, that it loses at a step.

    Examples
    --------
    >>> from netlib import Parameter
    >>> weight = Parameter([1.0, 2.0])
    >>> AdamW(weight, lr=0.1, weight_decay=0.5).step()
    >>> weight.value
    array([0.95, 1.9 ])
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def decay(self, rate: float, value: Array, grad: Array, scratch: Array) -> None:
        """Let the weights decay in a block, before its update: ``value -= rate * weight_decay * value``."""
        value *= 1 - rate * self.weight_decay
