"""A single `Affine`: Y = XW + b, with the product written directly to its work array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arrays import Array, Shape, as_rows, with_rows_of
from ...errors import stale_cache
from ..bias_relu import add_bias, sum_rows
from .fusion import Fusion, Like, Memory, Operation

if TYPE_CHECKING:
    from ...layers.affine import Affine


def takes(affine: Affine, x: Like) -> bool:
    """Return whether X has rows of the layer's in_features and dtype."""
    shape = x.shape
    return len(shape) >= 2 and shape[-1] == affine.in_features and x.dtype is affine.weight.dtype


def output(layers: Sequence[Any], x: Like) -> tuple[Shape, np.dtype[Any]]:
    """Return the shape and type of Y."""
    return (*x.shape[:-1], layers[0].out_features), x.dtype


def _fits(layers: Sequence[Any], x: Like) -> bool:
    return takes(layers[0], x)


def _infer(layers: Sequence[Any], x: Array) -> Array:
    (affine,) = layers
    y = as_rows(x).dot(affine.weight.value)
    if affine.bias is not None:
        add_bias(y, affine.bias.value)
    return with_rows_of(y, x)


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    (affine,), (like,) = layers, xs
    weight, bias, attributes = affine.weight, affine.bias, affine.__dict__
    shape, dtype = output(layers, like)
    y_memory, dx_memory = memory.y, memory.dx[0]
    y_rows = None if y_memory is None else as_rows(y_memory)
    dx_rows = None if dx_memory is None else as_rows(dx_memory)
    is_matrix = len(shape) == 2
    dbias = np.empty(shape[-1:], dtype)
    add, total = add_bias.of(dtype), sum_rows.of(dtype)
    token = object()
    fixed = None if memory.x[0] is None else (shape, dtype, (memory.x[0],), token)
    fixed_transposed = None if memory.x[0] is None else as_rows(memory.x[0]).T

    def forward(x: Array) -> Array:
        rows = x if is_matrix else as_rows(x)
        y = rows.dot(weight.value, y_rows)
        if bias is not None:
            add(y, bias.value)
        attributes["_cache"] = fixed or (shape, dtype, (x,), token)
        return y if is_matrix else y.reshape(shape)

    def backward_parameters(dout: Array) -> Array:
        cache = attributes.get("_cache")
        if cache is None or cache[3] is not token:
            raise stale_cache(affine)
        transposed = as_rows(cache[2][0]).T if fixed_transposed is None else fixed_transposed
        if not is_matrix:
            dout = as_rows(dout)
        weight.add_grad_product(transposed, dout)
        if bias is not None:
            total(dout, dbias)
            bias.add_grad(dbias)
        return dout

    def backward(dout: Array) -> Array:
        dx: Array = backward_parameters(dout).dot(weight.value.T, dx_rows)
        return dx if is_matrix else dx.reshape(like.shape)

    return Operation(forward, backward, backward_parameters)


FUSION = Fusion(_fits, _infer, _prepare, keeps_inputs=True)
