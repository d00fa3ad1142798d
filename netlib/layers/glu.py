from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..errors import ShapeError
from ..layer import Layer
from ..underflow import ignore_underflow
from .axes import as_axis, require_axis
from .rules import Shape, Shapes
from .sigmoid import sigmoid


class GLU(Layer):
    """``y = a * sigmoid(b)``, where a and b are the first and second half of x along `axis`.

    b controls a gate for a (Dauphin et al., 2017).

    With s = sigmoid(b) and s' = s (1 - s): ∂y/∂a = s and ∂y/∂b = a s'. ∂L/∂x is ∂L/∂a and ∂L/∂b
    side by side.

    >>> glu = GLU()
    >>> glu.forward([3.0, 5.0, 0.0, 1e4]), glu.backward([4.0, 4.0])
    (array([1.5, 5. ]), array([2., 4., 3., 0.]))
    """

    kernel_name = "glu"

    def __init__(self, axis: int = -1) -> None:
        self.axis = as_axis(axis, type(self).__name__)

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, half as long as x along the axis."""
        a, b = self._halves(x)
        s = sigmoid(b)
        return self.remember(a * s, s, a * s * (1 - s))

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope_a, slope_b = self.recall(dout)
        return np.concatenate([dout * slope_a, dout * slope_b], axis=self.axis)

    def _halves(self, x: ArrayLike) -> list[Array]:
        """Return the halves of `x` along the axis, or raise if their lengths differ."""
        x = as_floats(x, where=self)
        require_axis(x, self.axis, self)
        if x.shape[self.axis] % 2 == 1:
            message = f"got x of shape {x.shape}, expected an even length along axis {self.axis}"
            raise ShapeError(message, where=self, hint="x holds two halves: the layer before has twice as many outputs.")
        return np.split(x, 2, axis=self.axis)

    @property
    def is_positionwise(self) -> bool:
        """Whether `axis` is the feature axis, the last of (N, T, features)."""
        return self.axis in (-1, 2)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return one half times the sigmoid of the other."""
        return self._gate_rule(inputs, "a ⊙ σ(b)", "dy ⊙ σ(b)", "dy ⊙ a ⊙ σ(b) ⊙ (1 − σ(b))")

    def _gate_rule(self, inputs: Shapes, y: str, da: str, db: str) -> str:
        """Return the rule for these formulas of the halves a and b."""
        (shape,) = inputs
        axis = self.axis % len(shape)
        n = shape[axis]
        halves = f"where a = (x, piece 0:{n // 2} along axis {axis}), b = (x, piece {n // 2}:{n} along axis {axis})"
        return f"y = {y}, {halves}\ndx = ({da}), ({db}), side by side along axis {axis}, {halves}"


class SwiGLU(GLU):
    """``y = silu(a) * b``, where a and b are the first and second half of x along `axis`.

    silu(a) = a sigmoid(a), as in `SiLU`. This is the activation alone. The feed-forward layer of
    the same name (Shazeer, 2020) computes a and b with one `Affine`::

        Sequential(Affine(d, 2 * hidden, bias=False), SwiGLU(), Affine(hidden, d, bias=False))

    With s = sigmoid(a): ∂y/∂a = b s (1 + a (1 - s)) and ∂y/∂b = a s. ∂L/∂x is ∂L/∂a and ∂L/∂b side
    by side.

    >>> swiglu = SwiGLU()
    >>> swiglu.forward([0.0, 1e4, 3.0, 2.0]), swiglu.backward([4.0, 4.0])
    (array([    0., 20000.]), array([6.e+00, 8.e+00, 0.e+00, 4.e+04]))
    """

    kernel_name = "swiglu"

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, half as long as x along the axis."""
        a, b = self._halves(x)
        s = sigmoid(a)
        return self.remember(a * s * b, b * (s * (1 + a * (1 - s))), a * s)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the SiLU of one half times the other."""
        return self._gate_rule(inputs, "a ⊙ σ(a) ⊙ b", "dy ⊙ b ⊙ σ(a) ⊙ (1 + a ⊙ (1 − σ(a)))", "dy ⊙ a ⊙ σ(a)")
