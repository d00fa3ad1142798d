"""RAdam."""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..arrays import Array
from .adam import Adam
from .means import add, add_square


class RAdam(Adam):
    """Rectified Adam, which uses its divisor only after a few steps (Liu et al., 2020).

    ::

        m ← b1·m + (1 − b1)·g,    v ← b2·v + (1 − b2)·g²
        ρ∞ = 2/(1 − b2) − 1,      ρ = ρ∞ − 2t·b2ᵗ/(1 − b2ᵗ)
        r = √((ρ − 4)(ρ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ))
        w ← w − lr · m/(1 − b1ᵗ) · r·√(1 − b2ᵗ)/(√v + eps)   if ρ > 5
        w ← w − lr · m/(1 − b1ᵗ)                             otherwise

    The variance of 1/√v is infinite in the first steps; r makes it the same in all others.

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
    groups : dict of str to dict
        Other values of lr and weight_decay for some parameters; see `Optimizer`.

    Examples
    --------
    >>> from netlib import Parameter
    >>> weight = Parameter([1.0, 2.0])
    >>> optimizer = RAdam(weight, lr=0.5)
    >>> weight.grad += [1.0, -2.0]
    >>> optimizer.step()
    >>> weight.value.round(4)
    array([0.5, 3. ])
    """

    slots = ("mean", "squares")

    def update(self, rate: float, t: int, value: Array, grad: Array, scratch: Array, mean: Array, squares: Array) -> None:
        """Step along the running mean, divided by the root mean square once that is reliable."""
        b1, b2 = self.betas
        add(mean, grad, b1, scratch)
        add_square(squares, grad, b2, scratch)
        scale = rate / (1 - b1**t)
        longest = 2 / (1 - b2) - 1
        length = longest - 2 * t * b2**t / (1 - b2**t)
        if length > 5:
            r = sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
            np.sqrt(squares, out=scratch)
            scratch += self.eps
            np.divide(mean, scratch, out=scratch)
            scratch *= scale * r * sqrt(1 - b2**t)
        else:
            np.multiply(mean, scale, out=scratch)
        value -= scratch
