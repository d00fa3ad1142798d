"""A process with one contender in it: ``python -m benchmarks.worker CONTENDER THREADS``.

It reads requests and writes answers, each a line of JSON: ``{"do": "time", "steps": 100}`` is answered with ``{"answer": ...}``, or with
``{"error": "what went wrong"}``. The first line is written unasked: the versions of the packages in use, or why there is no contender.
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

from .case import CASES, Case
from .contenders import CONTENDERS, HELPERS, UnavailableError

if TYPE_CHECKING:
    from .contenders import Contender, Step

WITNESSED = 8
"""After how many steps contenders must have the same loss."""
SECONDS = 0.075
"""How long the steps of a round take."""


class Worker:
    """What can be asked of a contender."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.step: Step = lambda: None

    def load(self, task: str, case: Case) -> dict[str, Any]:
        """Make steps of ``task`` ready and warm.

        Returns
        -------
        dict
            ``"steps"`` that make a round, and as ``"witness"`` the loss or the mean output, where it must be everybody's.
        """
        self.release()
        self.step = getattr(self.contender, task)(case)
        for _ in range(WITNESSED - 1):
            self.step()
        last = np.asarray(self.step())
        steps, seconds = 1, self._seconds(1)
        while seconds < SECONDS / 4:
            steps *= 2
            seconds = self._seconds(steps)
        return {
            "steps": max(1, round(SECONDS / seconds * steps)),
            "witness": float(np.abs(last).mean()) if self.contender.takes_weights else None,
        }

    def time(self, steps: int) -> float:
        """Return the seconds of one step, over so many, after a few to refill the caches."""
        self._seconds(steps // 10 + 1)
        return self._seconds(steps) / steps

    def release(self) -> None:
        """Let go of what was loaded."""
        self.step = lambda: None
        gc.collect()

    def peak_memory(self, case: Case, steps: int) -> dict[str, int]:
        """Return the bytes of memory at the peak of making a model and training it: of the process, and what was added.

        Added to what is there after a few steps of the tiny case, so that code which is loaded late does not count.
        """
        self.load("train", CASES["tiny"])
        self.release()
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        step = self.contender.train(case)
        for _ in range(steps):
            last = step()
        np.asarray(last)
        peak = resident("VmHWM")
        return {"process": peak, "added": peak - before}

    def growth(self, case: Case, steps: int) -> int:
        """Return how many more bytes Python and NumPy hold after so many steps."""
        import tracemalloc

        step = self.contender.train(case)
        held = np.zeros(2, int)  # made before the counting begins
        tracemalloc.start()
        for i, n in enumerate((steps // 10, steps)):
            for _ in range(n):
                step()
            gc.collect()
            held[i] = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return int(held[1] - held[0])

    def parameters_after(self, case: Case, steps: int) -> list[float]:
        """Return all parameters of a contender that tells them."""
        numbers: list[float] = self.contender.parameters_after(case, steps)  # type: ignore[attr-defined]
        return numbers

    def _seconds(self, steps: int) -> float:
        step = self.step
        start = perf_counter()
        for _ in range(steps):
            last = step()
        np.asarray(last)  # waits for a result that is still to come
        return perf_counter() - start


def resident(field: str) -> int:
    """Return the bytes of this process in memory: now, VmRSS, or at most, VmHWM."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def main(name: str, threads: int) -> None:
    """Answer until there are no more requests."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed goes where warnings go

    def say(**line: Any) -> None:
        print(json.dumps(line), file=answers)

    try:
        contender = {**CONTENDERS, **HELPERS}[name].make(threads)
    except UnavailableError as error:
        say(error=str(error))
        return
    worker = Worker(contender)
    say(answer=contender.versions)
    for line in sys.stdin:
        request = json.loads(line)
        if "case" in request:
            request["case"] = Case(**{**request["case"], "widths": tuple(request["case"]["widths"])})
        try:
            say(answer=getattr(worker, request.pop("do"))(**request))
        except Exception as error:
            say(error=f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
