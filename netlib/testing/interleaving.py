"""Two threads in one function, interleaved on purpose."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


def run_interrupted(call: Callable[[], T], at: int, interruption: Callable[[], object]) -> tuple[T, int]:
    """Return what `call` returns, and how many lines it ran, with `interruption` run by another thread before its line number `at`.

    Threads meet by luck; this makes them meet. An interruption that has to wait for `call`, at a lock, runs on beside it.

    Examples
    --------
    >>> seen = []
    >>> def call():
    ...     seen.append("one")
    ...     seen.append("two")
    >>> run_interrupted(call, 1, lambda: seen.append("from elsewhere"))
    (None, 2)
    >>> seen
    ['one', 'from elsewhere', 'two']
    """
    lines = 0
    other = threading.Thread(target=interruption)

    def trace(frame: FrameType, event: str, _: object) -> Any:  # pragma: no cover - no tracer sees another
        nonlocal lines
        if str(frame.f_globals.get("__name__")).partition(".")[0] == "numpy":
            return None
        if event == "line":
            if lines == at:
                other.start()
                other.join(timeout=0.2)
            lines += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        result = call()
    finally:
        sys.settrace(before)
        if other.ident is not None:
            other.join()
    return result, lines
