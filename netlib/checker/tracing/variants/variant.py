"""What a result is taken to move by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ....arrays import Array
from ..trace import Change, Operation, Place

Take = Callable[[Array], Array]
"""By how much a result is taken to move when an operand does."""


Whole = Callable[[list[Array]], Array]
"""What comes out of an operation that is taken for another, value and all."""


class Variant(NamedTuple):
    """A mistake, the operation it is made in and what that is taken for, and the change of forward that it comes to."""

    mistake: str
    text: str
    changes: dict[int, Change]


def moved(operation: Operation, k: int, move: Array, **options: Any) -> Array:
    """Return by how much the result moves when operand k does."""
    base = operation.operands
    there = operation.again([a + move if i == k else a for i, a in enumerate(base)], **options)
    return np.asarray(there - operation.again(base, **options))


def by_source(result: Array, place: Place, u: Array, take: Take) -> Change:
    """Return what comes out of an operation that is taken to move with an operand of an operation before it."""
    return lambda trace, now: result + take(trace.operations[place[0]].operands[place[1]] - u)


def moving_operands(base: list[Operation], above: list[Operation]) -> list[tuple[Place, Array]]:
    """Return the arrays among the operands that move from one forward to the other."""
    return [
        ((n, k), a)
        for n, operation in enumerate(base)
        for k, a in enumerate(operation.operands)
        if a.size > 1 and not np.array_equal(a, above[n].operands[k])
    ]
