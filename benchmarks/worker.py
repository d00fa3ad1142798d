"""A process with one contender in it: ``python -m benchmarks.worker CONTENDER THREADS``.

It reads requests and writes answers, each a line of JSON: ``{"do": "time", "steps": 100}`` is
answered with ``{"answer": ...}`` or ``{"error": "what went wrong"}``. Before the first request it
writes the versions of the packages in use, or why the contender cannot run.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .case import Case
from .contenders import CONTENDERS, HELPERS, UnavailableError

if TYPE_CHECKING:
    from .contenders import Contender, Step

COMPARED_STEP = 8
"""The step at which all contenders must have the same loss."""
SECONDS = 0.075
"""How long the steps of a round take."""


class Worker:
    """The requests that a contender answers."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.step: Step = lambda: None

    def load(self, task: str, case: Case) -> dict[str, Any]:
        """Prepare steps of ``task`` and warm them up.

        Returns
        -------
        dict
            The number of ``"steps"`` in a round, and ``"loss"``: the loss, or the mean output in
            inference; None if the contender does not start from the given weights.
        """
        self.release()
        self.step = getattr(self.contender, task)(case)
        for _ in range(COMPARED_STEP - 1):
            self.step()
        last = np.asarray(self.step())
        steps, seconds = 1, self._seconds(1)
        while seconds < SECONDS / 4:
            steps *= 2
            seconds = self._seconds(steps)
        return {
            "steps": max(1, round(SECONDS / seconds * steps)),
            "loss": float(np.abs(last).mean()) if self.contender.takes_weights else None,
        }

    def time(self, steps: int) -> float:
        """Return the mean seconds of a step, after a few steps that refill the caches."""
        self._seconds(steps // 10 + 1)
        return self._seconds(steps) / steps

    def release(self) -> None:
        """Release what was loaded."""
        self.step = lambda: None
        gc.collect()

    def peak_memory(self, case: Case, small: Case, steps: int) -> dict[str, int]:
        """Return the peak memory in bytes while a model is created and trained.

        ``"process"`` counts all, ``"added"`` what exceeds the memory after a few steps of a
        ``small`` case of the same kind, so that code which is loaded late does not count.
        """
        self.load("train", small)
        self.release()
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        step = self.contender.train(case)
        for _ in range(steps):
            last = step()
        np.asarray(last)
        peak = resident("VmHWM")
        return {"process": peak, "added": peak - before}

    def growth(self, case: Case, steps: int) -> int:
        """Return by how many bytes the memory of Python and NumPy grows in so many steps."""
        import tracemalloc

        step = self.contender.train(case)
        held = np.zeros(2, int)  # allocated before tracing starts
        tracemalloc.start()
        for i, n in enumerate((steps // 10, steps)):
            for _ in range(n):
                step()
            gc.collect()
            held[i] = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return int(held[1] - held[0])

    def parameters_after(self, case: Case, steps: int) -> list[float]:
        """Return all parameters, for contenders that support it."""
        numbers: list[float] = self.contender.parameters_after(case, steps)  # type: ignore[attr-defined]
        return numbers

    def _seconds(self, steps: int) -> float:
        step = self.step
        start = perf_counter()
        for _ in range(steps):
            last = step()
        np.asarray(last)  # waits for the result of an asynchronous step
        return perf_counter() - start


def resident(field: str) -> int:
    """Return the resident memory of this process in bytes: VmRSS is current, VmHWM the peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def main(name: str, threads: int) -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # other output goes to standard error

    def send(**line: Any) -> None:
        print(json.dumps(line), file=answers)

    try:
        contender = {**CONTENDERS, **HELPERS}[name].make(threads)
    except UnavailableError as error:
        send(error=str(error))
        return
    worker = Worker(contender)
    send(answer=contender.versions)
    for line in sys.stdin:
        request = json.loads(line)
        request |= {name: Case(**request[name]) for name in ("case", "small") if name in request}
        try:
            send(answer=getattr(worker, request.pop("do"))(**request))
        except Exception as error:
            send(error=f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
