"""Matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...arrays import Array
from ...layers import Add, Affine, Einsum, MatMul, Transpose
from ..operator import Operator
from .arithmetic import elementwise, number


def matmul(op: Operator) -> Any:
    """Translate MatMul: with a weight of the file, as `Affine`."""
    if op.is_trained(1) and op.rank(1) == 2 and op.is_float():
        return affine(op, transposed=False, bias=False)(op.node(0))
    return op.apply(MatMul(), op.node(0), op.node(1))


def gemm(op: Operator) -> Any:
    """Translate Gemm, ``alpha A B + beta C``: with weights of the file, as `Affine`."""
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


def add(op: Operator) -> Any:
    """Translate Add: a bias after a product becomes the bias of its `Affine`."""
    for i, j in [(0, 1), (1, 0)]:
        if op.is_trained(j) and _is_product(op, i, op.constant(j)):
            return _with_bias(op, i, j)
    return elementwise(Add)(op)


def _is_product(op: Operator, i: int, bias: Array) -> bool:
    """Return whether input `i` is a product without a bias, which nothing else takes."""
    call = None if op.is_constant(i) or not op.is_used_once(i) else op.node(i).call
    if call is None or not isinstance(call.layer, Affine) or call.layer.bias is not None:
        return False
    is_row = bias.shape[-1] == bias.size == call.layer.out_features and bias.ndim <= op.rank(i)
    return is_row and bias.dtype == call.layer.dtype


def _with_bias(op: Operator, i: int, j: int) -> Any:
    """Return the node of input `i` with a bias, and named after it."""
    node = op.node(i)
    assert node.call is not None
    layer: Any = node.call.layer
    layer.bias = op.parameter(j) if op.rank(j) == 1 else op.parameter(j, "flat", np.ravel)
    owner = op.owned[-1].rpartition(".")[0].replace(".", "/")
    if owner and node.call.name != owner:
        node.name = node.call.name = None  # it gets a name with that of the bias
    return node


def einsum(op: Operator) -> Any:
    """Translate Einsum."""
    return op.apply(Einsum(op.get("equation").replace(" ", "")), *op.nodes())


OPERATORS: dict[str, Callable[[Operator], Any]] = {"Add": add, "MatMul": matmul, "Gemm": gemm, "Einsum": einsum}
