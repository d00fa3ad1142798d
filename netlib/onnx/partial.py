"""Partly known whole numbers: the shape of a batch, and what files compute from it.

They are arrays of objects: an int where a number is known, a string that names a free length, or
None for anything else. Two free lengths of the same name are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from .operator import Operator, RefusedError

MAX_SIZE = 64
"""The most numbers that are followed."""
LARGEST = 2**53
"""The largest number that is followed."""


def partial_result(op: Operator) -> Array | None:
    """Return what is known about the result of `op`, or None if nothing is."""
    if op.op_type not in PARTIAL or op.domain not in ("", "ai.onnx"):
        return None
    if op.op_type not in ("Shape", "Size") and op.is_all_constant:
        return None  # folded
    try:
        result = PARTIAL[op.op_type](op)
    except (RefusedError, ArithmeticError, ValueError, IndexError, TypeError):
        return None
    is_small = result.size <= MAX_SIZE and all(abs(n) <= LARGEST for n in result.flat if isinstance(n, int))
    return result if is_small else None


def _as_objects(values: Any) -> Array:
    array = np.empty(np.shape(values), object)
    array[...] = values
    return array


def _shape(op: Operator) -> Array:
    return _as_objects(op.dims(0)[op.get("start", 0) : op.get("end")])


def _numbers(op: Operator, i: int) -> Array:
    numbers = op.symbolic(i)
    if numbers is None or numbers.size > MAX_SIZE or op.dtype(i).kind not in "iub":
        op.refuse("nothing is known of it")
    return numbers


def _gather(op: Operator) -> Array:
    return _as_objects(np.take(_numbers(op, 0), op.constant(1), axis=op.get("axis", 0)))


def _slice(op: Operator) -> Array:
    x = _numbers(op, 0)
    if x.ndim != 1 or op.version < 10:
        op.refuse("not followed")
    (begin,), (end,), (step,) = op.numbers(1), op.numbers(2), op.numbers(4, [1])
    return x[begin:end:step]


def _concat(op: Operator) -> Array:
    return np.concatenate([_numbers(op, i) for i in range(len(op))], axis=op.get("axis", 0))


def _axes(op: Operator) -> Any:
    return tuple(op.get("axes") or op.numbers(1) or ())


def _squeeze(op: Operator) -> Array:
    return np.squeeze(_numbers(op, 0), _axes(op) or None)


def _unsqueeze(op: Operator) -> Array:
    return np.expand_dims(_numbers(op, 0), _axes(op))


def _reshape(op: Operator) -> Array:
    return _numbers(op, 0).reshape(op.numbers(1))


def _same(op: Operator) -> Array:
    return _numbers(op, 0)


def _cast(op: Operator) -> Array:
    from onnx import TensorProto

    if op.get("to") not in (TensorProto.INT64, TensorProto.INT32):
        op.refuse("not followed")
    return _numbers(op, 0)


def _pairwise(function: Callable[[Any, Any], Any]) -> Callable[[Operator], Array]:
    """Return what is known about a function of pairs of numbers."""
    apply = np.frompyfunc(function, 2, 1)

    def result(op: Operator) -> Array:
        return _as_objects(apply(_numbers(op, 0), _numbers(op, 1)))

    return result


def _add(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return b if a == 0 else a if b == 0 else None


def _subtract(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    return a if b == 0 else 0 if a is not None and a == b else None


def _multiply(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    return b if a == 1 else a if b == 1 else 0 if 0 in (a, b) else None


def _divide(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int) and b:
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return a if b == 1 else None


def _equal(a: Any, b: Any) -> Any:
    """Compare; a free length differs from each negative number."""
    if isinstance(a, int) and isinstance(b, int):
        return int(a == b)
    if a is not None and a == b:
        return 1
    pair = (a, b) if isinstance(a, int) else (b, a)
    return 0 if isinstance(pair[0], int) and pair[0] < 0 and isinstance(pair[1], str) else None


def _where(op: Operator) -> Array:
    def choose(condition: Any, a: Any, b: Any) -> Any:
        return a if condition == 1 or a == b else b if condition == 0 else None

    return _as_objects(np.frompyfunc(choose, 3, 1)(*(_numbers(op, i) for i in range(3))))


def _product(op: Operator) -> Array:
    if len(op) > 1 or op.get("axes"):
        op.refuse("not followed")
    x = _numbers(op, 0)
    total: Any = 1
    for n in x.flat:
        total = _multiply(total, n)
    return _as_objects(total).reshape((1,) * x.ndim if op.get("keepdims", 1) else ())


def _size(op: Operator) -> Array:
    total: Any = 1
    for n in op.dims(0):
        total = _multiply(total, n)
    return _as_objects(total)


PARTIAL: dict[str, Callable[[Operator], Array]] = {
    "Shape": _shape,
    "Size": _size,
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Identity": _same,
    "Cast": _cast,
    "Add": _pairwise(_add),
    "Sub": _pairwise(_subtract),
    "Mul": _pairwise(_multiply),
    "Div": _pairwise(_divide),
    "Equal": _pairwise(_equal),
    "Where": _where,
    "ReduceProd": _product,
}
