from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_count, as_floats
from ..errors import ShapeError
from ..layer import Layer
from .axes import as_axis
from .rules import Shapes


class Split(Layer):
    """x in pieces along `axis`, as in `numpy.split`.

    `sections` is the number of pieces, which are equally long, or the indices where a piece ends
    and the next begins: ``Split([2, 5])`` gives x[:2], x[2:5] and x[5:].

    Each x is in one piece, so ∂L/∂x consists of the gradients of the pieces, joined again.

    >>> split = Split([1], axis=1)
    >>> split.forward([[1.0, 2.0, 3.0]]), split.backward(([[4.0]], [[5.0, 6.0]]))
    ((array([[1.]]), array([[2., 3.]])), array([[4., 5., 6.]]))
    """

    kernel_name = "split"

    def __init__(self, sections: int | Sequence[int], axis: int = 0) -> None:
        self.axis = as_axis(axis, "Split")
        if isinstance(sections, list | tuple | np.ndarray):
            self.sections: int | list[int] = [as_count(i, "sections", "Split", least=-sys.maxsize) for i in sections]
            self.n_outputs = len(self.sections) + 1
        else:
            self.sections = self.n_outputs = as_count(sections, "sections", "Split", least=1)

    def forward(self, x: ArrayLike) -> Array | tuple[Array, ...]:
        """Return copies of the pieces, as a tuple if there are several."""
        x = as_floats(x, where=self)
        if not -x.ndim <= self.axis < x.ndim:
            raise ShapeError(f"got x of shape {x.shape}, which has no axis {self.axis}", where=self)
        ys = tuple(np.array(piece) for piece in np.split(x, self._ends(x.shape)[1:-1], self.axis))
        return self.remember(ys if self.n_outputs > 1 else ys[0])

    def backward(self, douts: ArrayLike | Sequence[ArrayLike]) -> Array:
        """Return ∂L/∂x. `douts` is the gradient of each piece, as a tuple if there are several."""
        (pieces,) = self.recall(douts)
        return np.concatenate(pieces if self.n_outputs > 1 else [pieces], self.axis)

    def _ends(self, shape: Shape) -> list[int]:
        """Return where the pieces begin, and the end of the last."""
        n = shape[self.axis]
        if isinstance(self.sections, int):
            if n % self.sections:
                message = f"got x of shape {shape}, whose axis {self.axis} has no {self.sections} equal pieces"
                raise ShapeError(message, where=self, hint="Give the indices where pieces begin, such as Split([2, 5]).")
            return list(range(0, n, n // self.sections)) + [n] if n else [0] * (self.sections + 1)
        ends = [0, *(slice(i).indices(n)[1] for i in self.sections), n]
        if any(begin > end for begin, end in pairwise(ends)):
            raise ShapeError(f"got x of shape {shape}, where the indices {self.sections} are not in ascending order", where=self)
        return ends

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return each piece, and the gradients side by side."""
        names = ["y"] if self.n_outputs == 1 else [f"y{i + 1}" for i in range(self.n_outputs)]
        axis, places = self.axis, pairwise(self._ends(inputs[0]))
        lines = [f"{name} = x, piece {begin}:{end} along axis {axis}" for name, (begin, end) in zip(names, places, strict=True)]
        return "\n".join([*lines, f"dx = {', '.join(f'd{name}' for name in names)}, side by side along axis {axis}"])
