from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats, as_number
from ..errors import InvalidValueError
from ..layer import Layer
from ..underflow import ignore_underflow
from .rules import Shape, Shapes, format_number


class CELU(Layer):
    """``y = x`` where x > 0, ``alpha * (exp(x / alpha) - 1)`` elsewhere (Barron, 2017).

    ∂y/∂x is 1 where x > 0 and exp(x / alpha) elsewhere. Unlike in `ELU`, it has no jump at 0,
    whatever alpha is.

    >>> celu = CELU(2.0)
    >>> celu.forward([-1e4, 0.0, 3.0]), celu.backward([5.0, 5.0, 5.0])
    (array([-2.,  0.,  3.]), array([0., 5., 5.]))
    """

    kernel_name = "celu"
    is_positionwise = True

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = as_number(alpha, "alpha", "CELU")
        if self.alpha <= 0:
            raise InvalidValueError(f"alpha is {alpha!r}, expected a positive number", where="CELU")

    @np.errstate(over="ignore", under="ignore")  # exp(-inf) is 0
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        below = np.minimum(x, 0) / self.alpha
        return self.remember(np.maximum(x, 0) + self.alpha * np.expm1(below), np.exp(below))

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope = self.recall(dout)
        return dout * slope  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x or alpha (exp(x / alpha) − 1)."""
        alpha = format_number(self.alpha)
        return f"y = max(0, x) + {alpha} (exp(min(0, x) / {alpha}) − 1); dx = dy ⊙ exp(min(0, x) / {alpha})"
