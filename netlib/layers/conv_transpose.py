"""Transposed convolutions over one, two or three axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import RNG, Array, ArrayLike, DTypeLike, Shape
from ..errors import InvalidValueError, ShapeError
from ..initializers import He, Initializer
from .convolution import Convolution
from .images import as_images
from .per_axis import as_per_axis
from .rules import Shapes
from .windows import Windows, kernel_windows, spans_of


class _ConvTranspose(Convolution):
    """The transpose of a convolution: X holds maps, and Y is the sum of the patches Wᵀ X.

    So ∂L/∂X = W P, where P holds the patches of ∂L/∂Y, and ∂L/∂W = X Pᵀ.
    """

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
