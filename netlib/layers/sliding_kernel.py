"""What convolutions and transposed convolutions share: options, and matrices of patches."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from ..arrays import RNG, Array, ArrayLike, DTypeLike, Shape, as_count, as_floats, as_shaped
from ..errors import InvalidValueError, ShapeError
from ..initializers import He, Initializer, Zeros, initial_value
from ..layer import Layer
from ..parameter import Parameter
from .per_axis import as_pads, as_per_axis
from .rules import format_axes, format_options, format_per_axis, format_shape, format_widths, lift
from .windows import Windows, kernel_windows, windows_on_output


class SlidingKernel(Layer):
    """The base class: kernels slide over images, and there is a map of numbers for each kernel.

    `Conv2d` takes images and returns maps, and `ConvTranspose2d` takes maps and returns images.

    With `groups`, each group of channels has its own matrices W, P and Y, and NumPy multiplies all
    of them in one call.
    """

    axes = 0
    is_transposed = False
    _extra: Shape
    """The output_padding of a transposed convolution, for each axis."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | Shape, stride: int | Shape = 1,
                 padding: Any = 0, dilation: int | Shape = 1, groups: int = 1, bias: bool = True, *,
                 init: Initializer = He(), dtype: DTypeLike = np.float32, rng: RNG = None) -> None:  # fmt: skip
        """Create the layer.

        Parameters
        ----------
        in_channels, out_channels : int
            Multiples of `groups`.
        kernel_size, stride, dilation : int or tuple of int
            One number for all axes, or one for each. The pixels of a patch are `dilation` apart.
        padding : int, tuple, "same" or "valid"
            The border of zeros: equal on all sides, a number for each axis, or a pair (before,
            after) for each. "same" means enough for ⌈n / stride⌉ positions along an axis of length
            n, and "valid" means none.
        output_padding : int or tuple of int
            How many pixels a transposed convolution adds at the end of each axis.
        groups : int
            The number of groups of channels that are convolved separately.
        bias : bool
            Whether to add a number to each output channel.
        init : Initializer
            Initializes `weight`. The bias begins with zeros.
        dtype : dtype
            float16, float32 or float64.
        rng : numpy.random.Generator or int, optional
            Draws the initial weight.

        Raises
        ------
        InvalidValueError
            If a number is out of range, or the channels cannot be divided among the groups.
        """
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
        self._pads = as_pads(padding, self.axes, where)
        maps, images = (in_channels, out_channels) if self.is_transposed else (out_channels, in_channels)
        self.weight = Parameter.wrap(initial_value(init, (maps, images // groups, *self._kernel), dtype, rng, where, out_axis=0))
        self.bias = Parameter.wrap(initial_value(Zeros(), (out_channels,), dtype, rng, where)) if bias else None
        self.dtype = self.weight.dtype

    @classmethod
    def from_arrays(cls, weight: ArrayLike, bias: ArrayLike | None = None, **options: Any) -> Self:
        """Return a layer with copies of `weight` and `bias`, in weight's dtype.

        `options` are those of the class, such as ``stride=2``.
        """
        where = f"{cls.__name__}.from_arrays"
        weight = as_floats(weight, where=where)
        if weight.ndim != cls.axes + 2:
            raise ShapeError(f"got a weight of shape {weight.shape}, expected {cls.axes + 2} axes", where=where)
        maps, images = weight.shape[0], weight.shape[1] * options.get("groups", 1)
        n_in, n_out = (maps, images) if cls.is_transposed else (images, maps)
        layer = cls(n_in, n_out, weight.shape[2:], bias=bias is not None, init=Zeros(), dtype=weight.dtype, **options)
        layer.weight.value = weight
        if layer.bias is not None and bias is not None:
            layer.bias.value = as_shaped(bias, layer.bias.shape, f"{where}, bias")
        return layer

    def multiply_adds(self, *shapes: Shape) -> int:
        """Return the size of the weight times the number of positions of the kernel."""
        return self.weight.size * math.prod(self.windows(shapes[0][-self.axes :]).positions) * math.prod(shapes[0][: -self.axes - 1])

    def windows(self, lengths: Shape) -> Windows:
        """Return the windows of the kernel on the images, for an input of these lengths."""
        kernel = self._kernel, self._strides, self._dilations, self._pads
        if self.is_transposed:
            return windows_on_output(lengths, *kernel, self._extra, self)
        return kernel_windows(lengths, *kernel, self)

    def _kernels(self) -> Array:
        """Return W: (groups, kernels, numbers in a patch)."""
        return self.weight.value.reshape(self.groups, self.weight.shape[0] // self.groups, -1)

    def _patches(self, images: Array, windows: Windows) -> Array:
        """Return P, the patches of images: (groups, numbers in a patch, N · positions)."""
        return windows.gather(images.swapaxes(0, 1)).reshape(self.groups, self._kernels().shape[2], -1)

    def _columns(self, maps: Array) -> Array:
        """Return maps, (N, kernels, positions), as Y: (groups, kernels, N · positions)."""
        return maps.swapaxes(0, 1).reshape(self.groups, self._kernels().shape[1], -1)

    def _as_maps(self, columns: Array, windows: Windows) -> Array:
        """Return the maps in the columns of Y."""
        return columns.reshape(self.weight.shape[0], -1, *windows.positions).swapaxes(0, 1)

    def _put_back(self, patches: Array, windows: Windows) -> Array:
        """Return the images in which each number is the sum of those that `patches` has for it."""
        channels = self.groups * self.weight.shape[1]
        return windows.scatter(patches.reshape(channels, *self._kernel, -1, *windows.positions)).swapaxes(0, 1)

    def _add_bias(self, y: Array) -> Array:
        if self.bias is not None:
            y += self.bias.value.reshape(-1, *(1,) * self.axes)
        return y

    def _add_gradients(self, dweight: Array, dout: Array) -> None:
        """Add `dweight` to the weight's gradient, and the sums of `dout` to the bias's."""
        self.weight.add_grad(dweight.reshape(self.weight.shape))
        if self.bias is not None:
            self.bias.add_grad(dout.sum(axis=(0, *range(2, dout.ndim))))

    def _words(self, lengths: Shape) -> tuple[str, str, str]:
        """Return the functions of rules: convolution, its transpose, the gradient of weight."""
        windows = self.windows(lengths)
        axes = zip(windows.lengths, windows.pads, windows.spans, windows.positions, self._strides, strict=True)
        # The border ends before a window that only an output_padding has room for.
        pads = [(a, b - (a + n + b - span - (p - 1) * s) // s * s) for n, (a, b), span, p, s in axes]
        options = {"stride": format_per_axis(self._strides), "border": format_widths(pads), "dilation": format_per_axis(self._dilations)}
        options["groups"] = str(self.groups)
        to, kernel = format_shape(windows.lengths), format_per_axis(self._kernel)
        forward, transposed = format_options(**options), format_options(**options, to=to)
        return f"conv{forward}", f"conv_transpose{transposed}", f"conv_weight{format_options(kernel=kernel, **options)}"

    def _rule(self, y: str, dx: str, dweight: str) -> str:
        """Return the rule of these formulas, with the bias."""
        if self.bias is None:
            return f"y = {y}; dx = {dx}; dweight = {dweight}"
        axes = format_axes((0, *range(2, self.axes + 2)))
        return f"y = {y} + {lift('bias', self.axes)}; dx = {dx}; dweight = {dweight}; dbias = sum[axis={axes}](dy)"
