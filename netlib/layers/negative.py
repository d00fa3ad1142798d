from __future__ import annotations

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer


class Negative(Layer):
    """``y = -x``.

    ∂y/∂x = -1.

    >>> negative = Negative()
    >>> negative.forward([1.0, -2.0]), negative.backward([3.0, 4.0])
    (array([-1.,  2.]), array([-3., -4.]))
    """

    kernel_name = "negative"
    is_positionwise = True
    rule = "y = −x; dx = −dy"

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        return self.remember(-x)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        (dout,) = self.recall(dout)
        return -dout
