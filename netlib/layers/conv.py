"""Convolutions over one, two or three axes."""

from __future__ import annotations

from .convolution import Convolution


class Conv1d(Convolution):
    """A convolution over one axis: (N, in_channels, L) to (N, out_channels, positions).

    >>> edges = Conv1d.from_arrays(weight=[[[-1.0, 1.0]]])
    >>> edges.forward([[[0.0, 0.0, 5.0, 5.0]]]), edges.backward([[[1.0, 2.0, 3.0]]])
    (array([[[0., 5., 0.]]]), array([[[-1., -1., -1.,  3.]]]))
    """

    kernel_name = "conv1d"
    axes = 1


class Conv2d(Convolution):
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


class Conv3d(Convolution):
    """A convolution over three axes: (N, in_channels, D, H, W) to (N, out_channels, …).

    >>> import numpy as np
    >>> conv = Conv3d(1, 4, kernel_size=3, padding="same", stride=2)
    >>> conv.forward(np.zeros((2, 1, 5, 6, 7))).shape
    (2, 4, 3, 3, 4)
    """

    kernel_name = "conv3d"
    axes = 3
