from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..errors import InvalidValueError
from ..layer import Layer
from ..normal import normal
from ..underflow import ignore_underflow
from .rules import Shape, Shapes, format_number
from .sigmoid import sigmoid

SCALE, CUBIC = 2 * math.sqrt(2 / math.pi), 0.044715
"""The numbers a and c of the approximation."""


class GELU(Layer):
    """``y = x Φ(x)`` with the normal distribution function Φ (Hendrycks and Gimpel, 2016).

    With the density φ = Φ': ∂y/∂x = Φ(x) + x φ(x), where Φ(x) = (1 + erf(x / √2)) / 2 and
    φ(x) = exp(-x² / 2) / √(2π).

    ``approximate="tanh"`` replaces Φ(x) by (1 + tanh(u / 2)) / 2 = σ(u), the sigmoid of
    u = a (x + c x³) with a = 2 √(2 / π) and c = 0.044715, as GPT-2 does. Then
    ∂y/∂x = σ(u) + x σ(u) (1 - σ(u)) ∂u/∂x, with ∂u/∂x = a (1 + 3 c x²).

    >>> gelu = GELU()
    >>> gelu.forward([-1e4, 0.0, 1e4]), gelu.backward([4.0, 4.0, 4.0])
    (array([   -0.,     0., 10000.]), array([0., 2., 4.]))
    >>> GELU(approximate="tanh").forward([1.0]).round(4), gelu.forward([1.0]).round(4)
    (array([0.8412]), array([0.8413]))
    """

    kernel_name = "gelu"
    is_positionwise = True

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise InvalidValueError(f"approximate is {approximate!r}, expected 'none' or 'tanh'", where="GELU")
        self.approximate = approximate

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        near = np.clip(x, -40, 40)  # beyond, φ is 0 and Φ is 0 or 1 in every floating-point type
        if self.approximate == "tanh":
            square = CUBIC * near * near
            below = sigmoid(SCALE * near * (1 + square))
            density = below * (1 - below) * (SCALE * (1 + 3 * square))
        else:
            below, density = normal(near)
        slope = near * density
        slope += below
        return self.remember(x * below, slope)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope = self.recall(dout)
        return dout * slope  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x Φ(x), or its approximation, and the derivative."""
        if self.approximate == "none":
            return "y = x ⊙ Φ(x); dx = dy ⊙ (Φ(x) + x ⊙ φ(x))"
        a, c, c3 = map(format_number, (SCALE, CUBIC, 3 * CUBIC))
        u = f"u = {a} (x + {c} x³)"
        return f"y = x ⊙ σ(u), where {u}\ndx = dy ⊙ (σ(u) + x ⊙ σ(u) ⊙ (1 − σ(u)) ⊙ ({a} (1 + {c3} x²))), where {u}"
