"""Functions without a derivative: comparison, logic, positions, shapes, whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...arrays import Array, ArrayLike, as_array
from ...errors import InvalidValueError, ShapeError
from ...layer import Layer


class Discrete(Layer):
    """A function of NumPy whose derivative is 0 wherever it has one, or whose inputs have none.

    `function` is a name in `FUNCTIONS`, and `options` are passed to it. No input gets a gradient.

    >>> Discrete("greater").forward([1.0, 3.0], 2.0)
    array([False,  True])
    >>> Discrete("argmax", {"axis": 0}).forward([1.0, 3.0])
    array([1])
    """

    def __init__(self, function: str, options: dict[str, Any] | None = None) -> None:
        if function not in FUNCTIONS:
            raise InvalidValueError(f"function is {function!r}, expected one of {', '.join(FUNCTIONS)}", where="Discrete")
        self.function = function
        self.options = options

    def forward(self, *inputs: ArrayLike) -> Array:
        """Return a new array: the function of the inputs."""
        xs = [as_array(x, self) for x in inputs]
        try:
            with np.errstate(all="ignore"):
                y = FUNCTIONS[self.function](*xs, **(self.options or {}))
        except (ValueError, IndexError, TypeError) as error:
            raise ShapeError(f"got shapes {[x.shape for x in xs]}: {error}", where=self) from None
        return self.remember(np.array(y, order="C"))

    def backward(self, dout: Any) -> None:
        """Return nothing: there is no gradient."""
        self.recall(dout)

    def count_differentiable(self, n_inputs: int) -> int:
        """Return 0."""
        return 0


def _is_inf(x: Array, negative: bool = True, positive: bool = True) -> Array:
    return (np.isneginf(x) & negative) | (np.isposinf(x) & positive)


def _position(find: Callable[..., Array]) -> Callable[..., Array]:
    def position(x: Array, axis: int = 0, keepdims: bool = True, last: bool = False) -> Array:
        y = find(np.flip(x, axis) if last else x, axis=axis, keepdims=keepdims)
        return (x.shape[axis] - 1 - y if last else y).astype(np.int64)

    return position


def _one_hot(indices: Array, depth: Array, values: Array, axis: int = -1) -> Array:
    n = int(depth.reshape(()))
    places = indices.astype(np.int64)
    hot = (np.expand_dims(places, -1) % n == np.arange(n)) & np.expand_dims((places >= -n) & (places < n), -1)
    return np.moveaxis(np.where(hot, values[1], values[0]), -1, axis)


def _eye_like(x: Array, k: int = 0, dtype: str = "float32") -> Array:
    rows, columns = x.shape
    return np.eye(rows, columns, k, np.dtype(dtype))


def _full(shape: Array, value: Array) -> Array:
    return np.full(shape.tolist(), value.reshape(())[()])


def _shape(x: Array, start: int = 0, end: int | None = None) -> Array:
    return np.array(x.shape[start:end], np.int64)


def _hardmax(x: Array, axis: int = -1) -> Array:
    first = np.expand_dims(np.argmax(x, axis), axis)
    y = np.zeros_like(x)
    np.put_along_axis(y, first, 1, axis)
    return y


def _cast(x: Array, dtype: str = "int64") -> Array:
    return x != 0 if dtype == "bool" else x.astype(dtype)


def _quantize(x: Array, scale: Array, zero: Array | None = None, dtype: str = "uint8") -> Array:
    info = np.iinfo(dtype)
    return np.clip(np.rint(x / scale) + (0 if zero is None else zero), info.min, info.max).astype(dtype)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "equal": np.equal,
    "greater": np.greater,
    "greater or equal": np.greater_equal,
    "less": np.less,
    "less or equal": np.less_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "xor": np.logical_xor,
    "not": np.logical_not,
    "bitwise and": np.bitwise_and,
    "bitwise or": np.bitwise_or,
    "bitwise xor": np.bitwise_xor,
    "bitwise not": np.invert,
    "left shift": np.left_shift,
    "right shift": np.right_shift,
    "mod": np.mod,
    "fmod": np.fmod,
    "isnan": np.isnan,
    "isinf": _is_inf,
    "where": np.where,
    "argmax": _position(np.argmax),
    "argmin": _position(np.argmin),
    "hardmax": _hardmax,
    "one hot": _one_hot,
    "eye like": _eye_like,
    "full": _full,
    "range": lambda start, end, step: np.arange(start[()], end[()], step[()], dtype=start.dtype),
    "shape": _shape,
    "size": lambda x: np.array(x.size, np.int64),
    "nonzero": lambda x: np.array(np.nonzero(x), np.int64),
    "cast": _cast,
    "bit cast": lambda x, dtype: x.view(dtype),
    "quantize": _quantize,
}
