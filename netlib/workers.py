"""Background threads, or the calling thread where Python has no others, as in a browser."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

HAS_THREADS = sys.platform not in ("emscripten", "wasi")


class CallingThread(Executor):
    """An executor that runs a function before `submit` returns.

    Examples
    --------
    >>> with CallingThread() as executor:
    ...     executor.submit(pow, 2, 3).result()
    8
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn(*args, **kwargs)``; its exceptions are raised by `result`."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def one_worker(name: str) -> Executor:
    """Return an executor of one thread, or of the calling thread where there are no others."""
    return ThreadPoolExecutor(1, name) if HAS_THREADS else CallingThread()
