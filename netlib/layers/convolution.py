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
from .images import as_images
from .rules import Shapes, format_axes, format_options, format_per_axis, format_shape, format_widths, lift
from .windows import Windows, as_pads, as_per_axis, kernel_windows, spans_of


class Convolution(Layer):
    """The base class of convolutions: images on one side, and maps on the other.

    P holds the patches of the images, one in each column, and W the kernels, one in each row. A
    convolution takes the images and returns the maps Y = W P, with a column for each position: the
    chapter's dot node. So by Eqs. (1.20) and (1.30), ∂L/∂W = ∂L/∂Y Pᵀ and ∂L/∂P = Wᵀ ∂L/∂Y. A pixel
    fans out to all patches that cover it, so its gradient is the sum of theirs: the columns of
    ∂L/∂P, put back into an image.

    A transposed convolution goes the other way. It takes the maps X and returns the images that the
    patches Wᵀ X make when they are put back. So ∂L/∂X = W P, where P holds the patches of ∂L/∂Y,
    and ∂L/∂W = X Pᵀ.

    With `groups`, each group of channels has its own P, W and Y, and NumPy multiplies all of them
    in one call.
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
        return kernel_windows(lengths, self._kernel, self._strides, self._dilations, self._pads, self)

    def _kernels(self) -> Array:
        """Return W: (groups, kernels, numbers in a patch)."""
        return self.weight.value.reshape(self.groups, self.weight.shape[0] // self.groups, -1)

    def _patches(self, images: Array, windows: Windows) -> Array:
        """Return P: (groups, numbers in a patch, N · positions)."""
        return windows.gather(images.swapaxes(0, 1)).reshape(self.groups, self._kernels().shape[2], -1)

    def _columns(self, maps: Array) -> Array:
        """Return maps, (N, kernels, positions), as columns: (groups, kernels, N · positions)."""
        return maps.swapaxes(0, 1).reshape(self.groups, self._kernels().shape[1], -1)

    def _multiply(self, patches: Array, windows: Windows) -> Array:
        """Return the maps W P."""
        columns = self._kernels() @ patches
        return columns.reshape(self.weight.shape[0], -1, *windows.positions).swapaxes(0, 1)

    def _multiply_transposed(self, maps: Array, windows: Windows) -> Array:
        """Return the images that the patches Wᵀ Y make, where Y are the columns of `maps`."""
        patches = self._kernels().swapaxes(1, 2) @ self._columns(maps)
        channels = self.groups * self.weight.shape[1]
        return windows.scatter(patches.reshape(channels, *self._kernel, -1, *windows.positions)).swapaxes(0, 1)

    def _add_bias(self, y: Array) -> Array:
        if self.bias is not None:
            y += self.bias.value.reshape(-1, *(1,) * self.axes)
        return y

    def _add_gradients(self, maps: Array, patches: Array, dout: Array) -> None:
        """Add to the gradients of the weight, the product of `maps` and Pᵀ, and of the bias."""
        self.weight.add_grad((self._columns(maps) @ patches.swapaxes(1, 2)).reshape(self.weight.shape))
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


class _Conv(Convolution):
    def forward(self, x: ArrayLike) -> Array:
        """Return Y, of shape (N, out_channels, …)."""
        x = as_images(x, self, axes=self.axes, channels=self.in_channels, dtype=self.dtype)
        windows = self.windows(x.shape[2:])
        y = self._multiply(self._patches(x, windows), windows)
        return self.remember(self._add_bias(y), x)

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradients of weight and bias, and return ∂L/∂X."""
        self.backward_parameters(dout)
        dout, x = self.recall(dout)
        return self._multiply_transposed(dout, self.windows(x.shape[2:]))

    def backward_parameters(self, dout: ArrayLike) -> None:
        """Add to the gradients of weight and bias."""
        dout, x = self.recall(dout)
        self._add_gradients(dout, self._patches(x, self.windows(x.shape[2:])), dout)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return a convolution and its gradients."""
        conv, transposed, of_weight = self._words(inputs[0][2:])
        return self._rule(f"{conv}(x, weight)", f"{transposed}(dy, weight)", f"{of_weight}(x, dy)")


class _ConvTranspose(Convolution):
    is_transposed = True

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

    def windows(self, lengths: Shape) -> Windows:
        """Return the windows of the kernel on the output, for an input of these lengths.

        The output has the lengths (n − 1) · stride − before − after + span + output_padding, where
        span = dilation · (kernel − 1) + 1. For "same", they are n · stride.
        """
        kernel = self._kernel, self._strides, self._dilations
        if self._pads is None:
            outer = tuple(n * s for n, s in zip(lengths, self._strides, strict=True))
            return kernel_windows(outer, *kernel, None, self)
        axes = zip(lengths, self._strides, self._pads, spans_of(self._kernel, self._dilations), self._extra, strict=True)
        outer = tuple((n - 1) * s - sum(pad) + span + extra for n, s, pad, span, extra in axes)
        if min(outer) < 1:
            raise ShapeError(f"an image of {lengths} would become one of {outer}", where=self, hint="Reduce the padding.")
        return Windows(outer, *kernel, self._pads, lengths)

    def forward(self, x: ArrayLike) -> Array:
        """Return Y, of shape (N, out_channels, …)."""
        x = as_images(x, self, axes=self.axes, channels=self.in_channels, dtype=self.dtype)
        y = self._multiply_transposed(x, self.windows(x.shape[2:]))
        return self.remember(self._add_bias(y), x)

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradients of weight and bias, and return ∂L/∂X."""
        dout, x = self.recall(dout)
        windows = self.windows(x.shape[2:])
        patches = self._patches(dout, windows)
        self._add_gradients(x, patches, dout)
        return self._multiply(patches, windows)

    def backward_parameters(self, dout: ArrayLike) -> None:
        """Add to the gradients of weight and bias."""
        dout, x = self.recall(dout)
        self._add_gradients(x, self._patches(dout, self.windows(x.shape[2:])), dout)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return a transposed convolution and its gradients."""
        conv, transposed, of_weight = self._words(inputs[0][2:])
        return self._rule(f"{transposed}(x, weight)", f"{conv}(dy, weight)", f"{of_weight}(dy, x)")


class Conv1d(_Conv):
    """A convolution over one axis: (N, in_channels, L) to (N, out_channels, positions).

    >>> edges = Conv1d.from_arrays(weight=[[[-1.0, 1.0]]])
    >>> edges.forward([[[0.0, 0.0, 5.0, 5.0]]]), edges.backward([[[1.0, 2.0, 3.0]]])
    (array([[[0., 5., 0.]]]), array([[[-1., -1., -1.,  3.]]]))
    """

    kernel_name = "conv1d"
    axes = 1


class Conv2d(_Conv):
    """A convolution over two axes: (N, in_channels, H, W) to (N, out_channels, …).

    `weight` is (out_channels, in_channels / groups, height, width), and `bias` (out_channels,).

    >>> total = Conv2d.from_arrays(weight=np.ones((1, 1, 2, 2)), bias=[10.0])
    >>> total.forward([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    array([[[[22., 26.]]]])
    >>> total.backward([[[[1.0, 1.0]]]])
    array([[[[1., 2., 1.],
             [1., 2., 1.]]]])
    >>> total.weight.grad
    array([[[[ 3.,  5.],
             [ 9., 11.]]]])
    """

    kernel_name = "conv2d"
    axes = 2


class Conv3d(_Conv):
    """A convolution over three axes: (N, in_channels, D, H, W) to (N, out_channels, …).

    >>> conv = Conv3d(1, 4, kernel_size=3, padding="same", stride=2)
    >>> conv.forward(np.zeros((2, 1, 5, 6, 7))).shape
    (2, 4, 3, 3, 4)
    """

    kernel_name = "conv3d"
    axes = 3


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
