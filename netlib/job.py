"""How an MPI job ends when one of its ranks fails, so that the others do not wait for it."""

from __future__ import annotations

import sys
from functools import cache
from time import sleep
from types import TracebackType
from typing import Any

from .errors import RankError

GRACE = 0.5
"""Seconds for mpiexec to pass on the output of a rank, before all of them are ended."""


@cache
def end_job_on_error() -> None:
    """Let an uncaught error on one rank end the job.

    A `RankError` is shown in one line, and the failed rank ends the job. A process that has not
    imported mpi4py, or is the only rank, keeps its previous hook for errors.
    """
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        mpi = sys.modules.get("mpi4py.MPI")
        if mpi is None or not mpi.Is_initialized() or mpi.Is_finalized() or mpi.COMM_WORLD.size == 1:
            before(kind, error, traceback)
        elif isinstance(error, RankError):
            print(f"{_this_rank()} stops: {error}", file=sys.stderr, flush=True)
        else:
            end_job(error, before)

    sys.excepthook = hook


def end_job(error: BaseException, show: Any = sys.__excepthook__) -> None:
    """Show an error, and end all ranks."""
    from mpi4py import MPI

    print(f"{_this_rank()}:", file=sys.stderr)
    show(type(error), error, error.__traceback__)
    sys.stderr.flush()
    sleep(GRACE)
    MPI.COMM_WORLD.Abort(1)


def _this_rank() -> str:
    from mpi4py import MPI

    return f"rank {MPI.COMM_WORLD.Get_rank()} of {MPI.COMM_WORLD.Get_size()}"
