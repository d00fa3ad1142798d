from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_count
from ..layer import Layer
from .positions import angles, as_sequence
from .rules import Shape, Shapes, format_number


class SinusoidalEncoding(Layer):
    """``y = x + e[:T]`` for x (…, T, features), with waves e of the positions.

    Features 2i and 2i + 1 of e are the sine and the cosine of t / 10000^(2i / features) at position
    t, with no cosine for the last sine if features is odd (Vaswani et al., "Attention is all you
    need", 2017).

    e does not depend on x, and nothing in it is learned: ∂L/∂x = ∂L/∂y.

    >>> encoding = SinusoidalEncoding(2)
    >>> encoding.forward([[0.0, 0.0], [0.0, 0.0]]).round(4).tolist()
    [[0.0, 1.0], [0.8415, 0.5403]]
    >>> encoding.backward([[1.0, 2.0], [3.0, 4.0]]).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """

    kernel_name = "sinusoidal_encoding"

    def __init__(self, features: int) -> None:
        self.features = as_count(features, "features", "SinusoidalEncoding", least=1)

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        return self.remember(self.forward_next(None, x)[0])

    def forward_next(self, past: int | None, x: ArrayLike) -> Any:
        """Return y for positions after the `past` ones, and the number of positions so far."""
        x = as_sequence(x, self.features, self)
        start, n = past or 0, x.shape[-2]
        a = angles(start, n, self.features, 10000)
        e = np.empty((n, self.features), x.dtype)
        e[:, 0::2], e[:, 1::2] = np.sin(a), np.cos(a[:, : self.features // 2])
        return x + e, start + n

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        return self.recall(dout)[0].copy()

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x + e, where a cosine is a sine a quarter of a turn ahead."""
        i = f"arange({self.features})"
        rate = format_number(math.log(10000) / self.features)
        waves = f"t = column(arange({output[-2]})), w = exp(−{rate} ({i} − odd)), odd = (1 − cos({format_number(math.pi)} {i})) / 2"
        return f"y = x + sin(t ⊙ w + {format_number(math.pi / 2)} odd), where {waves}\ndx = dy"
