from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats, as_number
from ..layer import Layer
from ..underflow import ignore_underflow
from .rules import Shape, Shapes, format_number


class ELU(Layer):
    """``y = x`` where x > 0, ``alpha * (exp(x) - 1)`` elsewhere (Clevert et al., 2016).

    ∂y/∂x is 1 where x > 0 and alpha · exp(x) elsewhere. The exponential is that of min(x, 0), which
    cannot overflow.

    >>> elu = ELU()
    >>> elu.forward([-1e4, 0.0, 2.0]), elu.backward([5.0, 5.0, 5.0])
    (array([-1.,  0.,  2.]), array([0., 5., 5.]))
    """

    kernel_name = "elu"
    is_positionwise = True

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = as_number(alpha, "alpha", "ELU")

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        below = np.minimum(x, 0)
        slope = np.where(x > 0, x.dtype.type(1), self.alpha * np.exp(below))
        return self.remember(np.maximum(x, 0) + self.alpha * np.expm1(below), slope)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope = self.recall(dout)
        return dout * slope  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x or alpha (exp(x) − 1)."""
        alpha = format_number(self.alpha)
        y = f"max(0, x) + {alpha} (exp(min(0, x)) − 1)"
        return f"y = {y}; dx = dy ⊙ ([x > 0] + {alpha} exp(x) ⊙ [x ≤ 0])"
