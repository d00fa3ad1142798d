"""Transposed convolutions over one, two or three axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import RNG, DTypeLike, Shape
from ..errors import InvalidValueError
from ..initializers import He, Initializer
from .convolution import TransposedConvolution
from .per_axis import as_per_axis


class _ConvTranspose(TransposedConvolution):
    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | Shape, stride: int | Shape = 1,
                 padding: Any = 0, output_padding: int | Shape = 0, groups: int = 1, bias: bool = True,
                 dilation: int | Shape = 1, *, init: Initializer = He(), dtype: DTypeLike = np.float32,
                 rng: RNG = None) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, init=init, dtype=dtype, rng=rng)
        where = type(self).__name__
        self.output_padding = output_padding
        self._extra = as_per_axis(output_padding, self.axes, "output_padding", where, least=0)
        if self._pads is None and any(self._extra):
            raise InvalidValueError(f"output_padding is {output_padding}, expected 0 with padding='same'", where=where)
        if any(extra >= max(s, d) for extra, s, d in zip(self._extra, self._strides, self._dilations, strict=True)):
            message = f"output_padding is {output_padding}, expected less than the stride {stride} or the dilation {dilation}"
            raise InvalidValueError(message, where=where)


class ConvTranspose1d(_ConvTranspose):
    """A transposed convolution over one axis: (N, in_channels, L) to (N, out_channels, …).

    `weight` is (in_channels, out_channels / groups, length).

    >>> stamp = ConvTranspose1d.from_arrays(weight=[[[1.0, 2.0, 1.0]]], stride=2)
    >>> stamp.forward([[[1.0, 0.0, 3.0]]]), stamp.backward([[[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]])
    (array([[[1., 2., 1., 0., 3., 6., 3.]]]), array([[[1., 0., 1.]]]))
    """

    kernel_name = "conv_transpose1d"
    axes = 1


class ConvTranspose2d(_ConvTranspose):
    """A transposed convolution over two axes: (N, in_channels, H, W) to (N, out_channels, …).

    >>> double = ConvTranspose2d.from_arrays(weight=np.ones((1, 1, 2, 2)), stride=2)
    >>> double.forward([[[[1.0, 2.0]]]])
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]])
    >>> double.backward([[[[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]]]])
    array([[[[3., 7.]]]])
    """

    kernel_name = "conv_transpose2d"
    axes = 2


class ConvTranspose3d(_ConvTranspose):
    """A transposed convolution over three axes, from (N, in_channels, D, H, W).

    >>> conv = ConvTranspose3d(4, 1, kernel_size=3, padding="same", stride=2)
    >>> conv.forward(np.zeros((2, 4, 2, 3, 4))).shape
    (2, 1, 4, 6, 8)
    """

    kernel_name = "conv_transpose3d"
    axes = 3
