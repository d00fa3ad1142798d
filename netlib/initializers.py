"""Initial values of weights. An initializer is called with a shape ``(in, out)`` and a generator.

He et al., "Delving deep into rectifiers", 2015; Glorot and Bengio, "Understanding the difficulty of
training deep feedforward neural networks", 2010; LeCun et al., "Efficient BackProp", 1998; Saxe et
al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2014.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .arrays import RNG, Array, DTypeLike, Shape, as_dtype, as_number, as_rng
from .errors import InvalidTypeError, InvalidValueError
from .representation import call_text


class Initializer:
    """Base class of initializers: ``initializer(shape, rng, dtype)`` returns a new array.

    All axes of `shape` except the last are the fan-in, and the last axis is the fan-out.

    Examples
    --------
    >>> Normal(std=0.1)((2, 3), np.random.default_rng(0)).shape
    (2, 3)
    """

    def __call__(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Array:
        """Return an array of `shape` and `dtype` drawn from `rng`."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return call_text(self)


class Zeros(Initializer):
    """All zeros.

    Examples
    --------
    >>> Zeros()((2,), np.random.default_rng(0))
    array([0., 0.])
    """

    def __call__(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Array:
        """Return zeros of `shape`."""
        return np.zeros(shape, dtype)


class Ones(Initializer):
    """All ones.

    Examples
    --------
    >>> Ones()((2,), np.random.default_rng(0))
    array([1., 1.])
    """

    def __call__(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Array:
        """Return ones of `shape`."""
        return np.ones(shape, dtype)


class Full(Initializer):
    """All equal to `value`, as in `numpy.full`.

    Examples
    --------
    >>> Full(0.25)((2,), np.random.default_rng(0))
    array([0.25, 0.25])
    """

    def __init__(self, value: float) -> None:
        self.value = as_number(value, "value", "Full")

    def __call__(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Array:
        """Return an array of `shape` that holds the value everywhere."""
        return np.full(shape, self.value, dtype)


class Normal(Initializer):
    """Normal with mean zero and standard deviation `std`.

    Examples
    --------
    >>> Normal(0.02)
    Normal(std=0.02)
    """

    def __init__(self, std: float = 0.01) -> None:
        self.std = as_number(std, "std", "Normal", least=0)

    def __call__(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Array:
        """Return normal numbers of `shape`."""
        return _normal(self.std, shape, rng, dtype)


class Uniform(Initializer):
    """Uniform in [-`bound`, `bound`).

    Examples
    --------
    >>> Uniform(0.5)
    Uniform(bound=0.5)
    """

    def __init__(self, bound: float = 0.05) -> None:
        self.bound = as_number(bound, "bound", "Uniform", least=0)

    def __call__(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Array:
        """Return uniform numbers of `shape`."""
        return _uniform(self.bound, shape, rng, dtype)


class Orthogonal(Initializer):
    """A random matrix with orthonormal rows or columns, whichever are fewer, times `gain`.

    See Saxe et al.

    Examples
    --------
    >>> w = Orthogonal()((3, 2), np.random.default_rng(0))
    >>> bool(np.allclose(w.T @ w, np.eye(2)))
    True
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = as_number(gain, "gain", "Orthogonal")

    def __call__(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Array:
        """Return a matrix drawn uniformly from all orthogonal matrices.

        It is the Q of a normal matrix's QR decomposition, with the diagonal of R made positive.
        """
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        result: Array = self.gain * (q if rows >= columns else q.T).reshape(shape)
        return result.astype(dtype)


class VarianceScaling(Initializer):
    """Normal or uniform with a variance that depends on fan-in and fan-out.

    The base class of `He`, `Glorot` and `LeCun`.
    """

    def __init__(self, uniform: bool = False) -> None:
        self.uniform = bool(uniform)

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Return the variance of one weight."""
        raise NotImplementedError

    def __call__(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Array:
        """Return numbers of `shape` with the variance for its fan-in and fan-out."""
        std = math.sqrt(self.variance(max(math.prod(shape[:-1]), 1), max(shape[-1], 1)))
        if self.uniform:
            return _uniform(math.sqrt(3) * std, shape, rng, dtype)
        return _normal(std, shape, rng, dtype)


class He(VarianceScaling):
    """Variance 2 / fan_in, for layers followed by ReLU (He et al.).

    Examples
    --------
    >>> He().variance(8, 3)
    0.25
    """

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Return 2 / fan_in."""
        return 2.0 / fan_in


class Glorot(VarianceScaling):
    """Variance 2 / (fan_in + fan_out), for layers followed by tanh or sigmoid (Glorot and Bengio).

    Also called Xavier.

    Examples
    --------
    >>> Glorot().variance(3, 5)
    0.25
    """

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Return 2 / (fan_in + fan_out)."""
        return 2.0 / (fan_in + fan_out)


class LeCun(VarianceScaling):
    """Variance 1 / fan_in (LeCun et al.).

    Examples
    --------
    >>> LeCun().variance(4, 3)
    0.25
    """

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Return 1 / fan_in."""
        return 1.0 / fan_in


Xavier = Glorot


def initial_value(init: object, shape: Shape, dtype: DTypeLike, rng: RNG, where: object, out_axis: int = -1) -> Array:
    """Return an array of `shape` and `dtype` from `init`, or raise if it is not an initializer.

    `out_axis` is the fan-out, and all other axes are the fan-in.
    """
    if not isinstance(init, Initializer):
        hint = "Use an object: netlib.He(), netlib.Glorot(), netlib.Zeros(), …"
        raise InvalidTypeError(f"init is {init!r}, expected an initializer", where=where, hint=hint)
    dtype = as_dtype(dtype, where)
    if _limits.placeholders is not None:
        return _placeholder(shape, dtype, where)
    if _limits.bytes is not None:
        _limits.bytes -= math.prod(shape) * dtype.itemsize
        if _limits.bytes < 0:
            raise InvalidValueError(f"needs too much memory for an array of shape {shape}", where=where)
    drawn_shape = (*shape[:out_axis], *shape[out_axis + 1 :], shape[out_axis]) if out_axis >= 0 else shape
    drawn = init(drawn_shape, as_rng(rng, where), dtype).astype(dtype, copy=False)
    return np.ascontiguousarray(np.moveaxis(drawn, -1, out_axis))


class _Limits(threading.local):
    """The limits for new parameters of this thread, or None if there are none."""

    placeholders: int | None = None
    bytes: int | None = None


_limits = _Limits()


@contextmanager
def placeholders(n: int) -> Iterator[None]:
    """Give new parameters of this thread no memory, and allow only `n` of them.

    They are read-only zeros of the right shape and dtype. So a model can be built, and its shapes
    compared with those in a file, before memory is allocated for the numbers.

    Examples
    --------
    >>> import netlib as nl
    >>> with placeholders(2):
    ...     affine = nl.Affine(1_000_000, 1_000_000)
    >>> affine.weight.shape
    (1000000, 1000000)
    """
    before, _limits.placeholders = _limits.placeholders, n
    try:
        yield
    finally:
        _limits.placeholders = before


@contextmanager
def limited_memory(n_bytes: int) -> Iterator[None]:
    """Give new parameters of this thread initial values as usual, but no more than `n_bytes`.

    Examples
    --------
    >>> import netlib as nl
    >>> with limited_memory(1000):
    ...     affine = nl.Affine(500, 500)
    Traceback (most recent call last):
    netlib.errors.InvalidValueError: Affine: needs too much memory for an array of shape (500, 500)
    """
    before = _limits.placeholders, _limits.bytes
    _limits.placeholders, _limits.bytes = None, n_bytes
    try:
        yield
    finally:
        _limits.placeholders, _limits.bytes = before


def _placeholder(shape: Shape, dtype: np.dtype[Any], where: object) -> Array:
    if not _limits.placeholders:
        raise InvalidValueError("needs more arrays than there are", where=where)
    _limits.placeholders -= 1
    try:
        return np.broadcast_to(np.zeros((), dtype), shape)
    except ValueError as error:
        raise InvalidValueError(f"cannot have an array of shape {shape}: {error}", where=where) from None


def _normal(std: float, shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Array:
    x = rng.standard_normal(shape, _sampling_dtype(dtype))
    x *= std
    return x.astype(dtype, copy=False)


def _uniform(bound: float, shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Array:
    x = rng.random(shape, _sampling_dtype(dtype))
    x -= 0.5
    x *= 2 * bound
    return x.astype(dtype, copy=False)


def _sampling_dtype(dtype: DTypeLike) -> Any:
    """Return the dtype to sample in, float32 or float64: the nearest that NumPy can draw.

    Sampling float32 in float64 would leave a wider temporary array in the heap.
    """
    return np.float32 if np.dtype(dtype) == np.float32 else np.float64
