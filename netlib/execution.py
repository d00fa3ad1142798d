"""How the present thread runs layers: whether they keep what backward needs, in which mode, and for whom."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .containers.plan import Op


class Execution(threading.local):
    """The state of one thread. Layers ask it; programs and `Layer.predict` set it."""

    keeps = True
    """Whether `Layer.remember` keeps anything."""
    evaluates = False
    """Whether every layer is in evaluation mode, whatever its own mode."""
    uses_work_arrays = True
    """Whether programs may hold on to memory from one forward to the next."""
    op: Op | None = None
    """What a program is doing for one layer: the arrays that it takes and gives belong to the program, as far as its step says so."""


execution = Execution()


@contextmanager
def keeping_nothing(evaluates: bool) -> Iterator[None]:
    """Run layers in this thread so that they keep nothing, in evaluation mode if `evaluates`.

    Examples
    --------
    >>> import netlib as nl
    >>> dropout = nl.Dropout(0.5)
    >>> with keeping_nothing(evaluates=True):
    ...     dropout.training
    False
    >>> dropout.training
    True
    """
    before = execution.keeps, execution.evaluates, execution.op
    execution.keeps, execution.evaluates, execution.op = False, execution.evaluates or evaluates, None
    try:
        yield
    finally:
        execution.keeps, execution.evaluates, execution.op = before


@contextmanager
def using_no_work_arrays() -> Iterator[None]:
    """Run programs in this thread layer by layer, in memory that is free again as soon as nobody needs it."""
    before = execution.uses_work_arrays
    execution.uses_work_arrays = False
    try:
        yield
    finally:
        execution.uses_work_arrays = before
