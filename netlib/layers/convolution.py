"""Convolutions, and transposed ones, over one, two or three axes."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from ..arrays import RNG, Array, ArrayLike, DTypeLike, Shape, as_count, as_floats, as_shaped
from ..errors import InvalidValueError, ShapeError
from ..initializers import He, Initializer, Zeros, initial_value
from ..layer import Layer
from ..parameter import Parameter
from .windows import Windows, as_image, as_padding, as_per_axis, channels_first, kernel_windows, transposed_windows


class Convolution(Layer):
    """The base class: an image on one side, and on the other a row for each position of the kernel.

    P holds the patches of the image, one per row, and W the kernels, one per column. A convolution
    takes the image and returns the rows Y = P W: the chapter's dot node. So by Eqs. (1.20) and
    (1.30), ∂L/∂P = ∂L/∂Y Wᵀ and ∂L/∂W = Pᵀ ∂L/∂Y. A pixel fans out to all patches that cover it, so
    its gradient is the sum of theirs: the patches of ∂L/∂P put back into an image. With `groups`,
    each group of channels has its own P, W and Y.

    A transposed convolution goes the other way: it takes the rows X, and puts the patches X Wᵀ back
    into an image. Its ∂L/∂X = P W, where P holds the patches of ∂L/∂Y, is a convolution.
    """

    axes = 0
    is_transposed = False

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | Shape, stride: int | Shape = 1,
                 padding: Any = 0, dilation: int | Shape = 1, groups: int = 1, bias: bool = True, *,
                 init: Initializer = He(), dtype: DTypeLike = np.float32, rng: RNG = None) -> None:  # fmt: skip
        where = type(self).__name__
        self.in_channels = as_count(in_channels, "in_channels", where, least=1)
        self.out_channels = as_count(out_channels, "out_channels", where, least=1)
        self.groups = as_count(groups, "groups", where, least=1)
        if in_channels % groups or out_channels % groups:
            message = f"groups is {groups}, which must divide in_channels {in_channels} and out_channels {out_channels}"
            raise InvalidValueError(message, where=where)
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self._kernel = as_per_axis(kernel_size, self.axes, "kernel_size", where)
        self._strides = as_per_axis(stride, self.axes, "stride", where)
        self._dilations = as_per_axis(dilation, self.axes, "dilation", where)
        self._pads = as_padding(padding, self.axes, where)
        image, rows = (out_channels, in_channels) if self.is_transposed else (in_channels, out_channels)
        self.weight = Parameter.wrap(initial_value(init, (rows, image // groups, *self._kernel), dtype, rng, where, out_axis=0))
        self.bias = Parameter.wrap(initial_value(Zeros(), (out_channels,), dtype, rng, where)) if bias else None
        self.dtype = self.weight.dtype

    @classmethod
    def from_arrays(cls, weight: ArrayLike, bias: ArrayLike | None = None, **options: Any) -> Self:
        """Return a layer with copies of `weight` and `bias`, in weight's dtype."""
        where = f"{cls.__name__}.from_arrays"
        weight = as_floats(weight, where=where)
        if weight.ndim != cls.axes + 2:
            raise ShapeError(f"got a weight of shape {weight.shape}, expected {cls.axes + 2} axes", where=where)
        channels = weight.shape[1] * options.get("groups", 1), weight.shape[0]
        n_in, n_out = reversed(channels) if cls.is_transposed else channels
        layer = cls(n_in, n_out, weight.shape[2:], bias=bias is not None, init=Zeros(), dtype=weight.dtype, **options)
        layer.weight.value = weight
        if layer.bias is not None and bias is not None:
            layer.bias.value = as_shaped(bias, layer.bias.shape, f"{where}, bias")
        return layer

    def _to_rows(self, array: Array, n: int) -> Array:
        """Return ``(groups, rows, numbers of a row)``, for an array with `n` positions and channels last."""
        by_group = array.reshape(n, -1, self.groups, array.shape[-1] // self.groups)
        return by_group.transpose(2, 0, 1, 3).reshape(self.groups, n, by_group.shape[1] * by_group.shape[3])

    def _from_rows(self, rows: Array, shape: Shape) -> Array:
        """Return what `_to_rows` was called with, of this shape."""
        n = rows.shape[1]
        return rows.reshape(self.groups, n, -1, shape[-1] // self.groups).transpose(1, 2, 0, 3).reshape(shape)

    def _kernels(self) -> Array:
        """Return W: ``(groups, numbers of a patch, numbers of a row)``."""
        w = self.weight.value.reshape(self.groups, -1, self.weight.shape[1], math.prod(self._kernel))
        return w.transpose(0, 3, 2, 1).reshape(self.groups, w.shape[3] * w.shape[2], w.shape[1])

    def _add_grad(self, dkernels: Array, dy: Array) -> None:
        """Add to the gradients of the weight, from ∂L/∂W, and of the bias, from ∂L/∂Y."""
        shape = self.groups, math.prod(self._kernel), self.weight.shape[1], self.weight.shape[0] // self.groups
        self.weight.add_grad(dkernels.reshape(shape).transpose(0, 3, 2, 1).reshape(self.weight.shape))
        if self.bias is not None:
            self.bias.add_grad(dy.sum(axis=tuple(range(dy.ndim - 1))))

    def multiply_adds(self, *shapes: Shape) -> int:
        """Return the product of the size of the weight and the number of positions of the kernel."""
        lengths = shapes[0][-self.axes :]
        positions = lengths if self.is_transposed else self.windows(lengths).positions
        return self.weight.size * math.prod(positions) * math.prod(shapes[0][: -self.axes - 1])

    def windows(self, lengths: Shape) -> Windows:
        return kernel_windows(lengths, self._kernel, self._strides, self._dilations, self._pads, self)


class _Conv(Convolution):
    def forward(self, x: ArrayLike) -> Array:
        """Return Y, of shape (N, out_channels, \\*positions)."""
        image = as_image(x, self.in_channels, self.axes, self.dtype, self)
        windows = self.windows(image.shape[1:-1])
        shape = (len(image), *windows.positions, self.out_channels)
        patches = self._to_rows(windows.gather(image), math.prod(shape[:-1]))
        y = self._from_rows(patches @ self._kernels(), shape)
        if self.bias is not None:
            y += self.bias.value
        return self.remember(channels_first(y), channels_first(image))

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradients of weight and bias, and return ∂L/∂X."""
        dpatches = self.backward_parameters(dout) @ self._kernels().transpose(0, 2, 1)
        dout, x = self.recall(dout)
        windows = self.windows(x.shape[2:])
        shape = (len(dout), *windows.positions, *self._kernel, self.in_channels)
        return channels_first(windows.scatter(self._from_rows(dpatches, shape)))

    def backward_parameters(self, dout: ArrayLike) -> Array:
        """Add to the gradients of weight and bias, and return ∂L/∂Y as rows."""
        dout, x = self.recall(dout)
        dy = np.moveaxis(dout, 1, -1)
        n = math.prod(dy.shape[:-1])
        patches, rows = self._to_rows(self.windows(x.shape[2:]).gather(np.moveaxis(x, 1, -1)), n), self._to_rows(dy, n)
        self._add_grad(patches.transpose(0, 2, 1) @ rows, dy)
        return rows


class _ConvTranspose(Convolution):
    is_transposed = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | Shape, stride: int | Shape = 1,
                 padding: Any = 0, output_padding: int | Shape = 0, groups: int = 1, bias: bool = True,
                 dilation: int | Shape = 1, *, init: Initializer = He(), dtype: DTypeLike = np.float32,
                 rng: RNG = None) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, init=init, dtype=dtype, rng=rng)
        self.output_padding = output_padding
        self._extra = as_per_axis(output_padding, self.axes, "output_padding", type(self).__name__, least=0)

    def windows(self, lengths: Shape) -> Windows:
        return transposed_windows(lengths, self._kernel, self._strides, self._dilations, self._pads, self._extra, self)

    def forward(self, x: ArrayLike) -> Array:
        """Return Y, of shape (N, out_channels, \\*lengths)."""
        image = as_image(x, self.in_channels, self.axes, self.dtype, self)
        windows = self.windows(image.shape[1:-1])
        rows = self._to_rows(image, math.prod(image.shape[:-1]))
        patches = rows @ self._kernels().transpose(0, 2, 1)
        y = windows.scatter(self._from_rows(patches, (*image.shape[:-1], *self._kernel, self.out_channels)))
        if self.bias is not None:
            y += self.bias.value
        return self.remember(channels_first(y), rows, windows)

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradients of weight and bias, and return ∂L/∂X."""
        dout, rows, windows = self.recall(dout)
        dy = np.moveaxis(dout, 1, -1)
        dpatches = self._to_rows(windows.gather(dy), rows.shape[1])
        self._add_grad(dpatches.transpose(0, 2, 1) @ rows, dy)
        dx = self._from_rows(dpatches @ self._kernels(), (len(dout), *windows.positions, self.in_channels))
        return channels_first(dx)


class Conv1d(_Conv):
    kernel_name = "conv1d"
    axes = 1


class Conv2d(_Conv):
    kernel_name = "conv2d"
    axes = 2


class Conv3d(_Conv):
    kernel_name = "conv3d"
    axes = 3


class ConvTranspose1d(_ConvTranspose):
    kernel_name = "conv_transpose1d"
    axes = 1


class ConvTranspose2d(_ConvTranspose):
    kernel_name = "conv_transpose2d"
    axes = 2


class ConvTranspose3d(_ConvTranspose):
    kernel_name = "conv_transpose3d"
    axes = 3
