from __future__ import annotations

import numpy as np

from ...arrays import Array, ArrayLike, as_floats
from ...layer import Layer


class Triangle(Layer):
    """The upper or lower triangle of matrices, as in `numpy.triu` and `numpy.tril`.

    y is x in the triangle and 0 outside, so ∂L/∂x is ∂L/∂y there and 0 outside.

    >>> triangle = Triangle(upper=False)
    >>> triangle.forward([[1.0, 2.0], [3.0, 4.0]]), triangle.backward([[1.0, 1.0], [1.0, 1.0]])
    (array([[1., 0.],
           [3., 4.]]), array([[1., 0.],
           [1., 1.]]))
    """

    def __init__(self, upper: bool = True, k: int = 0) -> None:
        self.upper = upper
        self.k = k

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        return self.remember(self._cut(as_floats(x, where=self)))

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        return self._cut(self.recall(dout)[0])

    def _cut(self, x: Array) -> Array:
        return np.triu(x, self.k) if self.upper else np.tril(x, self.k)
