from __future__ import annotations

from typing import Any

from ...arrays import Shape
from ...layers import AvgPool2d
from ...layers.pooling import Pooling


class DilatedAverage(AvgPool2d):
    """The mean of the numbers under each window with gaps, over one, two or three axes.

    `kernel_size` has a number for each axis, and the other options are those of `AvgPool2d` and
    `MaxPool2d`. Each of the n numbers under a window gets ∂L/∂y / n.

    >>> pool = DilatedAverage((2,), stride=1, dilation=2)
    >>> pool.forward([[[1.0, 2.0, 5.0]]]), pool.backward([[[1.0]]])
    (array([[[3.]]]), array([[[0.5, 0. , 0.5]]]))
    """

    def __init__(self, kernel_size: Shape, stride: int | Shape = 1, padding: Any = 0, dilation: int | Shape = 1,
                 ceil_mode: bool = False, count_include_pad: bool = False) -> None:  # fmt: skip
        self.axes = len(kernel_size)
        Pooling.__init__(self, kernel_size, stride, padding, dilation, ceil_mode)
        self.count_include_pad = count_include_pad
