"""Pooling: over windows, and over whole images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ...layer import Layer
from ...layers import (
    Abs,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    Max,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    Mean,
    Norm,
    Power,
)
from ..layers.dilated_average import DilatedAverage
from ..operator import Operator
from .arithmetic import number
from .windows import kernel_shape, shortest, window_options

LARGEST: Mapping[int, type[Any]] = {1: MaxPool1d, 2: MaxPool2d, 3: MaxPool3d}
MEANS: Mapping[int, type[Any]] = {1: AvgPool1d, 2: AvgPool2d, 3: AvgPool3d}


def max_pool(op: Operator) -> Any:
    """Translate MaxPool."""
    if any(op.outputs[1:]):
        op.refuse("also returns indices, which netlib does not")
    kernel = kernel_shape(op)
    options = window_options(op, kernel)
    layer = LARGEST[len(kernel)](shortest(kernel), **options, ceil_mode=bool(op.get("ceil_mode")))
    return op.apply(layer, op.node(0))


def average_pool(op: Operator) -> Any:
    """Translate AveragePool."""
    return _average(op, bool(op.get("count_include_pad")), bool(op.get("ceil_mode")))(op.node(0))


def _average(op: Operator, count_include_pad: bool, ceil_mode: bool) -> Layer:
    kernel = kernel_shape(op)
    options = window_options(op, kernel)
    if options["dilation"] != 1:
        return DilatedAverage(kernel, **options, ceil_mode=ceil_mode, count_include_pad=count_include_pad)
    del options["dilation"]
    layer: Layer = MEANS[len(kernel)](shortest(kernel), **options, ceil_mode=ceil_mode, count_include_pad=count_include_pad)
    return layer


def lp_pool(op: Operator) -> Any:
    """Translate LpPool: ``(n mean(|x|^p))^(1/p)`` over windows of n numbers, zeros outside."""
    if op.version < 2:
        op.refuse("has a fraction p, as ONNX did in version 1")
    p, n = op.get("p", 2), math.prod(kernel_shape(op))
    op.only(ceil_mode=0)
    powers = Power(p)(Abs()(op.node(0)) if p % 2 else op.node(0))
    return Power(1 / p)(number(op, n) * _average(op, count_include_pad=True, ceil_mode=False)(powers))


def over_image(make: Callable[[Operator, tuple[int, ...]], Layer]) -> Callable[[Operator], Any]:
    """Return the translation of an operator that reduces all axes after the second."""

    def translate(op: Operator) -> Any:
        return make(op, tuple(range(2, op.rank(0))))(op.node(0))

    return translate


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "LpPool": lp_pool,
    "GlobalAveragePool": over_image(lambda op, axes: Mean(axes, keepdims=True)),
    "GlobalMaxPool": over_image(lambda op, axes: Max(axes, keepdims=True)),
    "GlobalLpPool": over_image(lambda op, axes: Norm(axes, keepdims=True, ord=op.get("p", 2))),
}
