from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..errors import InvalidValueError
from ..layer import Layer
from .rules import Shape, Shapes, format_number


class Clip(Layer):
    """``y = min(max(x, low), high)``, as in `numpy.clip`; None means no bound.

    ∂y/∂x is 1 where low ≤ x ≤ high, including the bounds as in `torch.clamp`, and 0 elsewhere.

    >>> clip = Clip(0.0, 1.0)
    >>> clip.forward([-1.0, 0.5, 1.0]), clip.backward([3.0, 3.0, 3.0])
    (array([0. , 0.5, 1. ]), array([0., 3., 3.]))
    """

    kernel_name = "clip"
    is_positionwise = True

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        self.low = -np.inf if low is None else float(low)
        self.high = np.inf if high is None else float(high)
        if not self.low <= self.high:
            raise InvalidValueError(f"got low={low} and high={high}, expected low ≤ high", where="Clip")

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        return self.remember(np.clip(x, self.low, self.high), (self.low <= x) & (x <= self.high))

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, inside = self.recall(dout)
        return dout * inside  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the bounds that there are."""
        y, slope = "x", "dy"
        if self.low > -np.inf:
            y, slope = f"max({format_number(self.low)}, {y})", f"{slope} ⊙ [x ≥ {format_number(self.low)}]"
        if self.high < np.inf:
            y, slope = f"min({format_number(self.high)}, {y})", f"{slope} ⊙ [x ≤ {format_number(self.high)}]"
        return f"y = {y}; dx = {slope}"
