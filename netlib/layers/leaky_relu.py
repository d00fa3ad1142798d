from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats, as_number
from ..layer import Layer
from ..underflow import ignore_underflow
from .rules import Shape, Shapes, format_number


class LeakyReLU(Layer):
    """``y = x`` where x > 0, ``negative_slope * x`` elsewhere (Maas et al., 2013).

    ∂y/∂x is 1 where x > 0 and negative_slope elsewhere, including the kink x = 0.

    >>> leaky = LeakyReLU(0.1)
    >>> leaky.forward([-1.0, 2.0]), leaky.backward([5.0, 5.0])
    (array([-0.1,  2. ]), array([0.5, 5. ]))
    """

    kernel_name = "leaky_relu"
    is_positionwise = True

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = as_number(negative_slope, "negative_slope", "LeakyReLU")

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        slope = np.where(x > 0, x.dtype.type(1), x.dtype.type(self.negative_slope))
        return self.remember(x * slope, slope)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope = self.recall(dout)
        return dout * slope  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x or the slope times x."""
        slope = f"([x > 0] + {format_number(self.negative_slope)} [x ≤ 0])"
        return f"y = x ⊙ {slope}; dx = dy ⊙ {slope}"
