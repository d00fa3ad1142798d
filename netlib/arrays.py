"""Arrays on their way in and gradients on their way out: the checks and conversions that all layers share."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike as ArrayLike
from numpy.typing import DTypeLike as DTypeLike
from numpy.typing import NDArray

from .errors import InvalidTypeError, InvalidValueError, ShapeError

Array: TypeAlias = NDArray[Any]
RNG: TypeAlias = "np.random.Generator | int | None"
Shape: TypeAlias = tuple[int, ...]


def as_array(x: ArrayLike, where: object = "") -> Array:
    """Return `x` as a plain array of real numbers, without a copy where none is needed.

    Raises
    ------
    InvalidTypeError
        For strings, objects, complex numbers, dates, and masked arrays, which would lose their mask.
    InvalidValueError
        For lists whose rows differ in length.

    Examples
    --------
    >>> as_array([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    if type(x) is not np.ndarray:
        if isinstance(x, np.ma.MaskedArray):
            raise InvalidTypeError("got a masked array, whose mask would be lost", where=where, hint="Fill it first: x.filled(0).")
        try:
            x = np.asarray(x)
        except ValueError as error:
            raise InvalidValueError(f"got something that is no array: {error}", where=where) from None
    if x.dtype.kind not in "fiub":
        if x.dtype == object and x.ndim == 0:
            raise InvalidTypeError(f"got {x[()]!r}, wanted an array", where=where)
        raise InvalidTypeError(f"got an array of {x.dtype}, wanted real numbers", where=where, hint="Convert it with x.astype(np.float32).")
    return x


def as_floats(x: ArrayLike, dtype: np.dtype[Any] | None = None, where: object = "", copy: bool = False) -> Array:
    """Return `x` as a floating array: of `dtype`, or of its own floating type, or float32 for integers.

    The result may be `x` itself unless `copy` asks for an array that nobody else holds.

    Examples
    --------
    >>> as_floats([1, 2, 3]).dtype, as_floats(np.zeros(3)).dtype
    (dtype('float32'), dtype('float64'))
    """
    if type(x) is not np.ndarray or x.dtype.kind != "f":
        x = as_array(x, where)
    if dtype is None:
        dtype = np.dtype(np.float32) if x.dtype.kind != "f" else x.dtype if x.dtype.isnative else np.dtype(x.dtype.type)
    if copy or x.dtype != dtype:
        return np.array(x, dtype=dtype, order="C")
    return x


def as_matrix(x: ArrayLike, where: object = "") -> Array:
    """Return `x` as a floating array with two axes.

    Examples
    --------
    >>> as_matrix([[1, 2, 3]]).shape
    (1, 3)
    """
    x = as_floats(x, where=where)
    if x.ndim != 2:
        raise ShapeError(f"got an array of shape {x.shape}, wanted a matrix (in, out)", where=where)
    return x


def with_rows_of(y: Array, x: Array) -> Array:
    """Return the matrix `y`, made of the rows of `x`, with x's leading axes again.

    Examples
    --------
    >>> with_rows_of(np.zeros((6, 5)), np.zeros((2, 3, 4))).shape
    (2, 3, 5)
    """
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], y.shape[-1])


def as_shaped(x: ArrayLike, shape: Shape, where: object) -> Array:
    """Return `x` as an array, after refusing any shape but `shape`.

    Examples
    --------
    >>> as_shaped([1, 2], (2,), "Parameter.value")
    array([1, 2])
    """
    x = as_array(x, where)
    if x.shape != shape:
        raise ShapeError(f"got an array of shape {x.shape}, wanted {shape}", where=where)
    return x


def as_features(x: ArrayLike, features: int, dtype: np.dtype[Any], where: object) -> Array:
    """Return `x` in `dtype`, without a copy where none is needed, after refusing any last axis but one of `features`.

    Examples
    --------
    >>> as_features([1, 2, 3], 3, np.dtype("float64"), "Affine(3, 2)")
    array([1., 2., 3.])
    """
    if type(x) is not np.ndarray or x.dtype is not dtype:
        x = as_floats(x, dtype, where)
    if x.shape[-1:] != (features,):
        hint = f"Make the layer's in_features {x.shape[-1]}, or the last axis of x {features}." if x.ndim else "Wrap the number: [x]."
        raise ShapeError(f"got x of shape {x.shape}, wanted (…, {features})", where=where, hint=hint)
    return x


def as_rows(x: Array) -> Array:
    """Return `x` as a matrix: its last axis, and all leading axes as one; a view where possible.

    Examples
    --------
    >>> as_rows(np.zeros((2, 3, 4))).shape, as_rows(np.zeros(4)).shape
    ((6, 4), (1, 4))
    """
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def as_common_floats(xs: Sequence[ArrayLike], where: object = "") -> list[Array]:
    """Return `xs` as floating arrays of one type, NumPy's common type of those that are arrays.

    Plain Python numbers give way to the arrays, as they do in NumPy's own arithmetic.

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

    Broadcasting copies a value to many places; the derivatives with respect to the copies add up. This is
    Dᵀ·∂L/∂Y of the chapter's section 1.2.4, where D is the column of ones that Eq. (1.31) makes visible.

    Returns
    -------
    ndarray of `shape`
        `dout` itself where nothing was broadcast.

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
    """Return `n` as an int, after refusing fractions, booleans and whatever is below `least`.

    Examples
    --------
    >>> as_count(np.int64(3), "in_features")
    3
    """
    try:
        if isinstance(n, bool | np.bool_):
            raise TypeError
        count = operator.index(n)  # type: ignore[arg-type]  # that it may fail is the point
    except TypeError:
        raise InvalidTypeError(f"{name} is {n!r}, wanted a whole number", where=where) from None
    if count < least:
        raise InvalidValueError(f"{name} is {count}, wanted at least {least}", where=where)
    return count


def as_counts(where: object, **counts: object) -> Shape:
    """Return several counts, each checked under its name.

    Examples
    --------
    >>> as_counts("Affine", in_features=2, out_features=3)
    (2, 3)
    """
    return tuple(as_count(n, name, where) for name, n in counts.items())


def as_number(value: object, name: str, where: object = "", *, least: float = -np.inf, below: float = np.inf) -> float:
    """Return `value` as a float with ``least <= value < below``; NaN is refused.

    Examples
    --------
    >>> as_number(0.5, "p", least=0, below=1)
    0.5
    """
    if isinstance(value, bool | np.bool_ | str | bytes):
        raise InvalidTypeError(f"{name} is {value!r}, wanted a number", where=where)
    try:
        number = float(value)  # type: ignore[arg-type]  # that it may fail is the point
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError):
        raise InvalidTypeError(f"{name} is {value!r}, wanted a number", where=where) from None
    if not (math.isfinite(number) and least <= number < below):
        bounds = f" in [{least:g}, {below:g})" if below < np.inf else f" of at least {least:g}" if least > -np.inf else ""
        raise InvalidValueError(f"{name} is {number:g}, wanted a finite number{bounds}", where=where)
    return number


def as_dtype(dtype: DTypeLike, where: object = "") -> np.dtype[Any]:
    """Return a native floating dtype.

    Examples
    --------
    >>> as_dtype("float64")
    dtype('float64')
    """
    try:
        result = np.dtype(np.dtype(dtype).type)  # native, and the very object that arrays of it have
    except TypeError:
        raise InvalidTypeError(f"dtype is {dtype!r}, which NumPy does not know", where=where) from None
    if result.kind != "f":
        raise InvalidTypeError(f"dtype is {result}, wanted a floating one", where=where, hint="Use float32 or float64.")
    return result


def as_rng(rng: RNG, where: object = "") -> np.random.Generator:
    """Return a generator of one's own: `rng` itself, one seeded with it, or a fresh one. NumPy's global state stays out.

    Examples
    --------
    >>> int(as_rng(0).integers(10)) == int(as_rng(0).integers(10))
    True
    """
    if rng is not None and not isinstance(rng, np.random.Generator):
        rng = as_count(rng, "rng", where)
    return np.random.default_rng(rng)
