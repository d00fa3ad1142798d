"""An `Affine` followed by a `ReLU`: bias and maximum in one pass, in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array, as_rows, with_rows_of
from ...errors import stale_cache
from ..bias_relu import add_bias_relu, rectify, relu_backward
from .affine import output, takes
from .fusion import Fusion, Like, Memory, Operation


def _fits(layers: Sequence[Any], x: Like) -> bool:
    return layers[0].bias is not None and takes(layers[0], x)


def _infer(layers: Sequence[Any], x: Array) -> Array:
    affine, _ = layers
    y = as_rows(x).dot(affine.weight.value)
    rectify(y, affine.bias.value)
    return with_rows_of(y, x)


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    (affine, relu), (like,) = layers, xs
    weight, bias, attributes, relu_attributes = affine.weight, affine.bias, affine.__dict__, relu.__dict__
    shape, dtype = output(layers, like)
    y_memory, dx_memory = memory.y, memory.dx[0]
    y_rows = None if y_memory is None else as_rows(y_memory)
    dx_rows = None if dx_memory is None else as_rows(dx_memory)
    # not dout itself: compiled loops are not vectorised in place
    scratch = None if memory.scratch is None else as_rows(memory.scratch)
    is_matrix = len(shape) == 2
    positive = np.empty(shape, np.bool_)
    positive_rows = as_rows(positive)
    dbias = np.empty(shape[-1:], dtype)
    rectify_and_note, mask = add_bias_relu.of(dtype), relu_backward.of(dtype)
    token = object()
    fixed = None if memory.x[0] is None else (shape, dtype, (memory.x[0],), token)
    fixed_transposed = None if memory.x[0] is None else as_rows(memory.x[0]).T
    relu_cache = shape, dtype, (positive,), token

    def forward(x: Array) -> Array:
        rows = x if is_matrix else as_rows(x)
        y = rows.dot(weight.value, y_rows)
        rectify_and_note(y, bias.value, positive_rows)
        attributes["_cache"] = fixed or (shape, dtype, (x,), token)
        relu_attributes["_cache"] = relu_cache
        return y if is_matrix else y.reshape(shape)

    def backward_parameters(dout: Array) -> Array:
        cache = attributes.get("_cache")
        if cache is None or cache[3] is not token:
            raise stale_cache(affine)
        transposed = as_rows(cache[2][0]).T if fixed_transposed is None else fixed_transposed
        if relu_attributes.get("_cache") is not relu_cache:
            raise stale_cache(relu)
        if not is_matrix:
            dout = as_rows(dout)
        masked = np.empty_like(positive_rows, dtype) if scratch is None else scratch
        mask(dout, positive_rows, masked, dbias)
        weight.add_grad_product(transposed, masked)
        bias.add_grad(dbias)
        return masked

    def backward(dout: Array) -> Array:
        dx: Array = backward_parameters(dout).dot(weight.value.T, dx_rows)
        return dx if is_matrix else dx.reshape(like.shape)

    return Operation(forward, backward, backward_parameters)


FUSION = Fusion(_fits, _infer, _prepare, keeps_inputs=True, needs_scratch=True)
