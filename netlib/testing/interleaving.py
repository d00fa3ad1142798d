"""Run code of another thread in the middle of a call."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


def run_interrupted(call: Callable[[], T], at: int, interruption: Callable[[], object]) -> tuple[T, int]:
    """Run `call`, and `interruption` in another thread just before line number `at` of it.

    An interruption that blocks on a lock which `call` holds finishes after `call` has released it.

    Returns
    -------
    result
        What `call` returns.
    lines : int
        How many lines `call` ran.

    Examples
    --------
    >>> seen = []
    >>> def call():
    ...     seen.append("one")
    ...     seen.append("two")
    >>> run_interrupted(call, 1, lambda: seen.append("other thread"))
    (None, 2)
    >>> seen
    ['one', 'other thread', 'two']
    """
    lines = 0
    other = threading.Thread(target=interruption)

    def trace(frame: FrameType, event: str, _: object) -> Any:
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
