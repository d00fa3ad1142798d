"""An `Affine` followed by a `GELU`: bias and activation in one pass, in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array, as_rows, with_rows_of
from ...errors import stale_cache
from .. import in_use
from ..activations import add_bias_gelu, slope_backward
from .affine import output, takes
from .fusion import Fusion, Like, Memory, Operation


def _fits(layers: Sequence[Any], x: Like) -> bool:
    affine, gelu = layers
    fits = affine.bias is not None and gelu.approximate == "none" and takes(affine, x)
    return fits and in_use(x.dtype, "activations") == "numba"


def _infer(layers: Sequence[Any], x: Array) -> Array:
    affine, _ = layers
    y = as_rows(x).dot(affine.weight.value)
    add_bias_gelu.run(y, affine.bias.value, np.empty_like(y))
    return with_rows_of(y, x)


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    (affine, gelu), (like,) = layers, xs
    weight, bias, attributes, gelu_attributes = affine.weight, affine.bias, affine.__dict__, gelu.__dict__
    shape, dtype = output(layers, like)
    y_rows = None if memory.y is None else as_rows(memory.y)
    dx_rows = None if memory.dx[0] is None else as_rows(memory.dx[0])
    scratch = None if memory.scratch is None else as_rows(memory.scratch)
    slope = np.empty(shape, dtype)
    slope_rows, dbias = as_rows(slope), np.empty(shape[-1:], dtype)
    token = object()
    gelu_cache = shape, dtype, (slope,), token

    def forward(x: Array) -> Array:
        y = as_rows(x).dot(weight.value, y_rows)
        add_bias_gelu.run(y, bias.value, slope_rows)
        attributes["_cache"] = shape, dtype, (x,), token
        gelu_attributes["_cache"] = gelu_cache
        return y.reshape(shape)

    def backward_parameters(dout: Array) -> Array:
        cache = attributes.get("_cache")
        if cache is None or cache[3] is not token:
            raise stale_cache(affine)
        if gelu_attributes.get("_cache") is not gelu_cache:
            raise stale_cache(gelu)
        masked = np.empty_like(slope_rows) if scratch is None else scratch
        slope_backward.run(as_rows(dout), slope_rows, masked, dbias)
        weight.add_grad_product(as_rows(cache[2][0]).T, masked)
        bias.add_grad(dbias)
        return masked

    def backward(dout: Array) -> Array:
        dx: Array = backward_parameters(dout).dot(weight.value.T, dx_rows)
        return dx.reshape(like.shape)

    return Operation(forward, backward, backward_parameters)


FUSION = Fusion(_fits, _infer, _prepare, keeps_inputs=True, needs_scratch=True)
