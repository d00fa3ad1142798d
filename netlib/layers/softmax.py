from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow
from .axes import as_axis, require_axis
from .rules import Shape, Shapes


class Softmax(Layer):
    """``y = exp(x) / sum(exp(x))`` along `axis`.

    The largest x is subtracted first, which prevents overflow and does not change y.

    ∂y_i/∂x_j = y_i (δ_ij - y_j), so ∂L/∂x = y (∂L/∂y - Σ_j y_j ∂L/∂y_j). The Jacobian is not
    diagonal: every x affects every y.

    >>> softmax = Softmax()
    >>> softmax.forward([[0.0, 0.0], [-1e4, 1e4]])
    array([[0.5, 0.5],
           [0. , 1. ]])
    >>> softmax.backward([[1.0, 0.0], [1.0, 0.0]])
    array([[ 0.25, -0.25],
           [ 0.  ,  0.  ]])
    """

    kernel_name = "softmax"

    def __init__(self, axis: int = -1) -> None:
        self.axis = as_axis(axis, "Softmax")

    @np.errstate(over="ignore", under="ignore")
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        require_axis(x, self.axis, self)
        y = np.exp(x - x.max(axis=self.axis, keepdims=True))
        y /= y.sum(axis=self.axis, keepdims=True)
        return self.remember(y, y)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, y = self.recall(dout)
        return y * (dout - (dout * y).sum(axis=self.axis, keepdims=True))  # type: ignore[no-any-return]

    @property
    def is_positionwise(self) -> bool:
        """Whether `axis` is the feature axis, the last of (N, T, features)."""
        return self.axis in (-1, 2)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return exp(x) divided by its sum."""
        total = f"sum[axis={self.axis}]"
        return f"y = exp(x) / {total}(exp(x)); dx = y ⊙ (dy − {total}(dy ⊙ y))"
