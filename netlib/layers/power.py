from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_common_floats, unbroadcast
from ..errors import ShapeError
from ..layer import Layer
from ..underflow import ignore_underflow
from .broadcasting import require_broadcastable
from .rules import Shape, Shapes, elementwise_rule, format_number


class Power(Layer):
    """``y = x ** p`` element by element, with NumPy's broadcasting.

    ∂y/∂x = p x^(p-1), which is 0 for p = 0, whatever x is. ∂y/∂p = x^p log(x), and its limit 0 at
    x = 0 where p ≥ 0. As in PyTorch, ∂y/∂p is NaN where x < 0: there is no derivative, even if p is
    a whole number. The gradients of broadcast copies add up. p is the second input, or the fixed
    number `exponent`, as in ``Power(2)(x)``, also written ``node ** 2``.

    >>> power = Power()
    >>> power.forward([1.0, 3.0], 2.0), power.backward([1.0, 1.0])[0]
    (array([1., 9.]), array([2., 6.]))
    """

    kernel_name = "power"
    is_positionwise = True

    def __init__(self, exponent: float | None = None) -> None:
        self.exponent = None if exponent is None else float(exponent)

    @ignore_underflow
    def forward(self, x: ArrayLike, p: ArrayLike | None = None) -> Array:
        """Return the power, of the inputs' broadcast shape and common floating type."""
        if (p is None) == (self.exponent is None):
            hint = "Give the exponent once: Power(2)(x) or Power()(x, p)."
            raise ShapeError("got two exponents" if self.exponent is not None else "got no exponent", where=self, hint=hint)
        x, p = as_common_floats((x, self.exponent if p is None else p), self)  # type: ignore[arg-type]
        require_broadcastable((x, p), self)
        y = x**p
        return self.remember(y, x, p, y)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array | tuple[Array, Array]:
        """Return ∂L/∂x and, if p is an input, ∂L/∂p."""
        dout, x, p, y = self.recall(dout)
        dx = dout * p * x ** np.where(p == 0, 0, p - 1)  # x^0 is 1 for infinite x, too
        if self.exponent is not None:
            return dx  # type: ignore[no-any-return]
        with np.errstate(invalid="ignore"):
            dp = dout * y * np.log(np.where((x == 0) & (p >= 0), 1, x))
        return unbroadcast(dx, x.shape), unbroadcast(dp, p.shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x^p, with the gradients of broadcast inputs summed."""
        if self.exponent is not None:
            p, less = (f"({format_number(number)})" for number in (self.exponent, self.exponent - 1))
            return f"y = x^{p}; dx = dy ⊙ {p} ⊙ x^{less}"
        return elementwise_rule("x^p", {"x": "dy ⊙ p ⊙ x^(p − 1)", "p": "dy ⊙ x^p ⊙ log(x)"}, inputs, output)
