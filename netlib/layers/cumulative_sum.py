from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_floats
from ..errors import ShapeError
from ..layer import Layer
from .axes import as_axis
from .rules import Shapes


class CumulativeSum(Layer):
    """``y_i = x_0 + … + x_i`` along `axis`, as in `numpy.cumulative_sum`.

    The default is the last axis, as in `Softmax`. NumPy's function has no default for arrays with
    several axes, and `numpy.cumsum` would flatten a batch into one vector.

    x_j is in each y_i with i ≥ j, so ∂L/∂x_j = Σ_{i ≥ j} ∂L/∂y_i, a cumulative sum from the end.

    >>> cumulative_sum = CumulativeSum()
    >>> cumulative_sum.forward([1.0, 2.0, 3.0]), cumulative_sum.backward([1.0, 10.0, 100.0])
    (array([1., 3., 6.]), array([111., 110., 100.]))
    """

    kernel_name = "cumulative sum"

    def __init__(self, axis: int = -1) -> None:
        self.axis = as_axis(axis, "CumulativeSum")

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        if not -x.ndim <= self.axis < x.ndim:
            raise ShapeError(f"got x of shape {x.shape}, which has no axis {self.axis}", where=self)
        return self.remember(np.cumsum(x, axis=self.axis))

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        (dout,) = self.recall(dout)
        return np.flip(np.cumsum(np.flip(dout, self.axis), axis=self.axis), self.axis).copy()

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the product with a triangle of ones, and with its transpose."""
        axis, n = self.axis % len(output), output[self.axis]
        x = "abcdefghijklm"[: len(output)]
        y = x.replace(x[axis], "n")
        return f"y = einsum[{x},n{x[axis]}→{y}](x, tri({n}, {n})); dx = einsum[{y},n{x[axis]}→{x}](dy, tri({n}, {n}))"
