"""Arrays with two axes of equal length swapped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np

from ....arrays import Array
from ..trace import Operation
from .variant import Take, movement

PRODUCTS = {"matmul", "dot", "einsum", "tensordot", "inner", "outer", "vecdot", "inv", "solve"}
"""Operations in which several arrays may be transposed."""
MOST_TRANSPOSITIONS = 16


def transpositions(operation: Operation, k: int) -> Iterator[tuple[str, str, Take]]:
    """Yield an operation with axes exchanged: of the operand, and in a product of any array."""
    base = operation.operands
    is_product = operation.name in PRODUCTS
    others = [a if i == k or a.ndim < 2 or a.shape[-1] != a.shape[-2] else a.swapaxes(-1, -2) for i, a in enumerate(base)]
    if is_product and any(a is not other for a, other in zip(base, others, strict=True)):
        yield "missing-transpose", "has all but what moves transposed", lambda v: movement(operation._replace(operands=others), k, v)
    arrays = [a if i == k or is_product or operation.name == "multiply" else np.zeros(0) for i, a in enumerate(base)]
    arrays.append(operation.result if is_product else np.zeros(0))
    choices = [[None, *_exchangeable_axes(a, operation.name)] for a in arrays]
    few = sorted(product(*choices), key=lambda axes: sum(each is not None for each in axes))
    for chosen in few[1 : 1 + MOST_TRANSPOSITIONS]:
        turned = [a if i == k else _exchange(a, axes) for i, (a, axes) in enumerate(zip(base, chosen, strict=False))]

        def take(v: Array, turned: list[Array] = turned, chosen: tuple[tuple[int, int] | None, ...] = chosen) -> Array:
            there = [a + _exchange(v, chosen[k]) if i == k else a for i, a in enumerate(turned)]
            return _exchange(operation.again(there) - operation.again(turned), chosen[-1])

        names = [f"operand {i + 1}" if len(base) > 1 else "its operand" for i in range(len(base))] + ["its result"]
        how = [
            " transposed" if a.ndim == 2 or axes == (-2, -1) else f" with axes {axes} exchanged"
            for a, axes in zip(arrays, chosen, strict=True)
        ]
        which = " and ".join(name + how for name, how, axes in zip(names, how, chosen, strict=True) if axes)
        yield "missing-transpose", f"has {which}", take


def _exchangeable_axes(a: Array, name: str) -> list[tuple[int, int]]:
    """Return the pairs of axes that can be exchanged without changing the shape."""
    if name == "matmul":
        return [(-2, -1)] if a.ndim > 1 and a.shape[-1] == a.shape[-2] > 1 else []
    return [(i, j) for i, j in combinations(range(a.ndim), 2) if a.shape[i] == a.shape[j] > 1]


def _exchange(a: Array, axes: tuple[int, int] | None) -> Array:
    return a if axes is None else a.swapaxes(*axes)
