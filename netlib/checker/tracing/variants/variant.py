"""A variant of a forward, and the movement of a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ....arrays import Array
from ..trace import Change, Operation, Place

Take = Callable[[Array], Array]
"""From the movement of an operand to that of the result, in the variant."""


Whole = Callable[[list[Array]], Array]
"""From the operands of an operation to its result, in the variant."""


class Variant(NamedTuple):
    """A mistake, its text, and the changes in forward that have the same gradient."""

    mistake: str
    text: str
    changes: dict[int, Change]


def movement(operation: Operation, k: int, move: Array, **options: Any) -> Array:
    """Return the movement of the result for that of operand k."""
    base = operation.operands
    there = operation.again([a + move if i == k else a for i, a in enumerate(base)], **options)
    return np.asarray(there - operation.again(base, **options))


def by_source(result: Array, place: Place, u: Array, take: Take) -> Change:
    """Return a change in which the result moves with an operand of an earlier operation."""
    return Change(lambda now: result + take(now[0] - u), place)


def moving_operands(base: list[Operation], above: list[Operation]) -> list[tuple[Place, Array]]:
    """Return the arrays among the operands that move from one forward to the other."""
    return [
        ((n, k), a)
        for n, operation in enumerate(base)
        for k, a in enumerate(operation.operands)
        if a.size > 1 and not np.array_equal(a, above[n].operands[k])
    ]
