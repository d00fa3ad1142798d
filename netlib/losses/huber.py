from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_number
from ..errors import InvalidValueError
from ..layers.rules import Shape, Shapes, written
from .loss import Loss, same_shape


class Huber(Loss):
    """``d² / 2`` where |d| = |y - t| is at most `delta`, ``delta (|d| - delta / 2)`` beyond (Huber, 1964).

    The derivative is d, held within ±delta: quadratic near the target, and no outlier pulls harder than delta.

    >>> loss = Huber(delta=1.0, reduction="sum")
    >>> loss.forward([[1.0, 2.5]], [[1.5, -1.5]]), loss.backward()
    (3.625, array([[-0.5,  1. ]]))
    """

    def __init__(self, delta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.delta = as_number(delta, "delta", "Huber", least=0)
        if self.delta == 0:
            raise InvalidValueError("delta is 0, wanted more", where="Huber", hint="MeanAbsoluteError is what delta → 0 stands for.")

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses and the derivatives: with c = clip(d, ±delta) both cases are c (d - c / 2)."""
        difference = y - same_shape(y, t, self)
        clipped = np.clip(difference, -self.delta, self.delta)
        return clipped * (difference - clipped / 2), clipped

    def derivative(self, clipped: Array) -> Array:
        """Return y - t, held within ±delta."""
        return clipped.copy()

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the terms as `terms` has them, reduced."""
        clipped = f"clip(y − t, ±{written(self.delta)})"
        return self.reduced(f"{clipped} ⊙ (y − t − {clipped} / 2)", clipped, inputs)
