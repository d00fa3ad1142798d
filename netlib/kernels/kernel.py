"""What a kernel is: one function on arrays, written in NumPy and, where that pays, as loops for numba."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import numpy as np

from ..arrays import Array

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

COMPILED: dict[np.dtype[Any], str] = {np.dtype(np.float32): "float32", np.dtype(np.float64): "float64"}
"""The types that loops are compiled for, and what numba calls them. All others use NumPy."""


class Loops(Generic[P, R]):
    """Loops over arrays, written in Python, which numba compiles.

    The compiled code keeps NaN and infinity, and divides by zero as NumPy does. What is relaxed is the order of sums, without which a sum
    is not vectorised. It runs in one thread: numba's pool and the matrix library's fight for the same cores (docs/benchmarks.md).

    Parameters
    ----------
    function : callable
        Its name has to be its own in the file: numba's cache on disk goes by names.
    signature : str
        In numba's words, ``t`` standing for each of the compiled types, and, as in Cython, ``const`` before an array that is only read:
        it may be read-only. It is text, so that numba is imported only when it is needed. Empty for a function that is to stay in Python:
        a few lines around other loops.

    Attributes
    ----------
    run : callable
        The function as it is in use: in Python, or compiled.

    Examples
    --------
    >>> Loops(len, "int64(const t[::1])").signatures()[0]
    'int64(float32[::1].copy(readonly=True))'
    """

    def __init__(self, function: Callable[P, R], signature: str) -> None:
        self.run = self.__wrapped__ = function
        self.signature = signature

    def signatures(self) -> list[str]:
        """Return the signature for each compiled type, as numba reads it."""
        signature = re.sub(r"\bconst (\w+\[.*?\])", r"\1.copy(readonly=True)", self.signature)
        return [re.sub(r"\bt\b", name, signature) for name in COMPILED.values()]

    def compile(self) -> bool:
        """Compile the function, or read it from numba's cache. Return whether it had to be compiled."""
        if not self.signature:
            return False
        from numba import njit

        options = {"fastmath": {"contract", "reassoc", "arcp", "nsz"}, "error_model": "numpy", "cache": True, "nogil": True}
        self.run = run = njit(self.signatures(), **options)(self.__wrapped__)
        return bool(run.stats.cache_misses)


def loops(signature: str = "") -> Callable[[Callable[P, R]], Loops[P, R]]:
    """Return the decorator that makes `Loops` of a function."""
    return lambda function: Loops(function, signature)


class _Versions(dict[np.dtype[Any], T]):
    """Versions by type, and the one for all other types."""

    def __init__(self, versions: dict[np.dtype[Any], T], other: T) -> None:
        super().__init__(versions)
        self.other = other

    def __missing__(self, dtype: np.dtype[Any]) -> T:
        return self.other


class Kernel(Generic[P, R]):
    """A function on arrays in two versions: NumPy, and loops that numba compiles where the `fast` extra is in use.

    It decorates the NumPy version; the loops stand below. Loops take C-contiguous arrays alone, so whoever calls a kernel sees to that,
    unless the kernel says that it takes any layout.

    Attributes
    ----------
    numpy : callable
        The NumPy version.
    loops : Loops or None
        The other version; None where there is only NumPy.
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
        # not by functools.update_wrapper: it goes through __dict__, after which Python finds every attribute more slowly
        self.numpy = self.__wrapped__ = numpy
        self.__name__, self.__module__, self.__doc__ = numpy.__name__, numpy.__module__, numpy.__doc__
        self.loops: Loops[Concatenate[Array, P], R] | None = None
        self.use_numpy()

    def compiled(self, signature: str = "") -> Callable[[Callable[Concatenate[Array, P], R]], Loops[Concatenate[Array, P], R]]:
        """Return the decorator for the other version, with the signature of its `Loops`."""

        def keep(function: Callable[Concatenate[Array, P], R]) -> Loops[Concatenate[Array, P], R]:
            self.loops = Loops(function, signature)
            return self.loops

        return keep

    def use_loops(self) -> None:
        """Use the loops from now on, as they are, for all types that loops are compiled for."""
        if self.loops is not None:
            self._use(self.loops.run)

    def use_numpy(self) -> None:
        """Use NumPy from now on."""
        self._use(self.numpy)

    def _use(self, version: Callable[Concatenate[Array, P], R]) -> None:
        # a look-up and no method: small networks would feel the second call at every kernel
        versions = _Versions(dict.fromkeys(COMPILED, version), self.numpy)
        self.of: Callable[[np.dtype[Any]], Callable[Concatenate[Array, P], R]] = versions.__getitem__

    def __call__(self, first: Array, *rest: P.args, **named: P.kwargs) -> R:
        """Call the version in use for the type of the first array."""
        return self.of(first.dtype)(first, *rest, **named)

    def __repr__(self) -> str:
        return f"Kernel({self.__name__})"
