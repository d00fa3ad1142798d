"""The order in which a batch of sequences is processed: the longest first, optionally reversed."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_array
from ..errors import InvalidTypeError, InvalidValueError, ShapeError


class SequenceOrder:
    """The order of N sequences of up to T steps, all of T steps if `lengths` is None.

    The longest come first. So step t works on the first ``rows[t]`` sequences, and those after them
    have ended.

    >>> order = SequenceOrder(3, 4, np.array([1, 4, 2]))
    >>> order.rows
    [3, 2, 1, 1]
    """

    def __init__(self, n: int, steps: int, lengths: Array | None = None) -> None:
        self.rows = [n] * steps
        self._order: Array | None = None
        if lengths is not None:
            self._order = np.argsort(-lengths, kind="stable")
            self._inverse = np.argsort(self._order)
            ends = lengths[self._order, None]
            step = np.arange(steps)
            self._is_padding = step >= ends
            self._backwards = np.where(self._is_padding, step, ends - 1 - step)[..., None]
            self.rows = (n - self._is_padding.sum(axis=0)).tolist()

    def sort(self, x: Array) -> Array:
        """Return x (N, T, …) with the longest first and zeros after the end of each."""
        if self._order is None:
            return x
        x = x[self._order]
        x[self._is_padding] = 0
        return x

    def unsort(self, y: Array) -> Array:
        """Return y (N, T, …) in the order of the caller, with zeros after the end of each."""
        if self._order is None:
            return y
        y = y[self._inverse]
        y[self._is_padding[self._inverse]] = 0
        return y

    def sort_states(self, state: Array) -> Array:
        """Return a state (N, …) with that of the longest sequence first."""
        return state if self._order is None else state[self._order]

    def unsort_states(self, state: Array) -> Array:
        """Return a state (N, …) in the order of the caller."""
        return state if self._order is None else state[self._inverse]

    def flip(self, x: Array) -> Array:
        """Return x (N, T, …), sorted, with the steps of each sequence from its end to its start.

        Steps after the end stay there. Flipping twice restores x.
        """
        if self._order is None:
            return np.ascontiguousarray(x[:, ::-1])
        return np.take_along_axis(x, self._backwards, axis=1)


def as_lengths(lengths: ArrayLike, n: int, steps: int, where: object) -> Array:
    """Return the lengths of `n` sequences of up to `steps` steps, or raise.

    >>> as_lengths([2, 0], 2, 3, "LSTM").dtype.kind
    'i'
    """
    array = as_array(lengths, where)
    if array.dtype.kind not in "iu" and array.size:
        hint = "Convert them with lengths.astype(np.int64)."
        raise InvalidTypeError(f"got lengths of type {array.dtype}, expected integers", where=where, hint=hint)
    if array.shape != (n,):
        hint = "Give one number of steps for each sequence."
        raise ShapeError(f"got lengths of shape {array.shape}, expected ({n},)", where=where, hint=hint)
    wrong = np.flatnonzero((array < 0) | (array > steps))
    if wrong.size:
        i = wrong[0]
        hint = "The lengths count the steps of each sequence before its padding."
        raise InvalidValueError(f"lengths[{i}] is {array[i]}, expected 0 to {steps}, the steps of x", where=where, hint=hint)
    return array.astype(np.intp)
