"""Adam."""

from __future__ import annotations

from math import sqrt

from ..arrays import Array, as_number
from ..kernels.adam import adam
from .groups import Groups
from .means import as_betas
from .optimizer import Optimizer
from .parameters import Parameters
from .schedules import Rate


class Adam(Optimizer):
    """Adaptive moment estimation (Kingma and Ba, 2015).

    ::

        m ← b1·m + (1 − b1)·g,    v ← b2·v + (1 − b2)·g²
        w ← w − lr · m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ)) + eps)

    The state holds the decayed sums ``total`` = m / (1 − b1) and ``squares`` = v / (1 − b2), which
    saves two operations on the arrays. With c² = (1 − b2) / (1 − b2ᵗ), the step is then
    lr·(1 − b1)/(1 − b1ᵗ)/c · total / (√squares + eps/c). This is the same step, with all constants
    in two scalars.

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
    lr : float or schedule
    betas : pair of float
        The decay rates of the means of the gradient and of its square, each in [0, 1).
    eps : float
        Added to the divisor for numerical stability.
    weight_decay : float
        Adds ``weight_decay * w`` to g. `AdamW` applies it separately from the moments.
    groups : dict of str to dict
        Other values of lr and weight_decay for some parameters; see `Optimizer`.

    Examples
    --------
    >>> from netlib import Parameter
    >>> weight = Parameter([1.0, 2.0])
    >>> optimizer = Adam(weight, lr=0.5)
    >>> weight.grad += [10.0, -0.1]
    >>> optimizer.step()
    >>> weight.value.round(4)
    array([0.5, 2.5])
    """

    slots = ("total", "squares")

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        groups: Groups | None = None,
    ) -> None:
        name = type(self).__name__
        self.betas = as_betas(betas, name)
        self.eps = as_number(eps, "eps", name, least=0)
        super().__init__(parameters, lr, weight_decay, groups)

    def update(
        self,
        rate: float,
        t: int,
        value: Array,
        grad: Array,
        scratch: Array,
        total: Array,
        squares: Array,
    ) -> None:
        """Divide the running mean of the gradient by its running root mean square."""
        b1, b2 = self.betas
        c = sqrt((1 - b2) / (1 - b2**t))
        eps, scale = self.eps / c, rate * (1 - b1) / (1 - b1**t) / c
        adam.of(value.dtype)(value, grad, scratch, total, squares, b1, b2, eps, scale)
