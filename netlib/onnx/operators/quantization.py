"""Quantization: whole numbers that represent multiples of a scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers import MatMul, Multiply, Reshape, Subtract
from ...node import Node
from ..layers.discrete import Discrete
from ..layers.on_integers import OnIntegers
from ..operator import Operator
from .constants import cast_to


def per_axis(op: Operator, i: int, node: Node, dtype: np.dtype[Any]) -> Node:
    """Return input `i` as floats that broadcast along the axis of input 0 that it belongs to."""
    node = cast_to(node, op.dtype(i), dtype)
    if op.rank(i) == 0 or op.shape(i) == (1,):
        return Reshape(())(node)  # type: ignore[no-any-return]
    if op.get("block_size", 0):
        op.refuse(f"has block_size={op.get('block_size')}, expected 0")
    rank, axis = op.rank(0), op.get("axis", 1)
    return Reshape((-1, *[1] * (rank - 1 - axis % rank)))(node)  # type: ignore[no-any-return]


def dequantize(op: Operator) -> Any:
    """Translate DequantizeLinear: ``(x - zero) scale``."""
    dtype = op.dtype(1)
    x = cast_to(op.node(0), op.dtype(0), dtype)
    if op.has(2):
        x = Subtract()(x, per_axis(op, 2, op.node(2), dtype))
    y = Multiply()(x, per_axis(op, 1, op.node(1), dtype))
    wanted = op.output_dtype()
    return y if wanted is None else cast_to(y, dtype, wanted)


def quantize(op: Operator) -> Any:
    """Translate QuantizeLinear: ``round(x / scale) + zero``, within the bounds of its type."""
    dtype = op.output_dtype()
    if dtype is None:
        op.refuse("makes whole numbers of a type that netlib does not have")
    scale = per_axis(op, 1, op.node(1), op.dtype(0))
    zero = [per_axis(op, 2, op.node(2), np.dtype(np.float64))] if op.has(2) else []
    return Discrete("quantize", {"dtype": dtype.name})(op.node(0), scale, *zero)


def matmul_integer(op: Operator) -> Any:
    """Translate MatMulInteger: the product of whole numbers minus their zero points."""
    a, b = (_less_zero(op, i, i + 2) for i in (0, 1))
    return OnIntegers(MatMul(), "int32")(a, b)


def _less_zero(op: Operator, i: int, zero: int) -> Node:
    if not op.has(zero):
        return op.node(i)
    if op.rank(zero) > 1 or (op.rank(zero) == 1 and op.shape(zero) != (1,)):
        op.refuse("has a zero for each row or column")
    return OnIntegers(Subtract(), "int32")(op.node(i), op.node(zero))  # type: ignore[no-any-return]


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "DequantizeLinear": dequantize,
    "QuantizeLinear": quantize,
    "MatMulInteger": matmul_integer,
}
