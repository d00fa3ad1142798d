"""Ignoring underflow, whatever `numpy.seterr` says.

With ``np.seterr(all="raise")``, a probability that correctly rounds to 0 would end training with an
error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


def _state_lookup() -> Callable[[], Any]:
    """Return a function that returns NumPy's current error state, or a new object if unknown."""
    try:
        from numpy._core.umath import _extobj_contextvar  # not public: see ignore_underflow
    except ImportError:
        return object
    lookup: Callable[[], Any] = _extobj_contextvar.get
    return lookup


_state = _state_lookup()
_DEFAULT = Context().run(_state)
"""The error state in which NumPy starts, which ignores underflow."""
_ignoring = {_DEFAULT}
"""The error states that are known to ignore underflow."""


def ignore_underflow(function: Callable[P, R]) -> Callable[P, R]:
    """Return `function` with underflow ignored inside.

    Entering `numpy.errstate` takes a microsecond, which is noticeable in small networks. In NumPy's
    initial state and inside `ignore_all`, the function is called directly.

    >>> @ignore_underflow
    ... def square(x):
    ...     return x * x
    >>> with np.errstate(all="raise"):
    ...     square(np.array([1e-300]))
    array([0.])
    """

    @wraps(function)
    def run(*args: P.args, **options: P.kwargs) -> R:
        if _state() in _ignoring:
            return function(*args, **options)
        with np.errstate(under="ignore"):
            return function(*args, **options)

    return run


@contextmanager
def ignore_all() -> Iterator[None]:
    """Ignore all floating-point errors, and let `ignore_underflow` know that.

    >>> with ignore_all():
    ...     float(np.exp(np.float64(1e4)))
    inf
    """
    with np.errstate(all="ignore"):
        state = _state()
        _ignoring.add(state)
        try:
            yield
        finally:
            _ignoring.discard(state)
