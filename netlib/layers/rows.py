"""Rows to which more are appended: the keys and values that attention has seen so far."""

from __future__ import annotations

from typing import Self

import numpy as np

from ..arrays import Array


class Rows:
    """An array (…, n, features) to which rows can be appended without copying all of it each time.

    Its memory doubles when it is full, and then holds the rows of several objects, each longer than
    the one before. An object never changes, so two may continue from the same rows.

    >>> rows = Rows(np.zeros((1, 2, 3)))
    >>> longer = rows.followed_by(np.ones((1, 1, 3)))
    >>> len(rows), longer.array[0, :, 0]
    (2, array([0., 0., 1.]))
    """

    def __init__(self, array: Array) -> None:
        self._memory = array.copy()
        self._n: int = array.shape[-2]
        self._n_used = [self._n]  # the same list in all objects that share the memory

    def __len__(self) -> int:
        return self._n

    @property
    def array(self) -> Array:
        """The rows, in memory that must not be written to."""
        return self._memory[..., : self._n, :]

    def followed_by(self, array: Array) -> Self:
        """Return these rows followed by those of `array`."""
        *lead, _, features = self._memory.shape
        longer = object.__new__(type(self))
        longer._n = self._n + array.shape[-2]
        longer._memory, longer._n_used = self._memory, self._n_used
        if self._n_used[0] > self._n or longer._n > self._memory.shape[-2]:
            longer._memory, longer._n_used = np.empty((*lead, 2 * longer._n, features), self._memory.dtype), [0]
            longer._memory[..., : self._n, :] = self.array
        longer._memory[..., self._n : longer._n, :] = array
        longer._n_used[0] = longer._n
        return longer
