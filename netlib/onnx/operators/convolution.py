"""Convolutions and transposed convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...arrays import Shape
from ...initializers import Zeros
from ...layer import Layer
from ...layers import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ...layers.windows import spans_of
from ..operator import Operator
from .owning import Source, call, known
from .windows import per_axis, shortest, shortest_pads, window_options

CONVOLUTIONS: dict[int, type[Layer]] = {1: Conv1d, 2: Conv2d, 3: Conv3d}
TRANSPOSED: dict[int, type[Layer]] = {1: ConvTranspose1d, 2: ConvTranspose2d, 3: ConvTranspose3d}


def conv(op: Operator) -> Any:
    """Y = W * X + B."""
    kernel = _kernel(op)
    out_channels, per_group = known(op, 1, 0, 1)
    channels = per_group * op.get("group", 1), out_channels
    return _call(op, CONVOLUTIONS, channels, kernel, window_options(op, kernel))


def conv_transpose(op: Operator) -> Any:
    """Y = the images that the patches Wᵀ X make, + B."""
    kernel = _kernel(op)
    in_channels, per_group = known(op, 1, 0, 1)
    options = window_options(op, kernel)
    extra = per_axis(op, "output_padding", len(kernel), 0)
    if "output_shape" in op.attributes or op.get("auto_pad", "NOTSET").startswith("SAME"):
        options["padding"], extra = _padding(op, kernel, extra)
    channels = in_channels, per_group * op.get("group", 1)
    return _call(op, TRANSPOSED, channels, kernel, {**options, "output_padding": shortest(extra)})


def _kernel(op: Operator) -> Shape:
    axes = op.rank(1) - 2
    if not 1 <= axes <= 3:
        op.refuse(f"has a weight of {op.rank(1)} axes, expected 3 to 5")
    kernel = tuple(known(op, 1, *range(2, axes + 2)))
    if tuple(op.get("kernel_shape", kernel)) != kernel:
        op.refuse(f"has kernel_shape={op.get('kernel_shape')}, and a weight of shape {op.shape(1)}")
    return kernel


def _call(op: Operator, kinds: Mapping[int, type[Layer]], channels: tuple[int, int], kernel: Shape, options: dict[str, Any]) -> Any:
    sources = {"weight": Source(1)} | ({"bias": Source(2)} if op.has(2) else {})
    sizes = {"in_channels": channels[0], "out_channels": channels[1], "kernel_size": shortest(kernel)}
    groups = {"groups": op.get("group", 1), "bias": op.has(2)}
    return call(op, kinds[len(kernel)], sources, {**sizes, **options, **groups, "init": Zeros()})


def _padding(op: Operator, kernel: Shape, extra: Shape) -> tuple[Any, Shape]:
    """Return the border that output_shape or auto_pad requires, and what is added at the end."""
    axes = len(kernel)
    stride, dilation = per_axis(op, "strides", axes), per_axis(op, "dilations", axes)
    spans = spans_of(kernel, dilation)
    totals = [span - s for span, s in zip(spans, stride, strict=True)]  # for n · stride
    if "output_shape" in op.attributes:
        lengths = known(op, 0, *range(2, axes + 2))
        rows = zip(lengths, stride, extra, spans, per_axis(op, "output_shape", axes), strict=True)
        totals = [(n - 1) * s + added + span - m for n, s, added, span, m in rows]
    is_upper = op.get("auto_pad", "NOTSET") == "SAME_UPPER"
    pads = [(total // 2, total - total // 2)[:: 1 if is_upper else -1] for total in totals]
    if any(before < 0 for before, _ in pads):
        op.refuse(f"has an output with {-min(min(pad) for pad in pads)} more pixels in front than its kernel reaches")
    end = tuple(added + max(-after, 0) for added, (_, after) in zip(extra, pads, strict=True))
    return shortest_pads(tuple((before, max(after, 0)) for before, after in pads)), end


OPERATORS = {"Conv": conv, "ConvTranspose": conv_transpose}
