from __future__ import annotations

from types import EllipsisType
from typing import TypeAlias

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_floats
from ..errors import InvalidTypeError, ShapeError
from ..layer import Layer
from .rules import Shapes, format_shape, format_widths

Key: TypeAlias = int | slice | EllipsisType | None


class Slice(Layer):
    """``y = x[key]``, a part of x, with the integers and slices of NumPy's basic indexing.

    `key` is an integer, a slice, ``...``, None, or a tuple of them, as `numpy.s_` returns them:
    ``Slice(np.s_[:, 1:3])``.

    Each element of y is one element of x, and no element of x is used twice, so ∂L/∂x is ∂L/∂y at
    the places of y and 0 elsewhere.

    >>> columns = Slice(np.s_[:, 1:])
    >>> columns.forward([[1.0, 2.0, 3.0]]), columns.backward([[5.0, 6.0]])
    (array([[2., 3.]]), array([[0., 5., 6.]]))
    """

    kernel_name = "slice"

    def __init__(self, key: Key | tuple[Key, ...]) -> None:
        self.key = key
        for part in key if isinstance(key, tuple) else (key,):
            if not isinstance(part, int | np.integer | slice | EllipsisType | None) or isinstance(part, bool):
                hint = "For a choice of columns, multiply by a matrix; for rows of a table, use Embedding."
                raise InvalidTypeError(f"got {part!r} in the key, expected an integer or a slice", where="Slice", hint=hint)

    def forward(self, x: ArrayLike) -> Array:
        """Return a copy of the part."""
        x = as_floats(x, where=self)
        try:
            y = np.array(x[self.key])
        except IndexError as error:
            raise ShapeError(f"got x of shape {x.shape}: {error}", where=self) from None
        return self.remember(y, x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x, of x's shape."""
        dout, shape = self.recall(dout)
        dx = np.zeros(shape, dout.dtype)
        dx[self.key] = dout
        return dx

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the piece along each axis, and zeros around the gradient."""
        (shape,) = inputs
        pieces = self._pieces(shape)
        if pieces is None or 0 in output:
            return f"y = x[{', '.join(map(_write, self._parts))}]; dx = dy at the places of y, 0 elsewhere"
        y = "x"
        for axis, ((begin, end), n) in enumerate(zip(pieces, shape, strict=True)):
            if end - begin < n:
                y = f"{f'({y})' if y != 'x' else y}, piece {begin}:{end} along axis {axis}"
        lengths = tuple(end - begin for begin, end in pieces)
        widths = "×".join(format_widths([(begin, n - end)]) for (begin, end), n in zip(pieces, shape, strict=True))
        if lengths == output:
            return f"y = {y}; dx = pad[widths={widths}](dy)"
        y = f"{f'({y})' if y != 'x' else y}, reshaped to {format_shape(output)}"
        return f"y = {y}; dx = pad[widths={widths}]((dy, reshaped to {format_shape(lengths)}))"

    def __repr__(self) -> str:
        return f"Slice(np.s_[{', '.join(map(_write, self._parts))}])"

    @property
    def _parts(self) -> tuple[Key, ...]:
        return self.key if isinstance(self.key, tuple) else (self.key,)

    def _pieces(self, shape: Shape) -> list[tuple[int, int]] | None:
        """Return begin and end along each axis, or None if the part is no contiguous block."""
        parts, n_missing = list(self._parts), len(shape) - len(self._parts)
        if not shape or any(part is None or part is Ellipsis for part in parts):
            return None
        pieces = []
        for part, n in zip([*parts, *[slice(None)] * n_missing], shape, strict=True):
            begin, end, step = part.indices(n) if isinstance(part, slice) else (part % n, part % n + 1, 1)  # type: ignore[operator]
            if step != 1:
                return None
            pieces.append((begin, end))
        return pieces


def _write(part: Key) -> str:
    """Return a part of the key as it is written between brackets."""
    if part is Ellipsis:
        return "..."
    if not isinstance(part, slice):
        return str(part)
    start, stop, step = ("" if each is None else str(each) for each in (part.start, part.stop, part.step))
    return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"
