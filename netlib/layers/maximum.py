from __future__ import annotations

from functools import reduce

import numpy as np

from ..arrays import Array, ArrayLike, as_common_floats, unbroadcast
from ..errors import ShapeError
from ..layer import Layer
from .broadcasting import require_broadcastable
from .rules import Shape, Shapes, numbered_names, sum_to_shape


class Maximum(Layer):
    """``y = max(x1, x2, …)`` element by element, with NumPy's broadcasting.

    ∂y/∂xi is 1 where xi is the largest and 0 elsewhere. Where n inputs are equally large, each gets
    1 / n of the gradient: two get half each, as in PyTorch. The gradients of broadcast copies add
    up.

    >>> maximum = Maximum()
    >>> maximum.forward([1.0, 5.0, 2.0], [3.0, 4.0, 2.0])
    array([3., 5., 2.])
    >>> maximum.backward([1.0, 1.0, 1.0])
    (array([0. , 1. , 0.5]), array([1. , 0. , 0.5]))
    """

    kernel_name = "maximum"
    is_positionwise = True
    _hint = "For the largest number of one array, use Max."

    def forward(self, *inputs: ArrayLike) -> Array:
        """Return the largest, of the inputs' broadcast shape and common floating type."""
        if len(inputs) < 2:
            raise ShapeError(f"got {len(inputs)} inputs, expected at least 2", where=self, hint=self._hint)
        xs = as_common_floats(inputs, self)
        require_broadcastable(xs, self)
        y = reduce(self._extreme, xs)
        return self.remember(y, y, *xs)

    def backward(self, dout: ArrayLike) -> tuple[Array, ...]:
        """Return ∂L/∂x for each input."""
        dout, y, *xs = self.recall(dout)
        wins = [x == y for x in xs]
        share = dout / np.maximum(sum(win.astype(dout.dtype) for win in wins), 1)  # NaN equals nothing
        return tuple(unbroadcast(share * win, x.shape) for x, win in zip(xs, wins, strict=True))

    def _extreme(self, a: Array, b: Array) -> Array:
        """Return the larger of two."""
        return np.maximum(a, b)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the largest, and each input's share of the gradient."""
        names = numbered_names(len(inputs))
        m = f"max({', '.join(names)})"
        total = " + ".join(f"[{name} = m]" for name in names)
        lines = [f"d{name} = {sum_to_shape(f'dy ⊙ [{name} = m] / ({total})', shape, output)}, where m = {m}"
                 for name, shape in zip(names, inputs, strict=True)]  # fmt: skip
        return "\n".join([f"y = {m}", *lines])
