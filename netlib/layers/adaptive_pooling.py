"""What adaptive pooling shares: a given number of windows, whatever the size of the image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import Shape
from ..layer import Layer
from .per_axis import as_per_axis


class AdaptivePooling(Layer):
    """The base class: `output_size` windows along each axis.

    Window i of m along an axis of length n goes from ⌊i n / m⌋ to ⌈(i + 1) n / m⌉, so that windows
    may overlap by one.
    """

    axes: int

    def __init__(self, output_size: int | Shape) -> None:
        self.output_size = output_size
        self._sizes = as_per_axis(output_size, self.axes, "output_size", type(self).__name__)

    @property
    def _within(self) -> Shape:
        """The axes after the channels."""
        return tuple(range(2, 2 + self.axes))

    def _windows(self, lengths: Shape) -> Iterator[tuple[Any, Any]]:
        """Yield, for each position, its index in y and the index of its window in x."""
        for position in np.ndindex(self._sizes):
            axes = zip(position, lengths, self._sizes, strict=True)
            yield (..., *position), (..., *(slice(i * n // m, -(-(i + 1) * n // m)) for i, n, m in axes))
