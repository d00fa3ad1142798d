from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_floats
from ..errors import InvalidTypeError, InvalidValueError
from ..layer import Layer
from .axes import as_axes, keepdims_shape
from .reduction import along, keep_axes, spread_gradient, wide_type
from .rules import Shapes, format_number


class Norm(Layer):
    """``y = (Σ |x|^p)^(1/p)`` over `axis`, with p = `ord`, as in `numpy.linalg.vector_norm`.

    `axis` may be one, several or all axes (None). `ord` is a number of at least 1, or infinity,
    which gives the largest |x|. To prevent overflow, x is divided by the largest |x| before the
    powers are taken, and the norm is multiplied by it.

    ∂y/∂x = 1/p (Σ |x|^p)^(1/p - 1) · p |x|^(p-1) sign(x) = sign(x) (|x| / y)^(p-1), which is x / y
    for p = 2. For p = ∞ this tends to sign(x) for the largest |x|, and 0 for the others; if n are
    equally large, each gets 1 / n. Where x = 0 or y = 0 there is no derivative; as in PyTorch, the
    gradient there is 0, which lies between the slopes on both sides.

    >>> norm = Norm(axis=1)
    >>> norm.forward([[3.0, 4.0], [0.0, 0.0]]), norm.backward([1.0, 1.0])
    (array([5., 0.]), array([[0.6, 0.8],
           [0. , 0. ]]))
    """

    kernel_name = "norm"

    def __init__(self, axis: int | Shape | None = None, keepdims: bool = False, ord: float = 2.0) -> None:
        self.axis = axis
        self.keepdims = keepdims
        self.ord = _as_ord(ord)

    @np.errstate(over="ignore", under="ignore")
    def forward(self, x: ArrayLike) -> Array:
        """Return the norm."""
        x = as_floats(x, where=self)
        axes = as_axes(x, self.axis, self)
        size = np.abs(x)
        y = largest = np.max(size, axis=axes, keepdims=True, initial=0)
        if self.ord < math.inf:
            unit = np.where((largest > 0) & (largest < math.inf), largest, 1).astype(x.dtype)
            total = ((size / unit) ** self.ord).sum(axis=axes, keepdims=True, dtype=wide_type(x))
            y = (unit * total ** (1 / self.ord)).astype(x.dtype)
        kept = keepdims_shape(x.shape, axes) if self.keepdims else tuple(n for i, n in enumerate(x.shape) if i not in axes)
        return self.remember(np.array(y).reshape(kept), x, y, axes)

    @np.errstate(invalid="ignore", under="ignore")
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, x, y, axes = self.recall(dout)
        dout, size = keep_axes(dout, x.shape, axes), np.abs(x)
        if self.ord < math.inf:
            return dout * np.sign(x) * (size / np.where(y == 0, 1, y).astype(x.dtype)) ** (self.ord - 1)  # type: ignore[no-any-return]
        is_largest = size == y
        share = (dout / np.maximum(is_largest.sum(axis=axes, keepdims=True), 1)).astype(x.dtype)
        return share * np.sign(x) * is_largest  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the sum of powers, and the gradient sign(x) (|x| / y)^(p-1)."""
        axes, dy = along(self.axis), spread_gradient(self.axis, inputs[0])
        if self.ord == 1:
            return f"y = sum{axes}(|x|); dx = {dy} ⊙ sign(x)"
        if self.ord == 2:
            return f"y = sqrt(sum{axes}(x²)); dx = {dy} ⊙ x / n ⊙ [n > 0], where n = sqrt(sum{axes}(x²))"
        if self.ord == math.inf:
            return f"y = max{axes}(|x|); dx = {dy} ⊙ sign(x) ⊙ w / sum{axes}(w), where w = [|x| = max{axes}(|x|)]"
        p, less = format_number(self.ord), format_number(self.ord - 1)
        n = f"sum{axes}(|x|^{p})^(1 / {p})"
        return f"y = {n}; dx = {dy} ⊙ sign(x) ⊙ (|x| / n)^{less} ⊙ [n > 0], where n = {n}"


def _as_ord(ord: object) -> float:
    """Return `ord` as a float, or raise if it does not define a norm."""
    try:
        if isinstance(ord, bool | str):
            raise TypeError
        number = float(ord)  # type: ignore[arg-type]  # may raise, by design
    except (TypeError, ValueError):
        raise InvalidTypeError(f"ord is {ord!r}, expected a number", where="Norm", hint="For the largest |x|, use numpy.inf.") from None
    if not number >= 1:
        raise InvalidValueError(f"ord is {number:g}, expected at least 1", where="Norm")
    return number
