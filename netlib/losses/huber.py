from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_number
from ..errors import InvalidValueError
from ..layers.rules import Shape, Shapes, format_number
from .loss import Loss, as_same_shape


class Huber(Loss):
    """``d² / 2`` where |d| = |y - t| is at most `delta`, else ``delta (|d| - delta / 2)``.

    Huber, 1964.

    The derivative is d clipped to ±delta, so that outliers have a bounded influence.

    >>> loss = Huber(delta=1.0, reduction="sum")
    >>> loss.forward([[1.0, 2.5]], [[1.5, -1.5]]), loss.backward()
    (3.625, array([[-0.5,  1. ]]))
    """

    def __init__(self, delta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.delta = as_number(delta, "delta", "Huber", least=0)
        if self.delta == 0:
            hint = "For delta → 0, use MeanAbsoluteError."
            raise InvalidValueError("delta is 0, expected more", where="Huber", hint=hint)

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses, c (d - c / 2) in both cases with c = clip(d, ±delta), and c."""
        difference = y - as_same_shape(y, t, self)
        clipped = np.clip(difference, -self.delta, self.delta)
        return clipped * (difference - clipped / 2), clipped

    def derivative(self, clipped: Array) -> Array:
        """Return y - t, clipped to ±delta."""
        return clipped.copy()

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the terms as `terms` computes them, reduced."""
        clipped = f"clip(y − t, ±{format_number(self.delta)})"
        return self.reduction_rule(f"{clipped} ⊙ (y − t − {clipped} / 2)", clipped, inputs)
