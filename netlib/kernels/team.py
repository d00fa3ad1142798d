"""Threads that take over parts of an operation within microseconds.

To wake a sleeping thread can take longer than an operation: 90 µs on a virtual machine. So the
threads of a team stay awake between two operations, in compiled code that reads a number in memory
until it changes and does not hold Python's lock. If no work comes soon, they sleep.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Condition, Thread
from typing import Any

import numpy as np

from ..arrays import Array
from .kernel import emitted_by, loops

PATIENCE = 900_000
"""How often a number is read before a thread sleeps: for some 300 µs."""
HEAD_START = 40_000
"""How often a thread reads it before it begins a job: for some 13 µs.

Meanwhile the caller begins its own job and releases Python's lock. A thread that waits for the lock
would sleep.
"""
LINE = 16
"""Numbers at this distance lie in different cache lines, and can be written without delay."""


def _emit_write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    flags = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
    builder.store_atomic(arguments[2], builder.gep(flags, [arguments[1]]), "release", 8)
    return context.get_dummy_value()


@emitted_by(_emit_write)
def write_at_once(flags: Array, i: int, value: int) -> None:
    """Write a number that other threads may read."""
    flags[i] = value


def _emit_read(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    flags, found = (context.make_array(signature.args[k])(context, builder, value=arguments[k]).data for k in (0, 2))
    builder.store(builder.load_atomic(builder.gep(flags, [arguments[1]]), "acquire", 8), found)
    return context.get_dummy_value()


@emitted_by(_emit_read)
def read_anew(flags: Array, i: int, found: Array) -> None:
    """Read into `found` a number that other threads may write."""
    found[0] = flags[i]


@loops("boolean(int64[::1], int64, int64, int64, int64, int64, int64)")
def tell_and_wait(flags: Array, own: int, value: int, other: int, awaited: int, patience: int, delay: int) -> bool:
    """Set ``flags[own]``, then return whether ``flags[other]`` reaches `awaited` soon.

    It is read at most `patience` times, and after success another `delay` times.
    """
    found = np.zeros(1, np.int64)
    write_at_once(flags, own, value)
    for _ in range(patience):
        read_anew(flags, other, found)
        if found[0] >= awaited:
            for _ in range(delay):
                read_anew(flags, other, found)
            return True
    return False


class Team:
    """Threads that run jobs beside the calling thread. Only one caller may use them at a time.

    Parameters
    ----------
    size : int
        The number of jobs that run at once.
    """

    def __init__(self, size: int) -> None:
        n = size - 1  # besides the caller
        self.size = size
        self._given, self._done = [2 * LINE * i for i in range(n)], [2 * LINE * i + LINE for i in range(n)]
        self._counts = np.zeros(2 * LINE * n, np.int64)
        """How many jobs each thread has been given, and how many it has done."""
        self._jobs: list[Callable[[], object] | None] = [None] * n
        self._errors: list[BaseException] = []
        self._patience = PATIENCE
        self._alarm, self._n_asleep = Condition(), 0
        self._core_of_caller = -1
        self._threads = [Thread(target=self._work, args=(i,), name=f"netlib-{i}", daemon=True) for i in range(n)]
        for thread in self._threads:
            thread.start()
        atexit.register(self.stop)

    def run(self, jobs: Sequence[Callable[[], object]], stay_awake: bool = True) -> None:
        """Run the first job in this thread, the others beside it, and return when all are done.

        If the threads do not stay awake afterwards, they leave the cores to others at once.
        """
        first, *others = jobs
        self._errors, self._patience = [], PATIENCE if stay_awake else 1
        core = _core_in_use()
        if core != self._core_of_caller:
            self._core_of_caller = core
            self._leave(core)
        self._give(others)
        try:
            first()
        finally:
            for given, done in zip(self._given[: len(others)], self._done, strict=False):
                n = int(self._counts[given])
                while not self._tell_and_wait(given, n, done, n, PATIENCE, 0):
                    time.sleep(1e-4)
        if self._errors:
            raise self._errors[0]

    @property
    def is_awake(self) -> bool:
        """Whether no thread sleeps, so that all would begin a job at once."""
        return not self._n_asleep

    def stop(self) -> None:
        """End the threads, which must not run while Python itself ends."""
        atexit.unregister(self.stop)
        self._give([None] * len(self._threads))
        for thread in self._threads:
            thread.join()

    def _leave(self, core: int) -> None:
        """Keep the threads off a core.

        Idle cores of a virtual machine look busy to Linux. It wakes a thread on its waker's core
        instead, and may take 50 ms to notice that the two share it.
        """
        others = os.sched_getaffinity(0) - {core}
        for thread in self._threads:
            with suppress(OSError):  # the cores that this process may use can change at any time
                if others and thread.native_id is not None:
                    os.sched_setaffinity(thread.native_id, others)

    def _give(self, jobs: Sequence[Callable[[], object] | None]) -> None:
        for i, job in enumerate(jobs):
            self._jobs[i] = job
            self._counts[self._given[i]] += 1
        with self._alarm:
            if self._n_asleep:
                self._alarm.notify_all()

    def _work(self, i: int) -> None:
        counts, given, done, n = self._counts, self._given[i], self._done[i], 0
        while True:
            if not self._tell_and_wait(done, n, given, n + 1, self._patience, HEAD_START):
                with self._alarm:
                    self._n_asleep += 1
                    while counts[given] == n:
                        self._alarm.wait()
                    self._n_asleep -= 1
            job, self._jobs[i] = self._jobs[i], None
            if job is None:
                return
            try:
                job()
            except BaseException as error:
                self._errors.append(error)
            del job
            n += 1

    def _tell_and_wait(self, own: int, value: int, other: int, awaited: int, patience: int, delay: int) -> bool:
        run = tell_and_wait.run
        is_compiled = run is not tell_and_wait.__wrapped__
        return run(self._counts, own, value, other, awaited, patience if is_compiled else 1, delay if is_compiled else 0)


def _find_core_in_use() -> Callable[[], int]:
    """Return the function that returns the core of this thread, or always -1 except on Linux."""
    if not hasattr(os, "sched_setaffinity"):
        return lambda: -1
    found: Callable[[], int] = getattr(ctypes.CDLL(None), "sched_getcpu", lambda: -1)
    return found


_core_in_use = _find_core_in_use()
