from __future__ import annotations

import numpy as np

from ..arrays import (
    RNG,
    Array,
    ArrayLike,
    DTypeLike,
    Shape,
    as_counts,
    as_features,
    as_matrix,
    as_rows,
    as_shaped,
    with_rows_of,
)
from ..initializers import He, Initializer, Zeros, initial_value
from ..layer import Layer
from ..parameter import Parameter
from .rules import Shapes, sum_to_shape


class Affine(Layer):
    """``Y = X @ W + b`` for row vectors: X (…, in_features), Y (…, out_features).

    The parameters are `weight` W (in_features, out_features) and `bias` b (out_features,).

    Eq. (1.20): ∂L/∂X = ∂L/∂Y Wᵀ. Eq. (1.30): ∂L/∂W = Xᵀ ∂L/∂Y, over the rows of all leading axes.
    Eq. (1.31): b reaches every row through a column of ones D, Y = XW + Db, so ∂L/∂b = Dᵀ ∂L/∂Y,
    the sum of ∂L/∂Y over the rows.

    >>> affine = Affine.from_arrays(weight=[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], bias=[0.5, 0.0, 0.0])
    >>> affine.forward([1.0, 2.0]), affine.backward([1.0, 0.0, 0.0])
    (array([ 9.5, 12. , 15. ]), array([1., 4.]))
    """

    kernel_name = "affine"
    is_positionwise = True

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *,
                 init: Initializer = He(), dtype: DTypeLike = np.float32, rng: RNG = None) -> None:  # fmt: skip
        shape = as_counts("Affine", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = shape
        self.weight = Parameter.wrap(initial_value(init, shape, dtype, rng, "Affine"))
        self.bias = Parameter.wrap(initial_value(Zeros(), shape[1:], dtype, rng, "Affine")) if bias else None
        self.dtype = self.weight.dtype

    @classmethod
    def from_arrays(cls, weight: ArrayLike, bias: ArrayLike | None = None) -> Affine:
        """Return a layer with copies of `weight` (in, out) and `bias` (out,), in weight's dtype."""
        weight = as_matrix(weight, "Affine.from_arrays")
        n_in, n_out = weight.shape
        layer = cls(n_in, n_out, bias is not None, init=Zeros(), dtype=weight.dtype)
        layer.weight.value = weight
        if layer.bias is not None and bias is not None:
            layer.bias.value = as_shaped(bias, layer.bias.shape, "Affine.from_arrays, bias")
        return layer

    def forward(self, x: ArrayLike) -> Array:
        """Return Y, of shape (…, out_features)."""
        x = as_features(x, self.in_features, self.dtype, self)
        y = as_rows(x) @ self.weight.value
        if self.bias is not None:
            y += self.bias.value
        return self.remember(with_rows_of(y, x), x)

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradients of W and b, and return ∂L/∂X, of X's shape."""
        self.backward_parameters(dout)
        dout, x = self.recall(dout)
        return with_rows_of(as_rows(dout) @ self.weight.value.T, x)

    def backward_parameters(self, dout: ArrayLike) -> None:
        """Add to the gradients of W and b."""
        dout, x = self.recall(dout)
        self.weight.add_grad_product(as_rows(x).T, as_rows(dout))
        if self.bias is not None:
            self.bias.add_grad_sum(dout)

    def multiply_adds(self, *shapes: Shape) -> int:
        """Return rows · in_features · out_features."""
        return self.out_features * int(np.prod(shapes[0]))

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x·weight + bias, with the gradients of the parameters summed over leading axes."""
        vector = "row(x)ᵀ·row(dy)" if len(output) == 1 else "xᵀ·dy"
        dweight = sum_to_shape(vector, self.weight.shape, (*output[:-2], *self.weight.shape))
        lines = ["y = x·weight", "dx = dy·weightᵀ", f"dweight = {dweight}"]
        if self.bias is not None:
            lines = [lines[0] + " + bias", *lines[1:], f"dbias = {sum_to_shape('dy', self.bias.shape, output)}"]
        return "\n".join(lines)
