from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_floats
from ..layer import Layer
from .axes import as_axes
from .reduction import along, spread_gradient, wide_type
from .rules import Shapes


class LogSumExp(Layer):
    """``y = log(Σ exp(x))`` over `axis`, as in `scipy.special.logsumexp`.

    `axis` may be one, several or all axes (None). The largest x is subtracted first and added last,
    which prevents overflow and does not change y. If all x are -inf, so is y, and ∂L/∂x = 0.

    ∂y/∂x = exp(x) / Σ exp(x) = exp(x - y), the softmax of x.

    >>> log_sum_exp = LogSumExp(axis=1)
    >>> log_sum_exp.forward([[0.0, 0.0], [-1e4, 1e4]])
    array([6.93147181e-01, 1.00000000e+04])
    >>> log_sum_exp.backward([1.0, 1.0])
    array([[0.5, 0.5],
           [0. , 1. ]])
    """

    kernel_name = "log sum exp"

    def __init__(self, axis: int | Shape | None = None, keepdims: bool = False) -> None:
        self.axis = axis
        self.keepdims = keepdims

    @np.errstate(over="ignore", under="ignore", divide="ignore")
    def forward(self, x: ArrayLike) -> Array:
        """Return the logarithm of the sum."""
        x = as_floats(x, where=self)
        axes = as_axes(x, self.axis, self)
        largest = np.array(x.max(axis=axes, keepdims=True, initial=-math.inf))
        largest[np.isinf(largest)] = 0
        e = np.exp(x - largest)
        total = e.sum(axis=axes, keepdims=True, dtype=wide_type(x))
        y = (np.log(total) + largest).astype(x.dtype)
        return self.remember(y if self.keepdims else y.squeeze(axes), e, total)

    @np.errstate(under="ignore", invalid="ignore")
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, e, total = self.recall(dout)
        share = e / np.where(total == 0, 1, total).astype(total.dtype)
        return (dout.reshape(total.shape) * share).astype(e.dtype)  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the logarithm of the sum, and the softmax."""
        total = f"sum{along(self.axis)}(exp(x))"
        return f"y = log({total}); dx = {spread_gradient(self.axis, inputs[0])} ⊙ (exp(x) / {total})"
