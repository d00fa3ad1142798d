from __future__ import annotations

from ..arrays import Array, ArrayLike
from ..layers.rules import Shape, Shapes
from .loss import Loss, same_shape


class MeanSquaredError(Loss):
    """``(y - t)²`` for every element, then the mean over all of them, their sum, or none.

    ∂/∂y (y - t)² = 2 (y - t).

    >>> loss = MeanSquaredError()
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]]), loss.backward()
    (2.5, array([[ 1., -2.]]))
    """

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the squares and the differences."""
        difference = y - same_shape(y, t, self)
        return difference * difference, difference

    def derivative(self, difference: Array) -> Array:
        """Return 2 (y - t)."""
        return 2 * difference

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the squares, reduced."""
        return self.reduced("(y − t)²", "2 (y − t)", inputs)
