"""Convolutions over one, two or three axes."""

from __future__ import annotations

from ..arrays import Array, ArrayLike, Shape
from .convolution import Convolution
from .images import as_images
from .rules import Shapes


class _Conv(Convolution):
    """``Y = W P``: each number of the output is the dot product of a kernel and a patch.

    This is the chapter's dot node. So by Eqs. (1.20) and (1.30), ∂L/∂W = ∂L/∂Y Pᵀ and
    ∂L/∂P = Wᵀ ∂L/∂Y. A pixel fans out to all patches that cover it, so its gradient is the sum of
    theirs: the columns of ∂L/∂P, put back into an image.
    """

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

    >>> total = Conv2d.from_arrays(weight=[[[[1.0, 1.0], [1.0, 1.0]]]], bias=[10.0])
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

    >>> import numpy as np
    >>> conv = Conv3d(1, 4, kernel_size=3, padding="same", stride=2)
    >>> conv.forward(np.zeros((2, 1, 5, 6, 7))).shape
    (2, 4, 3, 3, 4)
    """

    kernel_name = "conv3d"
    axes = 3
