"""The checks and conversions of arrays and numbers that all layers share."""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Sequence
from typing import Any, TypeAlias
from weakref import WeakSet

import numpy as np
from numpy.typing import ArrayLike as ArrayLike
from numpy.typing import DTypeLike as DTypeLike
from numpy.typing import NDArray

from .errors import InvalidTypeError, InvalidValueError, ShapeError

Array: TypeAlias = NDArray[Any]
RNG: TypeAlias = "np.random.Generator | int | None"
Shape: TypeAlias = tuple[int, ...]

DTYPE_NAME = re.compile(r"[<>=|]?[A-Za-z]\w*", re.ASCII)
LARGEST_EXACT = 2**24
"""Up to here float32 holds every whole number."""


def as_array(x: ArrayLike, where: object = "") -> Array:
    """Return `x` as a plain array of real numbers, copied only if necessary.

    Raises
    ------
    InvalidTypeError
        If `x` holds strings, objects, complex numbers or dates, or is a masked array, which would
        lose its mask.
    InvalidValueError
        If `x` is a list whose rows differ in length.

    Examples
    --------
    >>> as_array([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    if type(x) is not np.ndarray:
        if isinstance(x, np.ma.MaskedArray):
            hint = "Fill it first: x.filled(0)."
            raise InvalidTypeError("got a masked array, whose mask would be lost", where=where, hint=hint)
        try:
            x = np.asarray(x)
        except ValueError as error:
            raise InvalidValueError(f"got something that is not an array: {error}", where=where) from None
    if x.dtype.kind not in "fiub":
        if x.dtype == object and x.ndim == 0:
            raise InvalidTypeError(f"got {x[()]!r}, expected an array", where=where)
        raise InvalidTypeError(f"got an array of {x.dtype}, expected real numbers", where=where, hint=_conversion_of(x))
    return x


def _conversion_of(x: Array) -> str:
    """Return how to convert an array that does not hold numbers."""
    if x.dtype.kind == "c":
        return "Use its parts: np.stack([x.real, x.imag], axis=-1)."
    if x.dtype.kind in "mM":
        return "Count from a first date: (x - x.min()) / np.timedelta64(1, 'D')."
    try:
        x.ravel()[:100].astype(np.float64)
    except (TypeError, ValueError):
        return "Number labels with: names, labels = np.unique(x, return_inverse=True)."
    return "Convert it with x.astype(np.float32)."


def require_one_output(y: object, where: object, hint: str) -> None:
    """Raise if `y` is a tuple of several outputs of a model: NumPy would stack them."""
    if isinstance(y, tuple) and any(isinstance(each, np.ndarray) and each.ndim for each in y):
        raise InvalidTypeError(f"got a tuple of {len(y)} outputs, expected one array", where=where, hint=hint)


def as_floats(x: ArrayLike, dtype: np.dtype[Any] | None = None, where: object = "", copy: bool = False) -> Array:
    """Return `x` as a floating-point array of `dtype`.

    Without a `dtype`, a floating type is kept and integers become float32, or float64 where
    float32 cannot tell them apart. The result may be `x` itself, unless `copy` is true.

    Examples
    --------
    >>> as_floats([1, 2, 3]).dtype, as_floats(np.zeros(3)).dtype
    (dtype('float32'), dtype('float64'))
    """
    if type(x) is not np.ndarray or x.dtype.kind != "f":
        x = as_array(x, where)
    if dtype is None:
        dtype = x.dtype if x.dtype.kind == "f" else _float_type_of(x)
        if not dtype.isnative:
            dtype = np.dtype(dtype.type)
    if copy or x.dtype != dtype:
        return np.array(x, dtype=dtype, order="C")
    return x


def _float_type_of(integers: Array) -> np.dtype[Any]:
    """Return float32, or float64 for numbers that float32 would round."""
    is_wide = integers.dtype.itemsize > 2 and integers.size
    if is_wide and not -LARGEST_EXACT <= integers.min() <= integers.max() <= LARGEST_EXACT:
        return np.dtype(np.float64)
    return np.dtype(np.float32)


def as_matrix(x: ArrayLike, where: object = "") -> Array:
    """Return `x` as a floating-point array with two axes.

    Examples
    --------
    >>> as_matrix([[1, 2, 3]]).shape
    (1, 3)
    """
    x = as_floats(x, where=where)
    if x.ndim != 2:
        raise ShapeError(f"got an array of shape {x.shape}, expected a matrix (in, out)", where=where)
    return x


def with_rows_of(y: Array, x: Array) -> Array:
    """Return the matrix `y`, which has a row for each row of `x`, with the leading axes of `x`.

    Examples
    --------
    >>> with_rows_of(np.zeros((6, 5)), np.zeros((2, 3, 4))).shape
    (2, 3, 5)
    """
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], y.shape[-1])


def as_shaped(x: ArrayLike, shape: Shape, where: object) -> Array:
    """Return `x` as an array, or raise if its shape is not `shape`.

    Examples
    --------
    >>> as_shaped([1, 2], (2,), "Parameter.value")
    array([1, 2])
    """
    x = as_array(x, where)
    if x.shape != shape:
        raise ShapeError(f"got an array of shape {x.shape}, expected {shape}", where=where)
    return x


def as_features(x: ArrayLike, features: int, dtype: np.dtype[Any], where: object) -> Array:
    """Return `x` in `dtype`, copied only if necessary, or raise for another number of features.

    Examples
    --------
    >>> as_features([1, 2, 3], 3, np.dtype("float64"), "Affine(3, 2)")
    array([1., 2., 3.])
    """
    if type(x) is not np.ndarray or x.dtype is not dtype:
        x = as_floats(x, dtype, where)
    if x.shape[-1:] != (features,):
        hint = f"Make the layer's in_features {x.shape[-1]}, or the last axis of x {features}." if x.ndim else "Wrap the number: [x]."
        if x.ndim == 1 and x.size > features and x.size % features == 0:
            rows = "x[:, None]" if features == 1 else f"x.reshape(-1, {features})"
            hint = f"For {x.size // features} rows write {rows}; for one row, make the layer's in_features {x.size}."
        raise ShapeError(f"got x of shape {x.shape}, expected (…, {features})", where=where, hint=hint)
    return x


def as_rows(x: Array) -> Array:
    """Return `x` as a matrix whose rows are its last axis, as a view if possible.

    Examples
    --------
    >>> as_rows(np.zeros((2, 3, 4))).shape, as_rows(np.zeros(4)).shape
    ((6, 4), (1, 4))
    """
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def as_common_floats(xs: Sequence[ArrayLike], where: object = "") -> list[Array]:
    """Return `xs` as floating-point arrays of their common type.

    Plain Python numbers adopt the type of the arrays, as in NumPy's arithmetic.

    Examples
    --------
    >>> [a.dtype.name for a in as_common_floats([np.ones(2, np.float32), 2.0])]
    ['float32', 'float32']
    """
    arrays = [as_floats(x, where=where) for x in xs]
    first = arrays[0].dtype
    if all(a.dtype == first for a in arrays):
        return arrays
    strong = [a.dtype for a, x in zip(arrays, xs, strict=True) if type(x) not in (int, float)]
    common = np.result_type(*(strong or [a.dtype for a in arrays]))
    return [as_floats(x, common) for x in xs]


def unbroadcast(dout: Array, shape: tuple[int, ...]) -> Array:
    """Sum `dout` over the axes along which an operand of `shape` was broadcast.

    Broadcasting copies a value to many places, and the derivatives with respect to the copies add
    up. This is Dᵀ·∂L/∂Y of the chapter's section 1.2.4, where D is the column of ones in Eq.
    (1.31).

    Returns
    -------
    ndarray of `shape`
        `dout` itself if nothing was broadcast.

    Examples
    --------
    >>> unbroadcast(np.ones((4, 3)), (3,))
    array([4., 4., 4.])
    """
    if dout.shape == shape:
        return dout
    lead = dout.ndim - len(shape)
    axes = *range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and dout.shape[lead + i] != 1)
    return np.asarray(np.add.reduce(dout, axis=axes)).reshape(shape)


def as_count(n: object, name: str, where: object = "", least: int = 0) -> int:
    """Return `n` as an int, or raise if it is not a whole number of at least `least`.

    Examples
    --------
    >>> as_count(np.int64(3), "in_features")
    3
    """
    try:
        if isinstance(n, bool | np.bool_):
            raise TypeError
        count = operator.index(n)  # type: ignore[arg-type]  # may raise, by design
    except TypeError:
        raise InvalidTypeError(f"{name} is {n!r}, expected a whole number", where=where) from None
    if count < least:
        raise InvalidValueError(f"{name} is {count}, expected at least {least}", where=where)
    return count


def as_counts(where: object, **counts: object) -> Shape:
    """Return several counts, each checked by `as_count` under its name.

    Examples
    --------
    >>> as_counts("Affine", in_features=2, out_features=3)
    (2, 3)
    """
    return tuple(as_count(n, name, where) for name, n in counts.items())


def as_number(value: object, name: str, where: object = "", *, least: float = -np.inf, below: float = np.inf) -> float:
    """Return `value` as a finite float with ``least <= value < below``, or raise.

    Examples
    --------
    >>> as_number(0.5, "p", least=0, below=1)
    0.5
    """
    if isinstance(value, bool | np.bool_ | str | bytes) or getattr(value, "ndim", 0) != 0:
        raise InvalidTypeError(f"{name} is {value!r}, expected a number", where=where)
    try:
        number = float(value)  # type: ignore[arg-type]  # may raise, by design
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError):
        raise InvalidTypeError(f"{name} is {value!r}, expected a number", where=where) from None
    if not (math.isfinite(number) and least <= number < below):
        bounds = ""
        if below < np.inf:
            bounds = f" in [{least:g}, {below:g})"
        elif least > -np.inf:
            bounds = f" of at least {least:g}"
        raise InvalidValueError(f"{name} is {number:g}, expected a finite number{bounds}", where=where)
    return number


def as_dtype(dtype: DTypeLike, where: object = "") -> np.dtype[Any]:
    """Return `dtype` as a floating-point dtype in native byte order.

    Examples
    --------
    >>> as_dtype("float64")
    dtype('float64')
    """
    try:
        if isinstance(dtype, list | tuple | dict) or (isinstance(dtype, str) and not DTYPE_NAME.fullmatch(dtype)):
            raise TypeError  # NumPy would evaluate parts of such a text
        result = np.dtype(np.dtype(dtype).type)  # NumPy's one object for this native dtype
    except TypeError:
        raise InvalidTypeError(f"dtype is {dtype!r}, which is not the type of a number", where=where) from None
    if result.kind != "f":
        hint = "Use float32 or float64."
        raise InvalidTypeError(f"dtype is {result}, expected a floating-point type", where=where, hint=hint)
    return result


def as_rng(rng: RNG, where: object = "") -> np.random.Generator:
    """Return a generator: `rng` itself, or a new one with `rng` as its seed.

    NumPy's global random state is not used. A generator without a seed draws different numbers in
    each process forked from this one.

    Examples
    --------
    >>> int(as_rng(0).integers(10)) == int(as_rng(0).integers(10))
    True
    """
    if type(rng).__name__ == "RandomState":
        hint = "Use np.random.default_rng(seed), which has replaced it."
        raise InvalidTypeError("rng is a RandomState, expected a Generator or a seed", where=where, hint=hint)
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is not None:
        rng = as_count(rng, "rng", where)
        return np.random.default_rng(rng)
    generator = _Unseeded(np.random.PCG64())
    _UNSEEDED.add(generator)
    return generator


class _Unseeded(np.random.Generator):
    """A generator without a seed. Unlike NumPy's own class, it allows weak references."""


_UNSEEDED: WeakSet[_Unseeded] = WeakSet()


def _seed_anew() -> None:
    """Give the generators without a seed new states: a forked process has copied the old ones."""
    for generator in _UNSEEDED:
        generator.bit_generator.state = np.random.default_rng().bit_generator.state


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_seed_anew)
