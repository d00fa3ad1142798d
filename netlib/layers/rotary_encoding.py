from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_count, as_number
from ..errors import InvalidValueError
from ..layer import Layer
from .positions import angles, as_sequence
from .rules import Shape, Shapes, format_number, format_shape


class RotaryEncoding(Layer):
    """x (…, T, features) with pairs of features rotated by angles that grow with the position.

    Pair i rotates by a = t / base^(2i / features) at position t: (y₁, y₂) = (x₁ cos a - x₂ sin a,
    x₂ cos a + x₁ sin a). So the product of a query and a key depends on how far apart they are. The
    pairs are features i and i + features / 2, or neighbours if `interleaved` is true (Su et al.,
    "RoFormer", 2021). `features` are those of one head, an even number.

    y = Rx with a rotation matrix R. Rᵀ = R⁻¹: ∂L/∂x = Rᵀ ∂L/∂y is ∂L/∂y rotated back, by -a.

    >>> rotary = RotaryEncoding(2)
    >>> rotary.forward([[1.0, 0.0], [1.0, 0.0]]).round(4).tolist()
    [[1.0, 0.0], [0.5403, 0.8415]]
    >>> rotary.backward([[1.0, 0.0], [1.0, 0.0]]).round(4).tolist()
    [[1.0, 0.0], [0.5403, -0.8415]]
    """

    kernel_name = "rotary_encoding"

    def __init__(self, features: int, *, base: float = 10000.0, interleaved: bool = False) -> None:
        self.features = as_count(features, "features", "RotaryEncoding", least=2)
        if self.features % 2:
            raise InvalidValueError(f"features is {features}, expected an even number", where="RotaryEncoding")
        self.base, self.interleaved = as_number(base, "base", "RotaryEncoding", least=1), bool(interleaved)

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_sequence(x, self.features, self)
        cos, sin = self._waves(0, x)
        return self.remember(self._turn(x, cos, sin), cos, sin)

    def forward_next(self, past: int | None, x: ArrayLike) -> Any:
        """Return y for positions after the `past` ones, and the number of positions so far."""
        x = as_sequence(x, self.features, self)
        return self._turn(x, *self._waves(past or 0, x)), (past or 0) + x.shape[-2]

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, cos, sin = self.recall(dout)
        return self._turn(dout, cos, -sin)

    def _waves(self, start: int, x: Array) -> tuple[Array, Array]:
        a = angles(start, x.shape[-2], self.features, self.base)
        return np.asarray(np.cos(a), x.dtype), np.asarray(np.sin(a), x.dtype)

    def _turn(self, x: Array, cos: Array, sin: Array) -> Array:
        half = self.features // 2
        one, two = (slice(0, None, 2), slice(1, None, 2)) if self.interleaved else (slice(half), slice(half, None))
        x1, x2 = x[..., one], x[..., two]
        y = np.empty(x.shape, x.dtype)
        y[..., one], y[..., two] = x1 * cos - x2 * sin, x2 * cos + x1 * sin
        return y

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the rotated pairs, as neighbours or one half after the other."""
        half, axis, shape, end = self.features // 2, len(output) - 1, "", self.features // 2
        a = f"column(arange({output[-2]})) ⊙ exp(−{format_number(2 * math.log(self.base) / self.features)} arange({half}))"
        if self.interleaved:
            a, axis, shape, end = f"column({a})", axis + 1, f", reshaped to {format_shape(output)}", 1
        lines = []
        for name, x, sign, other in [("y", "x", "−", "+"), ("dx", "dy", "+", "−")]:
            pairs = f"({x}, reshaped to {format_shape((*output[:-1], half, 2))})" if self.interleaved else x
            u, v = (f"({pairs}, piece {begin}:{begin + end} along axis {axis})" for begin in (0, end))
            turned = f"u ⊙ cos(a) {sign} v ⊙ sin(a), v ⊙ cos(a) {other} u ⊙ sin(a), side by side along axis {axis}{shape}"
            lines.append(f"{name} = {turned}, where u = {u}, v = {v}, a = {a}")
        return "\n".join(lines)
