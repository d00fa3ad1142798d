from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_count, as_floats, as_number
from ..errors import InvalidValueError, ShapeError
from ..layer import Layer
from .rules import Shape, Shapes, format_number, format_options, format_shape, format_widths

MODES = ("constant", "reflect", "edge", "wrap")


class Pad(Layer):
    """x with a border of `value`, or of copies of its own numbers, as in `numpy.pad`.

    `widths` is a number for all axes after the second, or a pair (before, after) for each of the
    last axes. ∂L/∂x is the sum of ∂L/∂y over the copies of a number.

    >>> pad = Pad(((1, 2),), mode="edge")
    >>> pad.forward([1.0, 2.0]), pad.backward([1.0, 2.0, 3.0, 4.0, 5.0])
    (array([1., 1., 2., 2., 2.]), array([ 3., 12.]))
    """

    kernel_name = "pad"

    def __init__(self, widths: Any, mode: str = "constant", value: float = 0.0) -> None:
        if mode not in MODES:
            raise InvalidValueError(f"mode is {mode!r}, expected one of {', '.join(MODES)}", where="Pad")
        pairs = widths if isinstance(widths, tuple | list) else ((widths, widths),)
        if not pairs or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
            message = f"widths is {widths!r}, expected a number, or a pair (before, after) for each of the last axes"
            raise InvalidValueError(message, where="Pad")
        for width in chain(*pairs):
            as_count(width, "widths", "Pad")
        self.widths, self.mode, self.value = widths, mode, as_number(value, "value", "Pad")

    def forward(self, x: ArrayLike) -> Array:
        """Return y, with longer axes."""
        x = as_floats(x, where=self)
        pairs = self._pairs(x.shape)
        options = {"constant_values": self.value} if self.mode == "constant" else {}
        return self.remember(np.pad(x, pairs, self.mode, **options), x.shape, pairs)  # type: ignore[call-overload]

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dx, shape, pairs = self.recall(dout)
        for axis, (before, after) in enumerate(pairs):
            dy, end = np.moveaxis(dx, axis, 0), before + shape[axis]
            dx = dy[before:end]
            if self.mode != "constant" and (before or after):
                dx, source = dx.copy(), np.pad(np.arange(shape[axis]), (before, after), self.mode)  # type: ignore[call-overload]
                for i in (*range(before), *range(end, len(dy))):
                    dx[source[i]] += dy[i]
            dx = np.moveaxis(dx, 0, axis)
        return np.array(dx)

    def _pairs(self, shape: Shape) -> list[tuple[int, int]]:
        """Return the widths for every axis of `x`, or raise."""
        is_for_all = not isinstance(self.widths, tuple | list)
        last = [(self.widths, self.widths)] * max(len(shape) - 2, 1) if is_for_all else [tuple(pair) for pair in self.widths]
        if len(last) > len(shape):
            raise ShapeError(f"got x of shape {shape}, expected at least {len(last)} axes", where=self)
        pairs = [(0, 0)] * (len(shape) - len(last)) + last
        if self.mode != "constant" and any(n == 0 and any(pair) for n, pair in zip(shape, pairs, strict=True)):
            raise ShapeError(f"got x of shape {shape}, whose empty axis has nothing to copy", where=self)
        return pairs

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the padding of the last axes, and its transpose."""
        pairs = self._pairs(inputs[0])
        first = next((axis for axis, pair in enumerate(pairs) if any(pair)), None)
        if first is None:
            return "y = x; dx = dy"
        options = {"widths": "×".join(format_widths([pair]) for pair in pairs[first:]), "mode": self.mode}
        transposed = format_options(**options, to=format_shape(inputs[0][first:]))
        value = format_number(self.value if self.mode == "constant" else 0)
        return f"y = pad{format_options(**options, value=value)}(x); dx = pad_transpose{transposed}(dy)"
