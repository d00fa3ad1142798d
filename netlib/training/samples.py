"""Samples: inputs, targets and weights with equal numbers of rows, and which are held out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, as_number, as_rng
from ..data.aligned import as_aligned
from ..errors import InvalidValueError, NetlibError, ShapeError
from ..layer import Layer
from ..losses.loss import Loss
from .reading import as_rows, read


@dataclass(slots=True)
class Batch:
    """Some samples: `x` and `t` are arrays or tuples of arrays, as passed to `fit`.

    Examples
    --------
    >>> batch = Batch(np.ones((2, 3)), (np.zeros(2), np.ones(2)))
    >>> len(batch), len(batch.inputs), len(batch.targets)
    (2, 1, 2)
    """

    x: Any
    t: Any
    weight: Any = None

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The inputs as a tuple."""
        return self.x if isinstance(self.x, tuple) else (self.x,)

    @property
    def targets(self) -> tuple[Any, ...]:
        """The targets as a tuple."""
        return self.t if isinstance(self.t, tuple) else (self.t,)

    @property
    def arrays(self) -> list[Any]:
        """Inputs, targets, and the weight if there is one."""
        return [*self.inputs, *self.targets, *([] if self.weight is None else [self.weight])]

    def __len__(self) -> int:
        return int(self.targets[0].shape[0])

    def with_arrays(self, arrays: Sequence[Any]) -> Batch:
        """Return a batch of the same form that holds these arrays."""
        n, m = len(self.inputs), len(self.inputs) + len(self.targets)
        x, t = tuple(arrays[:n]), tuple(arrays[n:m])
        return Batch(
            x if isinstance(self.x, tuple) else x[0],
            t if isinstance(self.t, tuple) else t[0],
            None if self.weight is None else arrays[m],
        )

    def take(self, rows: slice | Array) -> Batch:
        """Return these rows as arrays in memory."""
        if type(self.x) is type(self.t) is np.ndarray and self.weight is None:  # the common case
            return Batch(read(self.x, rows), read(self.t, rows))
        return self.with_arrays([read(a, rows) for a in self.arrays])

    @property
    def description(self) -> str:
        """Shapes and types, as stored in a checkpoint."""
        return ", ".join(f"{a.shape} {a.dtype}" for a in self.arrays)


def as_inputs(x: Any, where: str) -> list[Array]:
    """Return `x`, or the arrays in the tuple `x`, as arrays with equal numbers of rows."""
    return as_aligned(x if isinstance(x, tuple) else (x,), where)


def as_samples(x: Any, t: Any, weight: Any, where: str) -> Batch:
    """Return inputs, targets and weights as arrays with equal numbers of rows.

    Arrays on disk stay there.

    Examples
    --------
    >>> [a.shape for a in as_samples([[1.0], [2.0]], [0, 1], None, where="here").arrays]
    [(2, 1), (2,)]
    """
    given = Batch(x, t, weight)
    try:
        samples = given.with_arrays(as_rows(given.arrays, where))
    except NetlibError as error:
        if isinstance(x, list) and all(isinstance(each, np.ndarray) and each.ndim and len(each) == len(t) for each in x):
            error.hint = "Pass several inputs as a tuple: (x1, x2)."
        raise
    if not len(samples):
        raise ShapeError("got no samples, expected at least one", where=where)
    return samples


def require_targets_of(loss: Layer, samples: Batch, where: str) -> None:
    """Raise if `loss` is a netlib loss that takes fewer targets."""
    n = len(samples.targets)
    if isinstance(loss, Loss) and n > loss.n_nondifferentiable_inputs:
        message = f"got {n} targets, but {type(loss).__name__} takes {loss.n_nondifferentiable_inputs}"
        hint = "Make a Graph of losses: it takes the outputs of the model, then the targets."
        raise InvalidValueError(message, where=where, hint=hint)


def arguments_of_loss(loss: Layer, y: Any, batch: Batch) -> tuple[Any, ...]:
    """Return the outputs, the targets, and the weight, if there is one.

    A loss of one output gets a tuple of outputs unchanged, and rejects it.
    """
    takes_one = isinstance(loss, Loss) and loss.n_differentiable_inputs == 1
    outputs = y if isinstance(y, tuple) and not takes_one else (y,)
    return (*outputs, *batch.targets) if batch.weight is None else (*outputs, *batch.targets, batch.weight)


def total_weight(loss: Layer, batch: Batch) -> float:
    """Return the denominator of the mean that `loss` has just computed.

    A loss without the property `total_weight` is assumed to be a mean over samples.
    """
    total = getattr(loss, "total_weight", None)
    if total is None:
        total = len(batch) if batch.weight is None else np.sum(batch.weight, dtype=np.float64)
    return float(total)


def held_out_rows(samples: Batch, share: Any, seed: int, shuffle: bool, stratify: bool, where: str) -> tuple[Array, Array]:
    """Return the rows to keep and those to hold out for validation, both in ascending order.

    The number of held-out rows is rounded up. They are the last if not `shuffle`.
    """
    share = as_number(share, "validation", where)
    if not 0 < share < 1:
        message = f"validation is {share:g}, expected a share between 0 and 1, or samples of its own"
        raise InvalidValueError(message, where=where)
    n = len(samples)
    n_out = math.ceil(share * n)
    if n_out == n:
        message = f"validation={share:g} holds out all of {n} samples, so none is left for training"
        raise InvalidValueError(message, where=where)
    if not shuffle and stratify:
        hint = "Without shuffle the last part is held out. Leave stratify out, or shuffle."
        raise InvalidValueError("got stratify=True with shuffle=False", where=where, hint=hint)
    order = as_rng(seed).permutation(n) if shuffle else np.arange(n)[::-1]
    if stratify:
        order = _one_class_after_another(order, _labels_of(samples, where), n_out)
    return np.sort(order[n_out:]), np.sort(order[:n_out])


def _one_class_after_another(order: Array, labels: Array, n_out: int) -> Array:
    """Return `order` changed so that its first `n_out` rows contain each class in proportion.

    Sorted by class, rows at equal distances are chosen: a class with k of n rows gets its share,
    rounded up or down.

    >>> _one_class_after_another(np.arange(6), np.array([0, 1, 0, 1, 0, 0]), 3)
    array([2, 5, 3, 0, 4, 1])
    """
    order = order[np.argsort(labels[order], kind="stable")]
    chosen = ((2 * np.arange(n_out) + 1) * len(order)) // (2 * n_out)
    return np.concatenate([order[chosen], np.delete(order, chosen)])


def _labels_of(samples: Batch, where: str) -> Array:
    """Return one class number per sample."""
    t: Array = np.asarray(samples.targets[0])
    if t.ndim == 2 and t.shape[1] > 1 and ((t == 0) | (t == 1)).all() and (t.sum(axis=1) == 1).all():
        classes: Array = t.argmax(axis=1)
        return classes
    if t.size != len(t) or t.dtype.kind not in "iub":
        hint = "Leave stratify out, or hold samples out with validation=(x, t)."
        message = f"stratify needs one class per sample, but the targets are of shape {t.shape} and type {t.dtype}"
        raise InvalidValueError(message, where=where, hint=hint)
    return t.reshape(-1)
