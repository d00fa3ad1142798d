from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, ArrayLike
from ..errors import InvalidValueError
from ..layers.rules import Shape, Shapes, format_number
from .loss import Loss, as_same_shape, product_or_zero


class PoissonNLL(Loss):
    """``exp(y) - t y`` for the logarithm y of a rate and a count t ≥ 0.

    The negative logarithm of the Poisson probability exp(-r) r^t / t! with the rate r = exp(y),
    without log t!, which does not depend on y. ∂/∂y = exp(y) - t. If y is the rate itself, the loss
    is y - t log y and ∂/∂y = 1 - t / y (McCullagh and Nelder, 1989, chapter 6).

    Parameters
    ----------
    log_input : bool
        Whether y is the logarithm of the rate. If False, y is the rate, which must not be negative.
    full : bool
        Whether to add log t! by Stirling's formula, t log t - t + log(2 π t) / 2, where t > 1.
    reduction : {"mean", "sum", "none"}
        Over the elements.

    >>> loss = PoissonNLL()
    >>> loss.forward([0.0, 0.0], [1, 4]), loss.backward()
    (1.0, array([ 0. , -1.5]))
    """

    def __init__(self, log_input: bool = True, full: bool = False, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.log_input = log_input
        self.full = full

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses, y and t."""
        t = as_same_shape(y, t, self)
        if not (t >= 0).all():
            raise InvalidValueError("got negative targets, expected counts", where=self)
        if not self.log_input and (y < 0).any():
            hint = "A rate is at least 0. For logarithms of rates, use log_input=True."
            raise InvalidValueError("got a negative y", where=self, hint=hint)
        with np.errstate(over="ignore", divide="ignore"):
            terms = np.exp(y) - t * y if self.log_input else y - product_or_zero(t, np.log(y))
        if self.full:
            counts = np.maximum(t, 1)
            terms += np.where(t > 1, t * np.log(counts) - t + np.log(2 * np.pi * counts) / 2, 0)
        return terms, y.copy(), t.copy()

    def derivative(self, y: Array, t: Array) -> Array:
        """Return exp(y) - t, or 1 - t / y."""
        with np.errstate(over="ignore", divide="ignore"):
            dy: Array = np.exp(y) - t if self.log_input else 1 - product_or_zero(t, 1 / y)
        return dy

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return exp(y) − t y or y − t log y, reduced."""
        term, derivative = ("exp(y) − t ⊙ y", "exp(y) − t") if self.log_input else ("y − t ⊙ log(y)", "1 − t / y")
        if self.full:
            count = "max(t, 1)"
            term += f" + [t > 1] ⊙ (t ⊙ log({count}) − t + log({format_number(2 * math.pi)} {count}) / 2)"
        return self.reduction_rule(term, derivative, inputs, targets="t ≥ 0")
