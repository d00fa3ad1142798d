from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, DTypeLike, Shape, as_dtype
from .normalization import Normalization, as_tail, as_tailed
from .rules import Shapes, format_axes, format_number
from .standardization import mean_over


class RMSNorm(Normalization):
    """``y = x / r * weight``, with r² = mean(x²) + eps of each sample.

    The mean is taken over the last axes, whose lengths are `shape`, an int or a tuple. `weight`,
    initially ones, has this shape. By default, eps is the machine epsilon of the dtype (Zhang and
    Sennrich, 2019).

    x reaches y directly and through r, with ∂r/∂x = x / (n r). With d = ∂L/∂y * weight and
    x̂ = x / r, ∂L/∂x = (d − x̂ mean(d x̂)) / r.

    >>> norm = RMSNorm(2, eps=0.0, dtype="float64")
    >>> norm.forward([[7.0, 1.0]]), norm.backward([[1.0, 7.0]])
    (array([[1.4, 0.2]]), array([[-0.192,  1.344]]))
    """

    kernel_name = "rms_norm"

    def __init__(self, shape: int | Shape, eps: float | None = None, affine: bool = True, *, dtype: DTypeLike = np.float32) -> None:
        self.shape = as_tail(shape, "RMSNorm")
        self.affine = affine
        super().__init__(self.shape, float(np.finfo(as_dtype(dtype, "RMSNorm")).eps) if eps is None else eps, affine, dtype, bias=False)

    @staticmethod
    def _size_of(shape: Shape) -> dict[str, Any]:
        return {"shape": shape}

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_tailed(x, self.shape, self._compute_dtype, self)
        inverse = 1 / np.sqrt(mean_over(x * x, self._axes) + x.dtype.type(self.eps))
        standardized = x * inverse
        return self.remember(self.scale(standardized), standardized, inverse)

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradient of weight, and return ∂L/∂x."""
        dout, standardized, inverse = self.recall(dout)
        d = self.scale_backward(dout, standardized, tuple(range(dout.ndim - len(self.shape))))
        return (d - standardized * mean_over(d * standardized, self._axes)) * inverse  # type: ignore[no-any-return]

    @property
    def _axes(self) -> Shape:
        return tuple(range(-len(self.shape), 0))

    @property
    def is_positionwise(self) -> bool:
        """Whether the norm is over the last axis only."""
        return len(self.shape) == 1

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the norm with its weight, and their gradients."""
        mean, per = f"mean[axis={format_axes(self._axes)}]", tuple(range(len(output) - len(self.shape)))
        s = f"sqrt({mean}(x²) + {format_number(self.eps)})"
        return self.norm_rule("x / s", s, f"({{d}} − {{z}} ⊙ {mean}({{d}} ⊙ {{z}})) / s", per)
