from __future__ import annotations

from ..arrays import Array, ArrayLike
from ..layers.rules import Shape, Shapes
from .loss import Loss, as_same_shape


class MeanSquaredError(Loss):
    """``(y - t)²`` for every element, reduced to the mean, the sum, or not at all.

    ∂/∂y (y - t)² = 2 (y - t).

    >>> loss = MeanSquaredError()
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]]), loss.backward()
    (2.5, array([[ 1., -2.]]))
    """

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the squares and the differences."""
        difference = y - as_same_shape(y, t, self)
        return difference * difference, difference

    def derivative(self, difference: Array) -> Array:
        """Return 2 (y - t)."""
        return 2 * difference

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return (y − t)², reduced."""
        return self.reduction_rule("(y − t)²", "2 (y − t)", inputs)
