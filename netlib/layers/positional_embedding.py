from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import RNG, Array, ArrayLike, DTypeLike, as_counts, as_matrix, unbroadcast
from ..errors import ShapeError
from ..initializers import Initializer, Normal, Zeros, initial_value
from ..layer import Layer
from ..parameter import Parameter
from .positions import as_sequence
from .rules import Shape, Shapes, format_widths, sum_to_shape


class PositionalEmbedding(Layer):
    """``y = x + weight[:T]``: a learned row for each position of x (…, T, features).

    The parameter `weight` is (length, features), and T is at most `length`.

    x reaches y unchanged: ∂L/∂x = ∂L/∂y. Row t of weight reaches position t of every sequence, as b
    reaches every row in Eq. (1.31): row t of ∂L/∂weight is the sum of ∂L/∂y at t over the leading
    axes, and zero from T on.

    >>> positions = PositionalEmbedding.from_arrays([[0.5, 0.0], [0.0, 0.5], [9.0, 9.0]])
    >>> positions.forward([[1.0, 2.0], [3.0, 4.0]]).tolist()
    [[1.5, 2.0], [3.0, 4.5]]
    >>> positions.backward([[1.0, 0.0], [0.0, 1.0]]).tolist(), positions.weight.grad.tolist()
    ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    """

    kernel_name = "positional_embedding"

    def __init__(self, length: int, features: int, *,
                 init: Initializer = Normal(1.0), dtype: DTypeLike = np.float32, rng: RNG = None) -> None:  # fmt: skip
        shape = as_counts("PositionalEmbedding", length=length, features=features)
        self.length, self.features = shape
        self.max_length = self.length
        self.weight = Parameter.wrap(initial_value(init, shape, dtype, rng, "PositionalEmbedding"))
        self.dtype = self.weight.dtype

    @classmethod
    def from_arrays(cls, weight: ArrayLike) -> PositionalEmbedding:
        """Return a layer with a copy of `weight` (length, features), in its dtype."""
        weight = as_matrix(weight, "PositionalEmbedding.from_arrays")
        length, features = weight.shape
        layer = cls(length, features, init=Zeros(), dtype=weight.dtype)
        layer.weight.value = weight
        return layer

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        y, n = self.forward_next(None, x)
        return self.remember(y, n)

    def forward_next(self, past: int | None, x: ArrayLike) -> Any:
        """Return y for positions after the `past` ones, and the number of positions so far."""
        x = as_sequence(x, self.features, self, self.dtype)
        start, stop = past or 0, (past or 0) + x.shape[-2]
        if stop > self.length:
            hint = f"Make the layer with length={stop}, or cut the sequences."
            raise ShapeError(f"got a sequence of length {stop}, expected at most {self.length}", where=self, hint=hint)
        return x + self.weight.value[start:stop], stop

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradient of weight, and return ∂L/∂x."""
        dout, n = self.recall(dout)
        self.weight.add_grad_rows(slice(n), unbroadcast(dout, (n, self.features)))
        return dout.copy()

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x + weight, and its gradient summed over the leading axes."""
        n = output[-2]
        rows, dweight = "weight", sum_to_shape("dy", (n, self.features), output)
        if n < self.length:
            rows = f"(weight, piece 0:{n} along axis 0)"
            dweight = f"pad[widths={format_widths([(0, self.length - n), (0, 0)])}]({dweight})"
        return f"y = x + {rows}\ndx = dy\ndweight = {dweight}"
