"""Adam with decoupled weight decay."""

from __future__ import annotations

from ..arrays import Array
from .adam import Adam
from .groups import Groups
from .parameters import Parameters
from .schedules import Rate


class AdamW(Adam):
    """Adam with decoupled weight decay, which bypasses the moments (Loshchilov and Hutter, 2019).

    ::

        w ← w − lr·weight_decay·w,   then Adam's step

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
    lr : float or schedule
    betas : pair of float
        The decay rates of the means of the gradient and of its square, each in [0, 1).
    eps : float
        Added to the divisor for numerical stability.
    weight_decay : float
        Each step subtracts ``lr * weight_decay * w`` from the weight w.
    groups : dict of str to dict
        Other values of lr and weight_decay for some parameters; see `Optimizer`.

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
        groups: Groups | None = None,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay, groups)

    def decay(self, rate: float, weight_decay: float, value: Array, grad: Array, scratch: Array) -> None:
        """Apply weight decay before the update: ``value -= rate * weight_decay * value``."""
        value *= 1 - rate * weight_decay
