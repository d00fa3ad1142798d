from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike
from ..errors import InvalidValueError
from ..layers.rules import Shape, Shapes
from .loss import Loss, as_same_shape, product_or_zero


class BinaryCrossEntropy(Loss):
    """``-t log y - (1 - t) log(1 - y)`` for probabilities y and targets t in [0, 1].

    Bishop, 2006, equation 4.90. ∂/∂y = (1 - t) / (1 - y) - t / y. Loss and gradient are infinite
    only where y is exactly 0 or 1 and the target differs. Prefer `SigmoidCrossEntropy` for logits:
    it is exact where the probability rounds to 0 or 1.

    >>> loss = BinaryCrossEntropy()
    >>> loss.forward([0.5, 1.0], [0, 1]), loss.backward()
    (0.34657359..., array([ 1. , -0.5]))
    """

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses, y and t."""
        t = as_same_shape(y, t, self)
        if ((y < 0) | (y > 1)).any():
            hint = "Outputs are probabilities, as after Sigmoid. For logits, use SigmoidCrossEntropy."
            raise InvalidValueError("got y outside [0, 1]", where=self, hint=hint)
        if not ((t >= 0) & (t <= 1)).all():
            hint = "Targets are probabilities, or zeros and ones."
            raise InvalidValueError("got targets outside [0, 1]", where=self, hint=hint)
        with np.errstate(divide="ignore"):
            terms = -product_or_zero(t, np.log(y)) - product_or_zero(1 - t, np.log1p(-y))
        return terms, y.copy(), t.copy()

    def derivative(self, y: Array, t: Array) -> Array:
        """Return (1 - t) / (1 - y) - t / y."""
        with np.errstate(divide="ignore", over="ignore"):
            return product_or_zero(1 - t, 1 / (1 - y)) - product_or_zero(t, 1 / y)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return −t log y − (1 − t) log(1 − y), reduced."""
        term, derivative = "−t ⊙ log(y) − (1 − t) ⊙ log(1 − y)", "(1 − t) / (1 − y) − t / y"
        return self.reduction_rule(term, derivative, inputs, targets="0 ≤ t ≤ 1")
