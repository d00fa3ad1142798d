"""NAdam."""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..arrays import Array, as_number
from .adam import Adam
from .groups import Groups
from .means import add, add_square
from .parameters import Parameters
from .schedules import Rate


class NAdam(Adam):
    """Adam with Nesterov's momentum (Dozat, 2016).

    ::

        m ← b1·m + (1 − b1)·g,    v ← b2·v + (1 − b2)·g²
        μᵗ = b1·(1 − 0.96^(t·momentum_decay) / 2),    pᵗ = μ¹·…·μᵗ
        w ← w − lr · (μᵗ⁺¹·m/(1 − pᵗ⁺¹) + (1 − μᵗ)·g/(1 − pᵗ)) / (√(v/(1 − b2ᵗ)) + eps)

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
    lr : float or schedule
    betas : pair of float
        The decay rates of the means of the gradient and of its square, each in [0, 1).
    eps : float
        Added to the divisor for numerical stability.
    weight_decay : float
        Adds ``weight_decay * w`` to g.
    momentum_decay : float
        How fast the momentum μ rises from b1/2 to b1.
    groups : dict of str to dict
        Other values of lr and weight_decay for some parameters; see `Optimizer`.

    Examples
    --------
    >>> from netlib import Parameter
    >>> weight = Parameter([1.0, 2.0])
    >>> optimizer = NAdam(weight, lr=0.5, betas=(0.0, 0.999))
    >>> weight.grad += [10.0, -0.1]
    >>> optimizer.step()
    >>> weight.value.round(4)
    array([0.5, 2.5])
    """

    slots = ("mean", "squares")

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        groups: Groups | None = None,
    ) -> None:
        self.momentum_decay = as_number(momentum_decay, "momentum_decay", type(self).__name__, least=0)
        self._products: dict[tuple[float, float], list[float]] = {}
        super().__init__(parameters, lr, betas, eps, weight_decay, groups)

    def update(self, rate: float, t: int, value: Array, grad: Array, scratch: Array, mean: Array, squares: Array) -> None:
        """Step along the gradient and the next momentum, divided by the root mean square."""
        b1, b2 = self.betas
        add(mean, grad, b1, scratch)
        add_square(squares, grad, b2, scratch)
        grad *= rate * (1 - self._momentum(t)) / (1 - self._product(t))
        np.multiply(mean, rate * self._momentum(t + 1) / (1 - self._product(t + 1)), out=scratch)
        grad += scratch
        np.sqrt(squares, out=scratch)
        scratch /= sqrt(1 - b2**t)
        scratch += self.eps
        grad /= scratch
        value -= grad

    def _momentum(self, t: int) -> float:
        distance: float = 0.96 ** (t * self.momentum_decay)
        return self.betas[0] * (1 - distance / 2)

    def _product(self, t: int) -> float:
        """Return the product of the momenta of the steps 1 to `t`; all products are kept."""
        products = self._products.setdefault((self.betas[0], self.momentum_decay), [1.0])
        while len(products) <= t:
            products.append(products[-1] * self._momentum(len(products)))
        return products[t]
