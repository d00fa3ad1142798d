"""Matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers import Affine, Einsum, MatMul, Transpose
from ..operator import Operator
from .arithmetic import number


def matmul(op: Operator) -> Any:
    """Translate MatMul: with a matrix of the file's own as `Affine`."""
    if op.is_trained(1) and op.rank(1) == 2 and op.is_float():
        return affine(op, transposed=False, bias=False)(op.node(0))
    return op.apply(MatMul(), op.node(0), op.node(1))


def gemm(op: Operator) -> Any:
    """Translate Gemm, ``alpha A B + beta C``: with weights of the file's own as `Affine`."""
    alpha, beta = op.get("alpha", 1.0), op.get("beta", 1.0)
    transposed = bool(op.get("transB", 0))
    if not op.get("transA", 0) and alpha == 1 and op.is_trained(1) and (not op.has(2) or (beta == 1 and _is_bias(op))):
        return affine(op, transposed, bias=op.has(2))(op.node(0))
    a = op.apply(Transpose(), op.node(0)) if op.get("transA", 0) else op.node(0)
    b = op.apply(Transpose(), op.node(1)) if transposed else op.node(1)
    y = op.apply(MatMul(), a, b)
    if alpha != 1:
        y = number(op, alpha) * y
    if not op.has(2):
        return y
    return y + (op.node(2) if beta == 1 else number(op, beta) * op.node(2))


def _is_bias(op: Operator) -> bool:
    """Return whether input 2 is a weight with a number for each column."""
    columns = op.constant(1).shape[0 if op.get("transB", 0) else 1]
    return op.is_trained(2) and op.constant(2).shape == (columns,)


def affine(op: Operator, transposed: bool, bias: bool) -> Affine:
    """Return a layer over the matrix that is input 1, and the bias that is input 2."""
    weight = op.constant(1)
    n_in, n_out = weight.T.shape if transposed else weight.shape
    layer = Affine(n_in, n_out, bias, dtype=weight.dtype)
    layer.weight = op.parameter(1, "transposed", np.transpose) if transposed else op.parameter(1)
    if bias:
        layer.bias = op.parameter(2)
    return layer


def einsum(op: Operator) -> Any:
    """Translate Einsum."""
    return op.apply(Einsum(op.get("equation").replace(" ", "")), *op.nodes())


OPERATORS: dict[str, Callable[[Operator], Any]] = {"MatMul": matmul, "Gemm": gemm, "Einsum": einsum}
