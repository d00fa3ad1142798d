"""Kernels: functions on arrays, written in NumPy and, if that is faster, as loops for numba."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import numpy as np

from ..arrays import Array

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

COMPILED: dict[np.dtype[Any], str] = {np.dtype(np.float32): "float32", np.dtype(np.float64): "float64"}
"""The types for which loops are compiled, with their names in numba. All others use NumPy."""


Emit = Callable[[Any, Any, Any, Any], Any]
"""Writes the instructions of a call: ``emit(context, builder, signature, arguments)``."""

IN_ORDER = {"contract", "nsz"}
"""What the compiler may change where the order of operations decides the last digits."""

_unregistered: list[Callable[[], None]] = []
"""Tell numba about helpers that it does not know yet."""


def helper(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function that loops call, so that numba compiles it with them."""

    def register() -> None:
        from numba.extending import register_jitable

        register_jitable(function)

    _unregistered.append(register)
    return function


def helper_in_order(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a helper whose operations are compiled in source order."""

    def register() -> None:
        from numba.extending import register_jitable

        register_jitable(fastmath=IN_ORDER, forceinline=True)(function)

    _unregistered.append(register)
    return function


def helper_by_type(**versions: Callable[P, Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for a helper that has a version, in order, for each type of its numbers.

    The names in `versions` are numba's. Python uses the decorated function itself.
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        def register() -> None:
            from numba.extending import overload

            overload(function, jit_options={"fastmath": IN_ORDER, "forceinline": True}, strict=False)(lambda x: versions[str(x)])

        _unregistered.append(register)
        return function

    return mark


def emitted_by(emit: Emit) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Return a decorator for a helper whose instructions `emit` writes, instead of numba."""

    def mark(function: Callable[P, None]) -> Callable[P, None]:
        def register() -> None:
            from numba.core import types
            from numba.extending import lower_builtin, type_callable

            arguments_of_any_type = getattr(types, "VarArg")(types.Any)  # noqa: B009 - numba's annotations lack it
            type_callable(function)(lambda context: wraps(function)(lambda *arguments: types.none))
            lower_builtin(function, arguments_of_any_type)(emit)

        _unregistered.append(register)
        return function

    return mark


def register_helpers() -> None:
    """Tell numba about helpers."""
    while _unregistered:
        _unregistered.pop()()


class Loops(Generic[P, R]):
    """Loops over arrays, written in Python and compiled by numba.

    The compiled code preserves NaN and infinity, and divides by zero as NumPy does. It may change
    the order of additions, which is necessary to vectorise sums. It runs in one thread, because
    numba's threads and those of the matrix library would compete for the same cores
    (docs/benchmarks.md).

    Parameters
    ----------
    function : callable
        Its name must be unique in the file, since numba's cache on disk identifies it by name.
    signature : str
        A numba signature in which ``t`` stands for each of the compiled types. As in Cython,
        ``const`` marks an array that is only read, and so may be read-only. It is a string, so that
        numba is imported only when needed. Empty for a function that stays in Python: a few lines
        around other loops.

    Attributes
    ----------
    run : callable
        The function in use: in Python, or compiled.

    Examples
    --------
    >>> Loops(len, "int64(const t[::1])").signature_for(np.dtype(np.float32))
    'int64(float32[::1].copy(readonly=True))'
    """

    def __init__(self, function: Callable[P, R], signature: str) -> None:
        self.run = self.__wrapped__ = function
        self.signature = signature
        self._dispatcher: Any = None

    def signature_for(self, dtype: np.dtype[Any]) -> str:
        """Return the signature for numbers of `dtype`, as numba reads it."""
        signature = re.sub(r"\bconst (\w+\[.*?\])", r"\1.copy(readonly=True)", self.signature)
        return re.sub(r"\bt\b", COMPILED[dtype], signature)

    def compile(self, dtype: np.dtype[Any]) -> bool:
        """Compile for `dtype`, or load from numba's cache. Return whether it was compiled."""
        if not self.signature:
            return False
        if self._dispatcher is None:
            from numba import njit

            decorate = njit(fastmath={"contract", "reassoc", "arcp", "nsz"}, error_model="numpy", cache=True, nogil=True)
            register_helpers()
            self._dispatcher = decorate(self.__wrapped__)
        self.run = run = self._dispatcher
        known = sum(run.stats.cache_misses.values())
        run.disable_compile(False)
        run.compile(self.signature_for(dtype))
        run.disable_compile()  # calls with other types are errors
        return bool(sum(run.stats.cache_misses.values()) > known)


def loops(signature: str = "") -> Callable[[Callable[P, R]], Loops[P, R]]:
    """Return a decorator that turns a function into `Loops`."""
    return lambda function: Loops(function, signature)


class _Versions(dict[np.dtype[Any], T]):
    """The versions of a kernel by type: ``choose(dtype)`` for a compiled type, else `other`."""

    def __init__(self, other: T, choose: Callable[[np.dtype[Any]], T]) -> None:
        self.other, self.choose = other, choose

    def __missing__(self, dtype: np.dtype[Any]) -> T:
        if dtype not in COMPILED:
            return self.other
        version = self[dtype] = self.choose(dtype)
        return version


class Kernel(Generic[P, R]):
    """A function on arrays in two versions: in NumPy, and as loops for numba (extra `fast`).

    It decorates the NumPy version, and `compiled` decorates the loops. Loops take only C-contiguous
    arrays, so the caller must provide them, unless the kernel's docstring allows any layout.

    Attributes
    ----------
    numpy : callable
        The NumPy version.
    loops : Loops or None
        The loops, or None if there is only a NumPy version.
    of : callable
        ``of(dtype)`` is the version in use for arrays of that type.

    Examples
    --------
    >>> @Kernel
    ... def double(x):
    ...     x *= 2
    >>> @double.compiled("void(t[::1])")
    ... def double_loops(x):
    ...     for i in range(x.size):
    ...         x[i] *= 2
    >>> x = np.arange(3.0)
    >>> double(x)
    >>> double.of(x.dtype)(x)
    >>> x
    array([0., 4., 8.])
    """

    def __init__(self, numpy: Callable[Concatenate[Array, P], R]) -> None:
        # not functools.update_wrapper, which uses __dict__ and makes attribute access slower
        self.numpy = self.__wrapped__ = numpy
        self.__name__, self.__module__ = numpy.__name__, numpy.__module__
        self.__doc__ = numpy.__doc__
        self.loops: Loops[Concatenate[Array, P], R] | None = None
        self.use_numpy()

    def compiled(self, signature: str = "") -> Callable[[Callable[Concatenate[Array, P], R]], Loops[Concatenate[Array, P], R]]:
        """Return the decorator for the loops, with their signature."""

        def keep(function: Callable[Concatenate[Array, P], R]) -> Loops[Concatenate[Array, P], R]:
            self.loops = Loops(function, signature)
            return self.loops

        return keep

    def use_numpy(self) -> None:
        """Use NumPy from now on."""
        self._use(lambda dtype: self.numpy)

    def use_loops(self, can_use: Callable[[np.dtype[Any]], bool]) -> None:
        """Use the loops from now on, for the types in `COMPILED` for which ``can_use(dtype)``.

        It is called when the kernel is first used for the type.
        """
        loops = self.loops
        self._use(lambda dtype: loops.run if loops is not None and can_use(dtype) else self.numpy)

    def _use(self, choose: Callable[[np.dtype[Any]], Callable[Concatenate[Array, P], R]]) -> None:
        # a dict lookup, not a method: one call less at every kernel, which small networks notice
        self.of: Callable[[np.dtype[Any]], Callable[Concatenate[Array, P], R]] = _Versions(self.numpy, choose).__getitem__

    def __call__(self, first: Array, *rest: P.args, **named: P.kwargs) -> R:
        """Call the version in use for the type of the first array."""
        return self.of(first.dtype)(first, *rest, **named)

    def __repr__(self) -> str:
        return f"Kernel({self.__name__})"
