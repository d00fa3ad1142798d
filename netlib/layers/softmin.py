from __future__ import annotations

from ..arrays import Array, ArrayLike, as_floats
from .rules import Shape, Shapes
from .softmax import Softmax


class Softmin(Softmax):
    """``y = exp(-x) / sum(exp(-x))`` along `axis`: the softmax of -x, largest where x is smallest.

    ∂(-x)/∂x = -1, so ∂L/∂x is -1 times that of `Softmax`.

    >>> softmin = Softmin()
    >>> softmin.forward([0.0, 0.0, 1e4]), softmin.backward([1.0, 0.0, 0.0])
    (array([0.5, 0.5, 0. ]), array([-0.25,  0.25,  0.  ]))
    """

    kernel_name = "softmin"

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        return super().forward(-as_floats(x, where=self))

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        return -super().backward(dout)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return exp(−x) divided by its sum."""
        total = f"sum[axis={self.axis}]"
        return f"y = exp(−x) / {total}(exp(−x)); dx = y ⊙ ({total}(dy ⊙ y) − dy)"
