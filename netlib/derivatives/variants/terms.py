"""Terms that are forgotten inside an operation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...arrays import Array
from ..expressions import fits_into
from ..tracing import Operation, getitem
from .taking import Take, moved


def repeats(operation: Operation, k: int) -> Iterator[tuple[str, str, Take]]:
    """Elements that are taken several times, of which the last time alone counts, as in ``dx[index] += dout``."""
    if operation.function is not getitem:
        return
    a, index = operation.operands[k], operation.args[1]
    source = getitem(np.arange(a.size).reshape(a.shape), index)
    last = np.zeros(a.size, int)
    last[source] = np.arange(source.size).reshape(source.shape)
    is_last = last[source] == np.arange(source.size).reshape(source.shape)
    if not is_last.all():
        yield "missing-term", "takes each element once only, the last time", lambda v: np.asarray(getitem(v, index) * is_last)


def terms(operation: Operation, k: int, base: list[Operation]) -> Iterator[tuple[str, str, Take]]:
    """Other operands that are sums, of which a term is forgotten."""
    operands = operation.operands
    for j, other in enumerate(operands):
        made = next((each for each in base if each.name in ("add", "subtract") and _is(each.result, other)), None)
        for i, part in enumerate(made.operands if made is not None and j != k else ()):
            if fits_into(part.shape, other.shape):
                others = [np.broadcast_to(part, other.shape) if n == j else a for n, a in enumerate(operands)]
                take = operation._replace(operands=others)
                what = f"has as operand {j + 1} operand {i + 1} alone of {made.text}" if made else ""
                yield "missing-term", what, lambda v, take=take: moved(take, k, v)  # type: ignore[misc]


def _is(result: object, a: Array) -> bool:
    return isinstance(result, np.ndarray) and result.shape == a.shape and np.array_equal(result, a)
