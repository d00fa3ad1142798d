"""Running the parts of a batch at the same time, on all cores.

Compiled loops release Python's global lock while they run, so ordinary threads suffice. Unlike the
threads of numba and OpenMP, they sleep while they have nothing to do, and so do not take the cores
from the matrix library.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

_pool: ThreadPoolExecutor | None = None


def count_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def split(n: int, parts: int) -> list[slice]:
    """Return slices of `n` samples, as many as there are parts, but none empty.

    >>> split(5, 2), split(1, 2)
    ([slice(0, 3, None), slice(3, 5, None)], [slice(0, 1, None)])
    """
    size = -(-n // parts)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def run_parts(function: Callable[[slice, int], None], parts: list[slice]) -> None:
    """Call ``function(part, i)`` for each part at the same time, and return when all have run."""
    global _pool  # noqa: PLW0603 - made when first needed
    others = []
    if len(parts) > 1:
        _pool = _pool or ThreadPoolExecutor(count_cores(), "netlib")
        others = [_pool.submit(function, part, i) for i, part in enumerate(parts) if i > 0]
    try:
        function(parts[0], 0)
    finally:
        wait(others)
    for other in others:
        other.result()


def _forget_pool() -> None:
    global _pool  # noqa: PLW0603 - a forked process has none of its threads
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
