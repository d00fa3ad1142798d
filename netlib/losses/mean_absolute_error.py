from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike
from ..layers.rules import Shape, Shapes
from .loss import Loss, as_same_shape


class MeanAbsoluteError(Loss):
    """``|y - t|`` for every element, reduced to the mean, the sum, or not at all.

    ∂/∂y |y - t| = sign(y - t), and 0 at the kink y = t.

    >>> loss = MeanAbsoluteError()
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]]), loss.backward()
    (1.5, array([[ 0.5, -0.5]]))
    """

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the absolute differences and the differences."""
        difference = y - as_same_shape(y, t, self)
        return np.abs(difference), difference

    def derivative(self, difference: Array) -> Array:
        """Return sign(y - t)."""
        return np.sign(difference)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return |y − t|, reduced."""
        return self.reduction_rule("|y − t|", "sign(y − t)", inputs)
