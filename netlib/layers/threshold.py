from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats, as_number
from ..layer import Layer
from .rules import Shape, Shapes, format_number


class Threshold(Layer):
    """``y = x`` where x > threshold, ``value`` elsewhere. ``Threshold(0, 0)`` is `ReLU`.

    ∂y/∂x is 1 where x > threshold and 0 elsewhere, including x = threshold.

    >>> layer = Threshold(1.0, 0.5)
    >>> layer.forward([-2.0, 1.0, 3.0]), layer.backward([4.0, 4.0, 4.0])
    (array([0.5, 0.5, 3. ]), array([0., 0., 4.]))
    """

    kernel_name = "threshold"
    is_positionwise = True

    def __init__(self, threshold: float, value: float) -> None:
        self.threshold = as_number(threshold, "threshold", "Threshold")
        self.value = as_number(value, "value", "Threshold")

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        is_replaced = x <= self.threshold  # NaN is not
        return self.remember(np.where(is_replaced, x.dtype.type(self.value), x), is_replaced)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, is_replaced = self.recall(dout)
        return np.where(is_replaced, dout.dtype.type(0), dout)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x or the value."""
        threshold, value = format_number(self.threshold), format_number(self.value)
        return f"y = x ⊙ [x > {threshold}] + {value} [x ≤ {threshold}]; dx = dy ⊙ [x > {threshold}]"
