"""Convolutions, pooling, and changes of size."""

from __future__ import annotations

from typing import Any

from .. import layers as nl
from .counterpart import Counterpart, arrays, same

CONVOLUTION = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias")
ARRAYS = arrays(*same("weight", "bias"))


def _names(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _has_equal_borders(layer: Any) -> bool:
    """Return whether PyTorch supports the padding: numbers, "valid", or "same" without stride."""
    return layer.padding == "valid" or (_has_numbers(layer.padding) or (layer.padding == "same" and set(layer._strides) == {1}))


def _has_numbers(padding: Any) -> bool:
    return isinstance(padding, int) or (isinstance(padding, tuple | list) and all(isinstance(each, int) for each in padding))


def _is_plain_transposed(layer: Any) -> bool:
    return _has_numbers(layer.padding)


def _is_poolable(layer: Any) -> bool:
    """Return whether PyTorch accepts the padding: numbers up to half the kernel."""
    return _has_numbers(layer.padding) and all(2 * before <= k for (before, _), k in zip(layer._pads, layer._kernel, strict=True))


DIFFERENT_BORDERS = "for borders that differ, and `padding='same'` with a stride"
CONVOLUTIONS = [
    counterpart
    for conv, transposed, n in [
        (nl.Conv1d, nl.ConvTranspose1d, "1d"),
        (nl.Conv2d, nl.ConvTranspose2d, "2d"),
        (nl.Conv3d, nl.ConvTranspose3d, "3d"),
    ]
    for counterpart in [
        Counterpart(conv, f"Conv{n}", _names(*CONVOLUTION), {"padding_mode": "zeros"}, arrays=ARRAYS, fits=_has_equal_borders),
        Counterpart(conv, f"PaddedConv{n}", _names(*CONVOLUTION), arrays=ARRAYS, note=DIFFERENT_BORDERS),
        Counterpart(
            transposed,
            f"ConvTranspose{n}",
            _names(*CONVOLUTION, "output_padding"),
            {"padding_mode": "zeros"},
            arrays=ARRAYS,
            fits=_is_plain_transposed,
        ),
        Counterpart(
            transposed,
            f"PaddedConvTranspose{n}",
            _names(*CONVOLUTION, "output_padding"),
            arrays=ARRAYS,
            note="for borders that differ, and padding in words",
        ),
    ]
]

POOLING = [
    counterpart
    for largest, average, n in [
        (nl.MaxPool1d, nl.AvgPool1d, "1d"),
        (nl.MaxPool2d, nl.AvgPool2d, "2d"),
        (nl.MaxPool3d, nl.AvgPool3d, "3d"),
    ]
    for counterpart in [
        Counterpart(
            largest,
            f"MaxPool{n}",
            _names("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
            {"return_indices": False},
            fits=_is_poolable,
        ),
        Counterpart(
            average,
            f"AvgPool{n}",
            _names("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
            {} if n == "1d" else {"divisor_override": None},
            fits=_is_poolable,
        ),
    ]
]

ADAPTIVE_POOLING = [
    *[
        Counterpart(kind, kind.__name__, _names("output_size"), note="no `None` in sizes")
        for kind in (nl.AdaptiveAvgPool1d, nl.AdaptiveAvgPool2d, nl.AdaptiveAvgPool3d)
    ],
    *[
        Counterpart(kind, kind.__name__, _names("output_size"), {"return_indices": False}, note="no `None` in sizes")
        for kind in (nl.AdaptiveMaxPool1d, nl.AdaptiveMaxPool2d, nl.AdaptiveMaxPool3d)
    ],
]

RESIZING = [Counterpart(nl.PixelShuffle, "PixelShuffle", {"factor": "upscale_factor"})]

IMAGES = [*CONVOLUTIONS, *POOLING, *ADAPTIVE_POOLING, *RESIZING]
