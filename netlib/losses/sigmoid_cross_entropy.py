from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike
from ..errors import InvalidValueError
from ..layers.rules import Shape, Shapes
from ..layers.sigmoid import sigmoid
from .loss import Loss, as_same_shape, product_or_zero


class SigmoidCrossEntropy(Loss):
    """``-t log p - (1 - t) log(1 - p)`` with ``p = sigmoid(y)``, for logits y and targets t.

    The targets are in [0, 1] and have the shape of y.

    With log p = y - s and log(1 - p) = -s, where s = log(1 + exp(y)), the loss is
    s - t y = a |y| + log(1 + exp(-|y|)), where a is 1 - t for y ≥ 0 and t for y < 0. It stays
    accurate where p rounds to 0 or 1, and at y = ±∞ too. ∂/∂y = sigmoid(y) - t.

    >>> loss = SigmoidCrossEntropy(reduction="sum")
    >>> loss.forward([-1000.0, 1000.0], [1, 1]), loss.backward()
    (1000.0, array([-1.,  0.]))
    """

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses, y and t."""
        t = as_same_shape(y, t, self)
        if not ((t >= 0) & (t <= 1)).all():
            hint = "Targets are probabilities, or zeros and ones."
            raise InvalidValueError("got targets outside [0, 1]", where=self, hint=hint)
        size = np.abs(y)
        terms = product_or_zero(np.where(y < 0, t, 1 - t), size) + np.log1p(np.exp(-size))
        return terms, y.copy(), t.copy()

    def derivative(self, y: Array, t: Array) -> Array:
        """Return sigmoid(y) - t."""
        return sigmoid(y) - t

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return s − t y, reduced."""
        term = "log(1 + exp(y)) − t ⊙ y"
        return self.reduction_rule(term, "σ(y) − t", inputs, targets="0 ≤ t ≤ 1")
