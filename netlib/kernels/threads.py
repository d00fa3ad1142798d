"""Running the parts of a batch in parallel, on all cores.

Compiled loops release Python's global lock while they run, so ordinary threads suffice. Unlike
those of numba and OpenMP, they sleep soon when idle, and so leave the cores to the matrix library.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache, partial, wraps
from threading import Lock, local
from typing import Any, ParamSpec, TypeVar

from ..workers import HAS_THREADS
from . import is_loaded
from .team import Team

P = ParamSpec("P")
R = TypeVar("R")

WORTH_A_THREAD = 100_000
"""With more numbers, a pass over them in parts gains more than handing the parts over costs."""

_team: Team | None = None
_in_use = Lock()
_lock = Lock()
_n_waiting_for_cores = 0
_threads_before: list[tuple[Any, int]] = []
"""The matrix libraries, and how many threads each used before it was restricted."""


class _Limit(local):
    n = sys.maxsize if HAS_THREADS else 1


_limit = _Limit()


@contextmanager
def at_most_cores(n: int) -> Iterator[None]:
    """Make `count_cores` return at most `n` in this thread, for code whose callers use others."""
    before = _limit.n
    _limit.n = min(n, before)
    try:
        yield
    finally:
        _limit.n = before


@contextmanager
def at_most_threads(n: int) -> Iterator[None]:
    """Let this process use at most `n` cores, in its own threads and in the matrix library.

    The matrix library needs the package threadpoolctl, in the extras `fast` and `mpi`.
    """
    before = [(library, library.get_num_threads()) for library in _matrix_libraries()]
    try:
        for library, threads in before:
            library.set_num_threads(min(n, threads))
        with at_most_cores(n):
            yield
    finally:
        for library, threads in before:
            library.set_num_threads(threads)


def cores() -> tuple[int, ...]:
    """Return the ids of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def count_cores() -> int:
    """Return how many cores this thread may use.

    >>> with at_most_cores(1):
    ...     count_cores()
    1
    """
    return min(len(cores()), _limit.n)


def split(n: int, parts: int) -> list[slice]:
    """Return up to `parts` slices of `n` samples, none of them empty.

    >>> split(5, 2), split(1, 2)
    ([slice(0, 3, None), slice(3, 5, None)], [slice(0, 1, None)])
    """
    size = -(-n // parts)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def split_for_cores(n: int, is_worth_it: bool, *, of_equal_size: bool = False) -> list[slice]:
    """Return a slice of `n` samples for each core, or one of all if that is not worth it.

    Nor is it without compiled loops: NumPy computes products on all cores by itself.
    """
    n_parts = count_cores() if is_worth_it and is_loaded() else 1
    return [slice(0, n)] if n_parts == 1 or (of_equal_size and n % n_parts) else split(n, n_parts)


def split_if_awake(n: int, is_worth_it: bool) -> list[slice]:
    """Return a slice of `n` numbers or rows for each core whose thread is awake, or one of all.

    Short operations, such as a loss, take part where long ones have just run on all cores: to wake
    a thread for them takes longer than they do.
    """
    team = _team
    n_parts = min(count_cores(), team.size) if is_worth_it and team is not None and team.is_awake else 1
    return [slice(0, n)] if n_parts == 1 else split(n, n_parts)


def run_parts(function: Callable[[slice, int], object], parts: list[slice], stay_awake: bool = True) -> None:
    """Call ``function(part, i)`` for each part, and return when all have finished.

    They run in parallel, with NumPy's error state of the caller, unless another thread runs parts
    at the moment: then all cores are in use. The threads stay awake for the next parts unless
    others, such as those of the matrix library, may need the cores before.
    """
    global _team  # noqa: PLW0603 - made when first needed
    if len(parts) == 1:
        function(parts[0], 0)
        return
    jobs = [partial(copy_context().run, function, part, i) for i, part in enumerate(parts)]
    if _in_use.acquire(blocking=False):
        try:
            if _team is not None and _team.size < len(parts):
                _team.stop()
                _team = None
            _team = _team or Team(len(parts))
            _team.run(jobs, stay_awake)
        finally:
            _in_use.release()
    else:
        for job in jobs:
            job()


def with_products_on_one_core(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function during which the matrix library uses one thread.

    After a product on several cores, OpenBLAS keeps its threads busy for 25 ms, waiting for the
    next one. This blocks the cores for other threads. The package threadpoolctl, in the extra
    `fast`, restricts it; without the package, `function` is returned.
    """
    libraries = _matrix_libraries()
    if not libraries:
        return function

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        global _n_waiting_for_cores  # noqa: PLW0603 - the setting belongs to the process
        with _lock:
            if _n_waiting_for_cores == 0:
                _threads_before[:] = [(library, library.get_num_threads()) for library in libraries]
                for library in libraries:
                    library.set_num_threads(1)
            _n_waiting_for_cores += 1
        try:
            return function(*args, **kwargs)
        finally:
            with _lock:
                _n_waiting_for_cores -= 1
                if _n_waiting_for_cores == 0:
                    for library, n in _threads_before:
                        library.set_num_threads(n)

    return run


@cache
def _matrix_libraries() -> list[Any]:
    """Return the controls of the matrix libraries that are loaded."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return []
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


def _forget_team() -> None:
    global _team, _in_use
    if _team is not None:
        atexit.unregister(_team.stop)
    _team, _in_use = None, Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_team)
