"""Whole numbers of which some are known: the shape of a batch, and what files compute with it.

They are float64 arrays with NaN for what is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from .operator import Operator, RefusedError

MAX_SIZE = 64
"""The most numbers that are followed."""


def partial_result(op: Operator) -> Array | None:
    """Return what is known of the result of `op`, or None if that is nothing."""
    if op.op_type not in PARTIAL or op.domain not in ("", "ai.onnx"):
        return None
    if op.op_type not in ("Shape", "Size") and op.has(0) and all(op.is_constant(i) for i in range(len(op)) if op.has(i)):
        return None  # folded
    try:
        result = PARTIAL[op.op_type](op)
    except (RefusedError, ValueError, IndexError, TypeError):
        return None
    return result if result is not None and result.size <= MAX_SIZE else None


def _shape(op: Operator) -> Array:
    known = np.array([np.nan if n is None else n for n in op.shape(0)], np.float64)
    return known[op.get("start", 0) : op.get("end")]


def _numbers(op: Operator, i: int) -> Array:
    numbers = op.partial(i)
    if numbers is None or op.dtype(i).kind not in "iub":
        op.refuse("nothing is known of it")
    return numbers


def _gather(op: Operator) -> Array:
    return np.take(_numbers(op, 0), op.constant(1), axis=op.get("axis", 0))


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


def _arithmetic(function: Callable[[Array, Array], Array]) -> Callable[[Operator], Array]:
    def result(op: Operator) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(function(_numbers(op, 0), _numbers(op, 1)), np.float64)

    return result


def _divide(a: Array, b: Array) -> Array:
    return np.trunc(np.where(b == 0, np.nan, a) / np.where(b == 0, 1, b))


def _equal(a: Array, b: Array) -> Array:
    """Compare; an unknown length differs from each negative number."""
    unknown = (np.isnan(a) & ~(b < 0)) | (np.isnan(b) & ~(a < 0))
    return np.where(unknown, np.nan, a == b)


def _where(op: Operator) -> Array:
    condition, a, b = (_numbers(op, i) for i in range(3))
    return np.where(np.isnan(condition), np.nan, np.where(condition == 1, a, b))


def _product(op: Operator) -> Array:
    if len(op) > 1 or op.get("axes"):
        op.refuse("not followed")
    x = _numbers(op, 0)
    return np.asarray(x.prod(keepdims=bool(op.get("keepdims", 1))))


PARTIAL: dict[str, Callable[[Operator], Array]] = {
    "Shape": _shape,
    "Size": lambda op: np.asarray(np.prod(_shape(op))),
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Identity": _same,
    "Cast": _cast,
    "Add": _arithmetic(np.add),
    "Sub": _arithmetic(np.subtract),
    "Mul": _arithmetic(np.multiply),
    "Div": _arithmetic(_divide),
    "Equal": _arithmetic(_equal),
    "Where": _where,
    "ReduceProd": _product,
}
