from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow
from .axes import as_axis, require_axis
from .rules import Shape, Shapes


class LogSoftmax(Layer):
    """``y = x - log(sum(exp(x)))`` along `axis`.

    The largest x is subtracted first, which prevents overflow and does not change y.

    ∂y_i/∂x_j = δ_ij - softmax(x)_j, so ∂L/∂x = ∂L/∂y - exp(y) Σ_i ∂L/∂y_i.

    >>> layer = LogSoftmax()
    >>> layer.forward([-1e4, 1e4]), layer.backward([1.0, 0.0])
    (array([-20000.,      0.]), array([ 1., -1.]))
    """

    kernel_name = "log_softmax"

    def __init__(self, axis: int = -1) -> None:
        self.axis = as_axis(axis, "LogSoftmax")

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        require_axis(x, self.axis, self)
        y = x - x.max(axis=self.axis, keepdims=True)
        y -= np.log(np.exp(y).sum(axis=self.axis, keepdims=True))
        return self.remember(y, y)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, y = self.recall(dout)
        return dout - np.exp(y) * dout.sum(axis=self.axis, keepdims=True)  # type: ignore[no-any-return]

    @property
    def is_positionwise(self) -> bool:
        """Whether `axis` is the feature axis, the last of (N, T, features)."""
        return self.axis in (-1, 2)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x − log of the sum of exp(x)."""
        total = f"sum[axis={self.axis}]"
        return f"y = x − log({total}(exp(x))); dx = dy − exp(y) ⊙ {total}(dy)"
