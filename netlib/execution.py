"""How the current thread runs layers: whether they cache what backward needs, and which mode."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .arrays import Array
    from .containers.plan import Op


class Execution(threading.local):
    """The settings of one thread. Layers read them; programs and `Layer.predict` set them."""

    keeps = True
    """Whether `Layer.remember` caches anything."""
    evaluates = False
    """Whether every layer is in evaluation mode, regardless of its own mode."""
    uses_work_arrays = True
    """Whether programs may keep memory from one forward to the next."""
    has_empty_means = False
    """Whether a mean loss over weights that are all 0 is 0, as for a batch in training."""
    total: Callable[[Array], Array] | None = None
    """What adds up an array over all processes that share the batch, None if there is one."""
    op: Op | None = None
    """The operation of the program that runs the current layer, None outside of programs.

    Its step says which of the layer's inputs and outputs belong to the program.
    """


execution = Execution()


@contextmanager
def without_caching(evaluates: bool) -> Iterator[None]:
    """Run the layers of this thread without caching, in evaluation mode if `evaluates` is true.

    Examples
    --------
    >>> import netlib as nl
    >>> dropout = nl.Dropout(0.5)
    >>> with without_caching(evaluates=True):
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
def without_work_arrays() -> Iterator[None]:
    """Run the programs of this thread layer by layer, and free each value after its last use."""
    before = execution.uses_work_arrays
    execution.uses_work_arrays = False
    try:
        yield
    finally:
        execution.uses_work_arrays = before


@contextmanager
def with_empty_means() -> Iterator[None]:
    """Let a mean loss be 0 for a batch whose weights are all 0, instead of raising an error.

    Examples
    --------
    >>> import netlib as nl
    >>> with with_empty_means():
    ...     nl.MeanSquaredError().forward([1.0], [3.0], weight=[0.0])
    0.0
    """
    before = execution.has_empty_means
    execution.has_empty_means = True
    try:
        yield
    finally:
        execution.has_empty_means = before


@contextmanager
def with_total(total: Callable[[Array], Array] | None) -> Iterator[None]:
    """Let layers with batch statistics add up their sums over all processes by `total`.

    If it is None, this process computes alone.

    Examples
    --------
    >>> import netlib as nl
    >>> norm = nl.BatchNorm(1, eps=0.0)
    >>> with with_total(lambda sums: 2 * sums):  # two processes with the same share
    ...     y = norm.forward([[1.0], [3.0]])
    >>> norm.running_var.value  # of four samples: 4/3, not 2
    array([1.0333333], dtype=float32)
    """
    before = execution.total
    execution.total = total
    try:
        yield
    finally:
        execution.total = before
