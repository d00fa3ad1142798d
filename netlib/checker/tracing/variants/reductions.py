"""Other axes for an operation along axes, or for broadcasting."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np

from ....arrays import Array
from ...equality import fits_into
from ..trace import Operation
from .variant import Take, movement


def axes(operation: Operation, k: int) -> Iterator[tuple[str, str, Take]]:
    """Yield other axes for an operation along axes."""
    for other in other_axes(operation, operation.operands[k].ndim):
        yield "wrong-axis", f"goes along {_words(other)}", lambda v, other=other: movement(operation, k, v, axis=other)  # type: ignore[misc]


def other_axes(operation: Operation, ndim: int) -> Iterator[int | tuple[int, ...]]:
    """Yield the axes along which the result of an operation has a suitable shape."""
    axis = operation.options.get("axis")
    if not isinstance(axis, int | tuple):
        return
    own = {each % ndim for each in ((axis,) if isinstance(axis, int) else axis)} if ndim else set()
    some = subsets(ndim) if operation.options.get("keepdims") else combinations(range(ndim), len(own))
    for other in some:
        along = other[0] if len(other) == 1 else other
        try:
            result = operation.again(operation.operands, axis=along)
        except (ValueError, IndexError, TypeError):
            continue  # the operation does not take these axes
        if set(other) != own and (operation.options.get("keepdims") or result.shape == operation.result.shape):
            yield along


def subsets(ndim: int) -> list[tuple[int, ...]]:
    """Return all nonempty sets of axes."""
    return [axes for n in range(1, ndim + 1) for axes in combinations(range(ndim), n)]


def _words(axes: int | tuple[int, ...]) -> str:
    return f"axis {axes}" if isinstance(axes, int) else f"axes {axes}"


def copies(operation: Operation, k: int) -> Iterator[tuple[str, str, Take]]:
    """Yield other axes for the broadcasting of an operand, and so for the sum in backward."""
    a, whole = operation.operands[k], operation.result.shape
    aligned = (1,) * (len(whole) - a.ndim) + a.shape
    if a.shape == whole or a.size < 2 or not fits_into(a.shape, whole):
        return
    seen = {aligned}
    for order in permutations(range(len(whole))):
        shape = tuple(aligned[i] for i in order)
        if shape in seen or not fits_into(shape, whole):
            continue
        seen.add(shape)
        spread = np.broadcast_to(a, whole)

        def take(v: Array, order: tuple[int, ...] = order, spread: Array = spread) -> Array:
            others = [spread if i == k else b for i, b in enumerate(operation.operands)]
            there = [spread + v.reshape(aligned).transpose(order) if i == k else b for i, b in enumerate(others)]
            return operation.again(there) - operation.again(others)

        yield "wrong-axis", f"takes an operand of shape {aligned} for one of shape {shape}", take
