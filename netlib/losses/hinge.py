from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike
from ..layers.rules import Shape, Shapes
from .loss import Loss, as_same_shape, require_signs


class Hinge(Loss):
    """``max(0, 1 - t y)`` for scores y and targets t of -1 or +1, of equal shapes.

    Cortes and Vapnik, 1995.

    The derivative is -t where t y < 1 and 0 elsewhere, including the kink t y = 1.

    >>> loss = Hinge()
    >>> loss.forward([0.5, 3.0], [1, 1]), loss.backward()
    (0.25, array([-0.5,  0. ]))
    """

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses and the derivatives."""
        t = require_signs(as_same_shape(y, t, self), self)
        margin = 1 - t * y
        return np.maximum(margin, 0), np.where(margin > 0, -t, 0)

    def derivative(self, slope: Array) -> Array:
        """Return -t where t y < 1, and 0 elsewhere."""
        return slope.copy()

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return max(0, 1 − t y), reduced."""
        term, derivative = "max(0, 1 − t ⊙ y)", "−t ⊙ [1 − t ⊙ y > 0]"
        return self.reduction_rule(term, derivative, inputs, targets="|t| = 1")
