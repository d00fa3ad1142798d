"""Functions of one number without a layer in the catalogue, with their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...arrays import Array, ArrayLike, as_floats
from ...errors import InvalidValueError
from ...layer import Layer
from ...normal import normal


class Elementwise(Layer):
    """``y = f(x)`` for each element, with f one of `FUNCTIONS` by its name.

    ∂y/∂x = f'(x), which is listed with f in the table.

    >>> sine = Elementwise("sin")
    >>> sine.forward([0.0]), sine.backward([2.0])
    (array([0.]), array([2.]))
    """

    is_positionwise = True

    def __init__(self, function: str) -> None:
        if function not in FUNCTIONS:
            raise InvalidValueError(f"function is {function!r}, expected one of {', '.join(FUNCTIONS)}", where="Elementwise")
        self.function = function

    @np.errstate(all="ignore")
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        y = np.asarray(FUNCTIONS[self.function][0](x), x.dtype)
        return self.remember(y, x, y)

    @np.errstate(all="ignore")
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, x, y = self.recall(dout)
        return np.asarray(dout * FUNCTIONS[self.function][1](x, y), dout.dtype)

    @property
    def rule(self) -> str:  # type: ignore[override]
        """Return the function by its name."""
        return f"y = {self.function}(x); dx = dy ⊙ {self.function}′(x)"


def _erf(x: Array) -> Array:
    return 2 * normal(np.clip(x, -20, 20) * math.sqrt(2))[0] - 1


def _erf_slope(x: Array, y: Array) -> Array:
    return 2 / math.sqrt(math.pi) * np.exp(-x * x)  # type: ignore[no-any-return]


def _zero(x: Array, y: Array) -> Array:
    return np.zeros_like(x)


FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    "sin": (np.sin, lambda x, y: np.cos(x)),
    "cos": (np.cos, lambda x, y: -np.sin(x)),
    "tan": (np.tan, lambda x, y: 1 + y * y),
    "asin": (np.arcsin, lambda x, y: 1 / np.sqrt(1 - x * x)),
    "acos": (np.arccos, lambda x, y: -1 / np.sqrt(1 - x * x)),
    "atan": (np.arctan, lambda x, y: 1 / (1 + x * x)),
    "sinh": (np.sinh, lambda x, y: np.cosh(x)),
    "cosh": (np.cosh, lambda x, y: np.sinh(x)),
    "asinh": (np.arcsinh, lambda x, y: 1 / np.sqrt(x * x + 1)),
    "acosh": (np.arccosh, lambda x, y: 1 / np.sqrt(x * x - 1)),
    "atanh": (np.arctanh, lambda x, y: 1 / (1 - x * x)),
    "erf": (_erf, _erf_slope),
    "floor": (np.floor, _zero),
    "ceil": (np.ceil, _zero),
    "round": (np.rint, _zero),
    "sign": (np.sign, _zero),
}
