"""Messages between the ranks of an MPI job, which never wait for a rank that has failed."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import InvalidTypeError, RankError, not_installed

NEEDED = ("Allreduce", "allgather", "bcast", "Dup", "Get_rank", "Get_size")
"""Methods of a communicator."""

_channels: list[tuple[Any, Channel]] = []
"""The channel of each communicator that a trainer was given: MPI has room for some thousands."""


def channel_of(communicator: Any, where: str) -> Channel:
    """Return the channel of a communicator of mpi4py.

    Raises
    ------
    InvalidTypeError
        If it is something else.
    """
    if missing := [name for name in NEEDED if not hasattr(communicator, name)]:
        message = f"got {communicator!r}, which has no {missing[0]}, expected a communicator of mpi4py"
        raise InvalidTypeError(message, where=where, hint="Pass MPI.COMM_WORLD, after: from mpi4py import MPI.")
    for known, channel in _channels:
        if known == communicator:
            return channel
    channel = Channel(communicator)
    _channels.append((communicator, channel))
    return channel


class Channel:
    """Collective operations of all ranks.

    Each begins with a few numbers that all ranks add up. They say whether a rank has failed: it
    takes part in whatever the others do next, once, so that they stop waiting for it. A rank that
    comes to the end of its program says so in the same way. They also say what each rank is about
    to do, so that different operations never meet. If a rank raises an error outside of `Trainer`,
    it ends the whole job.

    Parameters
    ----------
    communicator : mpi4py.MPI.Comm
        Messages go through a duplicate, so they never mix with the user's own.

    Attributes
    ----------
    rank, size : int
        The number of this process, counted from 0, and how many there are.
    """

    NUMBERS = 4
    FAIL, LEAVE, AGREE, SUM, GATHER, FROM_FIRST, MACHINE = range(7)

    def __init__(self, communicator: Any) -> None:
        try:
            from mpi4py import MPI
        except ImportError:
            raise not_installed("mpi4py", "mpi", "Trainer, communicator") from None
        self._mpi, self._comm = MPI, communicator.Dup()
        self.rank, self.size = self._comm.Get_rank(), self._comm.Get_size()
        self._left: list[int] = []
        atexit.register(self._leave)
        sys.excepthook = _Abort(self._comm, sys.excepthook)

    def agree(self, *numbers: float) -> list[float]:
        """Return the sum over all ranks of each of at most `NUMBERS` numbers.

        Raises
        ------
        RankError
            If another rank has failed, has come to the end of its program, or does something else.
        """
        return self._begin(self.AGREE, *numbers)

    def fail(self, error: BaseException) -> None:
        """Tell the others that this rank has failed."""
        if self._left:
            return
        self._add_up(self.FAIL)
        self._exchange(f"{type(error).__name__}: {error}")

    def sum(self, arrays: Iterable[Array], has_agreed: bool = False) -> None:
        """Replace each array by its sum over all ranks, with one message for each dtype.

        If all ranks have just agreed on something else, pass ``has_agreed=True``.
        """
        if not has_agreed:
            self._begin(self.SUM)
        by_dtype: dict[np.dtype[Any], list[Array]] = {}
        for array in arrays:
            by_dtype.setdefault(array.dtype, []).append(array)
        for dtype, same in by_dtype.items():
            if len(same) == 1 and dtype.itemsize >= 4 and same[0].flags.c_contiguous:
                self._comm.Allreduce(self._mpi.IN_PLACE, same[0])
                continue
            message = np.concatenate([array.ravel() for array in same]).astype(np.result_type(dtype, np.float32), copy=False)
            self._comm.Allreduce(self._mpi.IN_PLACE, message)
            for array, part in zip(same, np.split(message, np.cumsum([array.size for array in same])[:-1]), strict=True):
                array[...] = part.reshape(array.shape)

    def gather(self, item: Any) -> list[Any]:
        """Return what each rank has passed, in the order of ranks."""
        self._begin(self.GATHER)
        items: list[Any] = self._comm.allgather(item)
        return items

    def from_first(self, item: Any) -> Any:
        """Return what rank 0 has passed."""
        self._begin(self.FROM_FIRST)
        return self._comm.bcast(item)

    def on_this_machine(self) -> list[tuple[int, ...]]:
        """Return the cores that each rank on the same machine may use."""
        from ..kernels.threads import cores

        self._begin(self.MACHINE)
        local = self._comm.Split_type(self._mpi.COMM_TYPE_SHARED)
        try:
            found: list[tuple[int, ...]] = local.allgather(cores())
        finally:
            local.Free()
        return found

    def _begin(self, operation: int, *numbers: float) -> list[float]:
        """Return the sums of the numbers if all ranks begin the same operation."""
        if self._left:
            raise _error_of({}, self._left)
        n_failed, n_left, total, squares, *sums = self._add_up(operation, *numbers)
        if n_failed or n_left:
            raise _error_of(*self._exchange(None))
        if squares * self.size != total * total:
            hint = "Call fit and evaluate on every rank, in the same order."
            raise RankError("the ranks do not all do the same", where="Trainer", hint=hint)
        return sums[: len(numbers)]

    def _add_up(self, operation: int, *numbers: float) -> list[float]:
        """Return how many ranks fail or leave, and the sums of operations, squares and numbers."""
        message = np.zeros(4 + self.NUMBERS)
        message[:4] = operation == self.FAIL, operation == self.LEAVE, operation, operation**2
        message[4 : 4 + len(numbers)] = numbers
        self._comm.Allreduce(self._mpi.IN_PLACE, message)
        sums: list[float] = message.tolist()
        return sums

    def _exchange(self, text: str | None, leaves: bool = False) -> tuple[dict[int, str], list[int]]:
        """Return what the failed ranks say, and which ranks have left."""
        said = self._comm.allgather((text, leaves))
        self._left = [rank for rank, (_, has_left) in enumerate(said) if has_left]
        return {rank: words for rank, (words, _) in enumerate(said) if words is not None}, self._left

    def _leave(self) -> None:
        """Wait for the others at the end of the program, or tell them that this rank is there."""
        if self._left or self._mpi.Is_finalized():
            return
        n_failed, n_left, *_ = self._add_up(self.LEAVE)
        if n_failed or n_left < self.size:
            self._exchange(None, leaves=True)


def _error_of(failed: dict[int, str], left: list[int]) -> RankError:
    if failed:
        rank, text = next(iter(failed.items()))
        return RankError(f"rank {rank} has failed: {text}", where="Trainer")
    ranks = f"rank {left[0]} has" if len(left) == 1 else f"ranks {', '.join(map(str, left))} have"
    hint = "Call fit and evaluate on every rank."
    return RankError(f"{ranks} come to the end of the program, while this one still trains or evaluates", where="Trainer", hint=hint)


class _Abort:
    """A hook for uncaught errors that shows them and ends the job, so that no other rank waits.

    A `RankError` is shown in one line, and leaves the end to the rank that has failed.
    """

    def __init__(self, communicator: Any, before: Any) -> None:
        self._comm, self._before = communicator, before

    def __call__(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        rank = self._comm.Get_rank()
        if isinstance(error, RankError):
            print(f"rank {rank} stops: {error}", file=sys.stderr, flush=True)
            return
        print(f"rank {rank} of {self._comm.Get_size()}:", file=sys.stderr)
        self._before(kind, error, traceback)
        sys.stderr.flush()
        self._comm.Abort(1)
