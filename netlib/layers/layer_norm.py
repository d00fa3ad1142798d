from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, DTypeLike, Shape
from .normalization import Normalization, as_tail, as_tailed
from .rules import Shapes
from .standardization import standardization_rule, standardize, standardize_backward


class LayerNorm(Normalization):
    """``y = (x − μ) / σ * weight + bias``, with the mean μ and σ² = variance + eps of each sample.

    They are taken over the last axes, whose lengths are `shape`, an int or a tuple. The parameters
    `weight`, initially ones, and `bias`, initially zeros, have this shape (Ba et al., 2016).

    x reaches y directly, through μ and through σ: with d = ∂L/∂y * weight and x̂ = (x − μ) / σ,
    ∂L/∂x = (d − mean(d) − x̂ mean(d x̂)) / σ. `BatchNorm` derives it.

    >>> norm = LayerNorm(2, eps=0.0)
    >>> norm.forward([[1.0, 3.0], [10.0, 30.0]]).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    >>> norm.backward([[1.0, 0.0], [0.0, 1.0]]).tolist(), norm.bias.grad.tolist()
    ([[0.0, 0.0], [0.0, 0.0]], [1.0, 1.0])
    """

    kernel_name = "layer_norm"

    def __init__(self, shape: int | Shape, eps: float = 1e-5, affine: bool = True, bias: bool = True, *,
                 dtype: DTypeLike = np.float32) -> None:  # fmt: skip
        self.shape = as_tail(shape, "LayerNorm")
        self.affine = affine
        super().__init__(self.shape, eps, affine, dtype, bias)

    @staticmethod
    def _size_of(shape: Shape) -> dict[str, Any]:
        return {"shape": shape}

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_tailed(x, self.shape, self._compute_dtype, self)
        standardized, inverse = standardize(x, self._axes, self.eps)
        return self.remember(self.scale(standardized), standardized, inverse)

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradients of weight and bias, and return ∂L/∂x."""
        dout, standardized, inverse = self.recall(dout)
        d = self.scale_backward(dout, standardized, tuple(range(dout.ndim - len(self.shape))))
        return standardize_backward(d, standardized, inverse, self._axes)

    @property
    def _axes(self) -> Shape:
        return tuple(range(-len(self.shape), 0))

    @property
    def is_positionwise(self) -> bool:
        """Whether the norm is over the last axis only."""
        return len(self.shape) == 1

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the norm with its weight and bias, and their gradients."""
        per = tuple(range(len(output) - len(self.shape)))
        return self.norm_rule(*standardization_rule("x", self._axes, self.eps), per=per)
