"""Layers for images in ONNX.

Borders are written as numbers, including those of ``padding="same"`` and ``ceil_mode``, for which
runtimes differ. They depend on the size of the images, which an example fixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import layers
from ...layers.interpolation import MODES
from ...layers.windows import Windows
from ..writing import GraphBuilder, Value
from .translation import Translation


def convolution(layer: Any, graph: GraphBuilder, x: Value) -> Any:
    """Return the convolution of the images with the kernels."""
    windows = layer.windows(x.lengths(2))
    options = _options(windows, group=layer.groups, dilations=list(windows.dilation), pads=_pads(windows.pads))
    return graph.add("Conv", x, layer.weight, layer.bias, **options)


def conv_transpose(layer: Any, graph: GraphBuilder, x: Value) -> Any:
    """Return the transposed convolution, the dx of a convolution."""
    windows = layer.windows(x.lengths(2))
    axes = zip(windows.lengths, windows.positions, windows.stride, windows.spans, windows.pads, strict=True)
    extra = [outer - ((n - 1) * s + span - sum(pad)) for outer, n, s, span, pad in axes]
    options = _options(windows, group=layer.groups, dilations=list(windows.dilation), pads=_pads(windows.pads))
    return graph.add("ConvTranspose", x, layer.weight, layer.bias, **options, output_padding=extra)


def _options(windows: Windows, **more: Any) -> dict[str, Any]:
    return {"kernel_shape": list(windows.kernel), "strides": list(windows.stride), **more}


def _pads(pairs: Sequence[Sequence[int]]) -> list[int]:
    """Return widths of borders as ONNX orders them: all before, and then all after."""
    return [before for before, _ in pairs] + [after for _, after in pairs]


def _overhang(windows: Windows) -> list[int]:
    """Return how far the last window of each axis reaches beyond the border, as in ceil_mode."""
    axes = zip(windows.lengths, windows.pads, windows.spans, windows.positions, windows.stride, strict=True)
    return [max((p - 1) * s + span - (n + sum(pad)), 0) for n, pad, span, p, s in axes]


def max_pool(layer: Any, graph: GraphBuilder, x: Value) -> Any:
    """Return the largest number of each window."""
    windows = layer.windows(x.lengths(2))
    pads = [(before, after + beyond) for (before, after), beyond in zip(windows.pads, _overhang(windows), strict=True)]
    return graph.add("MaxPool", x, **_options(windows, dilations=list(windows.dilation), pads=_pads(pads)))


def avg_pool(layer: Any, graph: GraphBuilder, x: Value) -> Any:
    """Return the mean of each window, including the border if the layer does."""
    windows = layer.windows(x.lengths(2))
    beyond, pads, counts = _overhang(windows), windows.pads, bool(layer.count_include_pad and any(map(sum, windows.pads)))
    if counts and any(beyond):  # the border counts, and what lies beyond it does not
        x = graph.add("Pad", x, _pads([(0, 0), (0, 0), *pads]))
        pads, counts = ((0, 0),) * len(pads), False
    pads = tuple([(before, after + more) for (before, after), more in zip(pads, beyond, strict=True)])
    options = _options(windows, pads=_pads(pads), dilations=list(windows.dilation) if max(windows.dilation) > 1 else None)
    return graph.add("AveragePool", x, **options, count_include_pad=int(counts))


def adaptive_pool(operator: str, reduction: str) -> Translation:
    """Return the translation of a layer that pools to a given size."""

    def translate(layer: Any, graph: GraphBuilder, x: Value) -> Any:
        lengths, sizes = x.lengths(2), layer._sizes
        if all(n % m == 0 for n, m in zip(lengths, sizes, strict=True)):
            kernel = [n // m for n, m in zip(lengths, sizes, strict=True)]
            return graph.add(operator, x, kernel_shape=kernel, strides=kernel)
        for axis, (n, m) in enumerate(zip(lengths, sizes, strict=True), start=2):
            parts = [graph.add("Slice", x, [i * n // m], [-(-(i + 1) * n // m)], [axis]) for i in range(m)]
            x = graph.add("Concat", *[graph.add(reduction, part, [axis], keepdims=1) for part in parts], axis=axis)
        return x

    return translate


def global_pool(operator: str) -> Translation:
    """Return the translation of a layer that pools over whole images."""

    def translate(layer: Any, graph: GraphBuilder, x: Value) -> Any:
        return graph.add("Flatten", graph.add(operator, x), axis=1) if x.ndim > 2 else x

    return translate


def pad(layer: layers.Pad, graph: GraphBuilder, x: Value) -> Any:
    """Return x with a border. Copies that ONNX's Pad does not support are gathered by index."""
    mode: Any = layer.mode
    pairs = layer._pairs(x.shape)  # type: ignore[arg-type]  # counted, and compared with 0
    room = {"reflect": -1, "wrap": 0}
    limits = [x.length(i) + room[layer.mode] if layer.mode in room and any(pair) else max(pair) for i, pair in enumerate(pairs)]
    if all(max(pair) <= limit for pair, limit in zip(pairs, limits, strict=True)):
        return graph.add("Pad", x, _pads(pairs), layer.value or None, mode=layer.mode)
    for axis, pair in enumerate(pairs):
        if any(pair):
            x = graph.add("Gather", x, np.pad(np.arange(x.length(axis)), pair, mode), axis=axis)
    return x


def upsample(layer: layers.Upsample, graph: GraphBuilder, x: Value) -> Any:
    """Return larger or smaller images. Scales that float32 would round become places to read."""
    scales = layer.scale if isinstance(layer.scale, tuple | list) else (layer.scale,) * (x.ndim - 2)
    if all(float(np.float32(scale)) == scale for scale in scales):
        options: dict[str, Any] = (
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"} if layer.mode == "nearest" else {}
        )
        return graph.add("Resize", x, None, np.array([1, 1, *scales], np.float32), mode=layer.mode, **options)
    for axis, (n, outer, scale) in enumerate(zip(x.lengths(2), graph.outputs[0].lengths(2), scales, strict=True), start=2):
        sources = MODES[layer.mode](n, outer, scale)
        shape = (-1,) + (1,) * (x.ndim - axis - 1)
        terms = [(graph.add("Gather", x, index, axis=axis), weight.astype(graph.dtype).reshape(shape)) for index, weight in sources]
        parts = [part if (weight == 1).all() else graph.add("Mul", part, weight) for part, weight in terms]
        x = parts[0] if len(parts) == 1 else graph.add("Add", *parts)
    return x


def pixel_shuffle(layer: layers.PixelShuffle, graph: GraphBuilder, x: Value) -> Any:
    """Return images whose pixels were channels."""
    return graph.add("DepthToSpace", x, blocksize=layer.factor, mode="CRD")


IMAGES: dict[type, Translation] = {
    **dict.fromkeys((layers.Conv1d, layers.Conv2d, layers.Conv3d), convolution),
    **dict.fromkeys((layers.ConvTranspose1d, layers.ConvTranspose2d, layers.ConvTranspose3d), conv_transpose),
    **dict.fromkeys((layers.MaxPool1d, layers.MaxPool2d, layers.MaxPool3d), max_pool),
    **dict.fromkeys((layers.AvgPool1d, layers.AvgPool2d, layers.AvgPool3d), avg_pool),
    **dict.fromkeys(
        (layers.AdaptiveAvgPool1d, layers.AdaptiveAvgPool2d, layers.AdaptiveAvgPool3d), adaptive_pool("AveragePool", "ReduceMean")
    ),
    **dict.fromkeys((layers.AdaptiveMaxPool1d, layers.AdaptiveMaxPool2d, layers.AdaptiveMaxPool3d), adaptive_pool("MaxPool", "ReduceMax")),
    layers.GlobalAvgPool: global_pool("GlobalAveragePool"),
    layers.GlobalMaxPool: global_pool("GlobalMaxPool"),
    layers.Pad: pad,
    layers.PixelShuffle: pixel_shuffle,
    layers.Upsample: upsample,
}
