"""Messages between the ranks of an MPI job, which never wait for a rank that has failed."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import InvalidTypeError, OrderError, RankError
from ..job import end_job, end_job_on_error
from ..kernels.threads import cores

PATIENCE = 60.0
"""How many seconds a rank that has failed waits until the others listen, before it ends the job."""

_channels: list[tuple[Any, Channel]] = []
"""The channel of each communicator that a trainer was given: MPI has room for some thousands."""


def require_communicator(communicator: Any, where: str) -> None:
    """Raise unless it is a communicator of mpi4py that this process belongs to."""
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is None or not isinstance(communicator, mpi.Intracomm) or communicator == mpi.COMM_NULL:
        hint = "Pass MPI.COMM_WORLD, after: from mpi4py import MPI. The extra mpi installs it."
        raise InvalidTypeError(f"got {communicator!r}, expected a communicator of mpi4py", where=where, hint=hint)


def channel_of(communicator: Any) -> Channel:
    """Return the channel of a communicator."""
    for known, channel in _channels:
        if known == communicator:
            return channel
    end_job_on_error()
    channel = Channel(communicator)
    _channels.append((communicator, channel))
    return channel


class Channel:
    """Collective operations of all ranks.

    Each begins with a few numbers that all ranks add up. They show whether a rank has failed: it
    takes part once in whatever the others do next, so that they stop waiting for it. A rank at the
    end of its program reports this in the same way. The numbers also show what each rank is about
    to do, so that different operations are never mixed. A rank that fails during an operation, or
    outside of `Trainer`, ends the whole job.

    Parameters
    ----------
    communicator : mpi4py.MPI.Intracomm
        Messages go through a duplicate, so they never mix with the user's own.

    Attributes
    ----------
    rank, size : int
        The number of this process, counted from 0, and the number of processes.
    """

    NUMBERS = 4
    FAIL, LEAVE, AGREE, SUM, GATHER, FROM_FIRST, MACHINE = range(7)

    def __init__(self, communicator: Any) -> None:
        from mpi4py import MPI

        self._mpi, self._comm = MPI, communicator.Dup()
        self.rank, self.size = self._comm.Get_rank(), self._comm.Get_size()
        self._left: list[int] = []
        self._is_amid = False
        atexit.register(self._leave)

    def agree(self, *numbers: float) -> list[float]:
        """Return the sum over all ranks of each of at most `NUMBERS` numbers.

        Raises
        ------
        RankError
            If another rank has failed, has reached the end of its program, or does something else.
        """
        with self._operation(self.AGREE, *numbers) as sums:
            return sums

    def fail(self, error: BaseException) -> None:
        """Tell the other ranks about an error of this rank, unless they know."""
        if self._left or id(self) in _told(error):
            return
        if self._is_amid:
            end_job(error)
        _told(error).append(id(self))
        waiting = Timer(PATIENCE, end_job, (error,))
        waiting.daemon = True
        waiting.start()
        self._add_up(self.FAIL)
        waiting.cancel()
        self._exchange(f"{type(error).__name__}: {error}")

    def sum(self, arrays: Iterable[Array]) -> None:
        """Replace each array by its sum over all ranks, with one message for each dtype."""
        by_dtype: dict[np.dtype[Any], list[Array]] = {}
        for array in arrays:
            by_dtype.setdefault(array.dtype, []).append(array)
        with self._operation(self.SUM):
            for dtype, same in by_dtype.items():
                if len(same) == 1 and dtype.itemsize >= 4 and same[0].flags.c_contiguous:
                    self._comm.Allreduce(self._mpi.IN_PLACE, same[0])
                    continue
                message = np.concatenate([array.ravel() for array in same]).astype(np.result_type(dtype, np.float32), copy=False)
                self._comm.Allreduce(self._mpi.IN_PLACE, message)
                for array, part in zip(same, np.split(message, np.cumsum([array.size for array in same])[:-1]), strict=True):
                    array[...] = part.reshape(array.shape)

    def gather(self, item: Any) -> list[Any]:
        """Return the items of all ranks, in the order of ranks."""
        with self._operation(self.GATHER):
            items: list[Any] = self._comm.allgather(item)
        return items

    def from_first(self, item: Any) -> Any:
        """Return the item of rank 0."""
        with self._operation(self.FROM_FIRST):
            return self._comm.bcast(item)

    def on_this_machine(self) -> list[tuple[int, ...]]:
        """Return the cores that each rank on the same machine may use."""
        with self._operation(self.MACHINE):
            local = self._comm.Split_type(self._mpi.COMM_TYPE_SHARED)
            found: list[tuple[int, ...]] = local.allgather(cores())
            local.Free()
        return found

    @contextmanager
    def _operation(self, operation: int, *numbers: float) -> Iterator[list[float]]:
        """Begin the same operation on all ranks, and yield the sums of the numbers."""
        if self._left:
            raise self._error({}, self._left)
        if self._is_amid:
            hint = "Give each thread a communicator of its own, in the same order on all ranks: communicator.Dup()."
            raise OrderError("another thread trains or evaluates over the same communicator", where="Trainer", hint=hint)
        self._is_amid = True
        n_failed, n_left, total, squares, *sums = self._add_up(operation, *numbers)
        if n_failed or n_left:
            said = self._exchange(None)
            self._is_amid = False
            raise self._error(*said)
        if squares * self.size != total * total:
            self._is_amid = False
            hint = "Call fit and evaluate on every rank, in the same order."
            raise self._known(RankError("the ranks do not all do the same", where="Trainer", hint=hint))
        yield sums[: len(numbers)]
        self._is_amid = False

    def _add_up(self, operation: int, *numbers: float) -> list[float]:
        """Return how many ranks fail or leave, and the sums of operations, squares and numbers."""
        message = np.zeros(4 + self.NUMBERS)
        message[:4] = operation == self.FAIL, operation == self.LEAVE, operation, operation**2
        message[4 : 4 + len(numbers)] = numbers
        self._comm.Allreduce(self._mpi.IN_PLACE, message)
        sums: list[float] = message.tolist()
        return sums

    def _exchange(self, text: str | None, leaves: bool = False) -> tuple[dict[int, str], list[int]]:
        """Return the messages of the failed ranks, and the ranks that have left."""
        said = self._comm.allgather((text, leaves))
        self._left = [rank for rank, (_, has_left) in enumerate(said) if has_left]
        return {rank: words for rank, (words, _) in enumerate(said) if words is not None}, self._left

    def _leave(self) -> None:
        """Wait for the others at the end of the program, or tell them that this rank is there."""
        if self._left or self._mpi.Is_finalized():
            return
        _, n_left, *_ = self._add_up(self.LEAVE)
        if n_left < self.size:
            self._exchange(None, leaves=True)

    def _error(self, failed: dict[int, str], left: list[int]) -> RankError:
        if failed:
            rank, text = next(iter(failed.items()))
            return self._known(RankError(f"rank {rank} has failed: {text}", where="Trainer"))
        ranks = f"rank {left[0]} has" if len(left) == 1 else f"ranks {', '.join(map(str, left))} have"
        message = f"{ranks} come to the end of the program, while this one still trains or evaluates"
        return self._known(RankError(message, where="Trainer", hint="Call fit and evaluate on every rank."))

    def _known(self, error: RankError) -> RankError:
        """Return an error that all ranks know about."""
        _told(error).append(id(self))
        return error


def _told(error: BaseException) -> list[int]:
    """Return the ids of the channels whose ranks know about an error, in a list to append to."""
    channels: list[int] = vars(error).setdefault("_channels_told", [])
    return channels
