from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats, as_number
from ..errors import InvalidValueError
from ..layer import Layer
from .rules import Shape, Shapes, format_number


class Hardtanh(Layer):
    """``y = x`` between `low` and `high`, and the nearer bound elsewhere (Collobert, 2004).

    ∂y/∂x is 1 where low < x < high and 0 elsewhere, including both kinks, as in PyTorch.

    >>> layer = Hardtanh()
    >>> layer.forward([-3.0, 0.5, 1.0]), layer.backward([5.0, 5.0, 5.0])
    (array([-1. ,  0.5,  1. ]), array([0., 5., 0.]))
    """

    kernel_name = "hardtanh"
    is_positionwise = True

    def __init__(self, low: float = -1.0, high: float = 1.0) -> None:
        self.low = as_number(low, "low", "Hardtanh")
        self.high = as_number(high, "high", "Hardtanh")
        if self.low >= self.high:
            raise InvalidValueError(f"low is {low!r} and high is {high!r}, expected low < high", where="Hardtanh")

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        return self.remember(np.clip(x, self.low, self.high), (x > self.low) & (x < self.high))

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, is_between = self.recall(dout)
        return dout * is_between  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x, clipped."""
        low, high = format_number(self.low), format_number(self.high)
        return f"y = clip(x, {low}, {high}); dx = dy ⊙ [{low} < x < {high}]"


class ReLU6(Hardtanh):
    """``y = min(max(x, 0), 6)``, the `ReLU` for low-precision types (Krizhevsky, 2010).

    ∂y/∂x is 1 where 0 < x < 6 and 0 elsewhere, including both kinks, as in PyTorch.

    >>> relu = ReLU6()
    >>> relu.forward([-1.0, 2.0, 8.0]), relu.backward([5.0, 5.0, 5.0])
    (array([0., 2., 6.]), array([0., 5., 0.]))
    """

    kernel_name = "relu6"

    def __init__(self) -> None:
        super().__init__(0, 6)
