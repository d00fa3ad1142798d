"""Layers whose options are inputs, such as a shape that depends on the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...arrays import Array, ArrayLike, Shape, as_array, as_floats
from ...errors import InvalidValueError, ShapeError
from ...layer import Layer
from ...layers import BroadcastTo, Pad, Reshape, Slice
from .tile import Tile


class Late(Layer):
    """A layer that every forward creates from inputs, such as the shape of `Reshape`.

    `kind` is a name in `KINDS`. Only the first input has a gradient, that of the layer; the others
    are whole numbers.

    >>> reshape = Late("reshape")
    >>> reshape.forward([[1.0, 2.0], [3.0, 4.0]], [0, 2, 1]).shape
    (2, 2, 1)
    >>> reshape.backward([[[1.0], [2.0]], [[3.0], [4.0]]])
    array([[1., 2.],
           [3., 4.]])
    """

    def __init__(self, kind: str) -> None:
        if kind not in KINDS:
            raise InvalidValueError(f"kind is {kind!r}, expected one of {', '.join(KINDS)}", where="Late")
        self.kind = kind

    def forward(self, x: ArrayLike, *numbers: ArrayLike) -> Array:
        """Return y of the layer that the numbers describe."""
        x = as_floats(x, where=self)
        layer = KINDS[self.kind](x.shape, *(as_array(each, self).astype(int).ravel().tolist() for each in numbers))
        return self.remember(layer.forward(x), layer)

    def backward(self, dout: ArrayLike) -> Any:
        """Return ∂L/∂x."""
        dout, layer = self.recall(dout)
        return layer.backward(dout)

    def count_differentiable(self, n_inputs: int) -> int:
        """Return 1."""
        return 1


def reshape(x: Shape, shape: list[int]) -> Layer:
    """Return the layer for a shape as ONNX writes it: 0 keeps a length."""
    if any(n == 0 for n in shape[len(x) :]):
        raise ShapeError(f"got x of shape {x} and the shape {shape}, whose 0 keeps an axis that x does not have", where="Late")
    return Reshape(tuple(x[i] if n == 0 else n for i, n in enumerate(shape)))


def expand(x: Shape, shape: list[int]) -> Layer:
    """Return the layer for a shape in which 1 keeps a length."""
    ahead = len(x) - len(shape)
    return BroadcastTo((*[-1] * ahead, *(-1 if n == 1 and i + ahead >= 0 else n for i, n in enumerate(shape))))


def slices(x: Shape, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> Layer:
    """Return the layer for a part along some axes."""
    key = [slice(None)] * len(x)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        key[axis] = slice(start, end, step)
    return Slice(tuple(key))


def pad(x: Shape, widths: list[int], axes: list[int]) -> Layer:
    """Return the layer for widths before and after some axes."""
    pairs = [(0, 0)] * len(x)
    n = len(axes)
    for axis, before, after in zip(axes, widths[:n], widths[n:], strict=True):
        pairs[axis] = before, after
    return Pad(tuple(pairs))


def flatten(x: Shape, axis: list[int]) -> Layer:
    """Return the layer for a matrix whose rows are the axes before `axis`."""
    n = 1
    for length in x[: axis[0]]:
        n *= length
    return Reshape((n, -1)) if n else Reshape((0, 1))


KINDS: dict[str, Callable[..., Layer]] = {
    "reshape": reshape,
    "reshape to": lambda x, shape: Reshape(tuple(shape)),
    "expand": expand,
    "slice": slices,
    "flatten": flatten,
    "pad": pad,
    "tile": lambda x, repeats: Tile(tuple(repeats)),
}
