from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_common_floats, unbroadcast
from ..layer import Layer
from ..underflow import ignore_underflow
from .broadcasting import require_broadcastable
from .rules import Shape, Shapes, elementwise_rule


class Power(Layer):
    """``y = x ** p`` element by element, with NumPy's broadcasting.

    ∂y/∂x = p x^(p-1), which is 0 for p = 0, also at x = 0. ∂y/∂p = x^p log(x), and its limit 0 at
    x = 0 where p ≥ 0. As in PyTorch, ∂y/∂p is NaN where x < 0: there is no derivative, even if p is
    a whole number. The gradients of broadcast copies add up. Both operands are inputs; for
    a fixed exponent, ``node ** 2``, p is a constant of the graph.

    >>> power = Power()
    >>> power.forward([1.0, 3.0], 2.0), power.backward([1.0, 1.0])[0]
    (array([1., 9.]), array([2., 6.]))
    """

    kernel_name = "power"
    is_positionwise = True

    @ignore_underflow
    def forward(self, x: ArrayLike, p: ArrayLike) -> Array:
        """Return the power, of the inputs' broadcast shape and common floating type."""
        x, p = as_common_floats((x, p), self)
        require_broadcastable((x, p), self)
        y = x**p
        return self.remember(y, x, p, y)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> tuple[Array, Array]:
        """Return ∂L/∂x and ∂L/∂p."""
        dout, x, p, y = self.recall(dout)
        dx = dout * p * x ** np.where(p == 0, 1, p - 1)
        with np.errstate(invalid="ignore"):
            dp = dout * y * np.log(np.where((x == 0) & (p >= 0), 1, x))
        return unbroadcast(dx, x.shape), unbroadcast(dp, p.shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x^p, with the gradients of broadcast inputs summed."""
        return elementwise_rule("x^p", {"x": "dy ⊙ p ⊙ x^(p − 1)", "p": "dy ⊙ x^p ⊙ log(x)"}, inputs, output)
