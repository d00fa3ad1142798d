"""Other axes than those that an operation goes along, or that it copies an operand along."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from ...arrays import Array
from ..expressions import fits_into
from ..tracing import Operation
from .taking import Take, moved


def axes(operation: Operation, k: int) -> Iterator[tuple[str, str, Take]]:
    """Another axis than the one that the operation goes along."""
    a, axis = operation.operands[k], operation.options.get("axis")
    if not isinstance(axis, int):
        return
    for other in range(a.ndim):
        if other == axis % a.ndim:
            continue
        try:
            if operation.again(operation.operands, axis=other).shape != operation.result.shape:
                continue
        except Exception:
            continue
        yield "wrong-axis", f"goes along axis {other}", lambda v, other=other: moved(operation, k, v, axis=other)  # type: ignore[misc]


def copies(operation: Operation, k: int) -> Iterator[tuple[str, str, Take]]:
    """Other axes than those along which an operand is copied to fill the result, and so summed up on the way back."""
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

        yield "wrong-axis", f"takes operand {k + 1} for one of shape {shape}", take
