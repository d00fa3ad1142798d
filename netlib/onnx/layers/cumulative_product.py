from __future__ import annotations

import numpy as np

from ...arrays import Array, ArrayLike, as_floats
from ...layer import Layer


class CumulativeProduct(Layer):
    """``y_i = x_0 · … · x_i`` along `axis`, as in `numpy.cumulative_prod`.

    x_j is a factor of each y_i with i ≥ j, so ∂L/∂x_j is the sum over these i of ∂L/∂y_i times the
    product of the other factors of y_i. There is no division, so it also holds for zeros.

    >>> product = CumulativeProduct()
    >>> product.forward([2.0, 3.0, 0.0]), product.backward([1.0, 1.0, 1.0])
    (array([2., 6., 0.]), array([4., 2., 6.]))
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        return self.remember(x.cumprod(axis=self.axis), x)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, x = self.recall(dout)
        dout, x = np.moveaxis(dout, self.axis, 0), np.moveaxis(x, self.axis, 0)
        dx = np.empty(x.shape, dout.dtype)
        before = np.ones(x.shape[1:], x.dtype)
        for j in range(len(x)):
            others = np.concatenate([before[None], x[j + 1 :]]).cumprod(axis=0)
            dx[j] = (dout[j:] * others).sum(axis=0)
            before = before * x[j]
        return np.array(np.moveaxis(dx, 0, self.axis), order="C")
