"""The statistics of batch norm: those of a batch, and the running ones that evaluation uses."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, DTypeLike, Shape, as_count, as_number
from ..errors import InvalidValueError, ShapeError
from ..execution import execution
from ..initializers import Ones, Zeros, initial_value
from ..parameter import Buffer
from .normalization import Normalization


class BatchStatistics(Normalization):
    """The base class of `BatchNorm`: the mean and the variance of each channel.

    If several processes share a batch, `execution.total` adds up arrays over all of them.
    """

    needs_several_samples = True

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True, *,
                 dtype: DTypeLike = np.float32) -> None:  # fmt: skip
        where = type(self).__name__
        self.channels = as_count(channels, "channels", where, least=1)
        self.momentum = as_number(momentum, "momentum", where, least=0)
        if self.momentum > 1:
            hint = "It is the weight of the batch, as in PyTorch, not that of the old value, as in Keras."
            raise InvalidValueError(f"momentum is {momentum}, expected at most 1", where=where, hint=hint)
        self.affine = affine
        super().__init__((self.channels,), eps, affine, dtype)
        self.running_mean = Buffer.wrap(initial_value(Zeros(), (self.channels,), dtype, None, where))
        self.running_var = Buffer.wrap(initial_value(Ones(), (self.channels,), dtype, None, where))

    def statistics_of(self, x: Array) -> tuple[Array, Array, int]:
        """Return mean, variance and count of a batch, with which the buffers are updated.

        In evaluation mode, or if there is not one number, return the running statistics, and 0.
        """
        if not self.training or not (x.size or execution.total):
            return self.running_mean.value, self.running_var.value, 0
        axes, _ = per_channel(x.shape)
        mean, variance = (x.mean(axis=axes), x.var(axis=axes)) if x.size else np.zeros((2, self.channels), x.dtype)
        mean, variance, n = self.of_whole_batch(mean, variance, x.size // self.channels)
        if n == 1:
            message = f"got x of shape {x.shape}, with one number per channel, which has no variance"
            hint = "Use batches of several samples, or evaluation mode: layer.eval()."
            raise ShapeError(message, where=self, hint=hint)
        self.update(mean, variance, n)
        return mean, variance, n

    def of_whole_batch(self, mean: Array, variance: Array, n: int) -> tuple[Array, Array, int]:
        """Return mean, variance and count of the whole batch, of which these `n` are a part."""
        total = execution.total
        if total is None:
            return mean, variance, n
        own = mean.astype(np.float64)
        sums = total(np.append(n * own, n))
        whole: Array = sums[:-1] / max(sums[-1], 1)
        of_whole: Array = total(n * (variance + np.square(own - whole))) / max(sums[-1], 1)
        return whole.astype(mean.dtype), of_whole.astype(variance.dtype), int(sums[-1])

    def update(self, mean: Array, variance: Array, n: int) -> None:
        """Move the buffers towards the mean and the unbiased variance of a batch."""
        for buffer, new in [(self.running_mean, mean), (self.running_var, variance * (n / (n - 1)))]:
            buffer.value = (1 - self.momentum) * buffer.value + self.momentum * new

    def means_of_whole_batch(self, dout: Array, standardized: Array, n: int) -> tuple[Array, Array] | None:
        """Return the means of d and d x̂ over the whole batch, or None if this is all of it."""
        if execution.total is None:
            return None
        axes, shape = per_channel(dout.shape)
        sums = execution.total(np.stack([dout.sum(axis=axes), np.sum(dout * standardized, axis=axes)]))
        mean, slope = (sums if self.weight is None else sums * self.weight.value) / sums.dtype.type(n)
        return mean.reshape(shape), slope.reshape(shape)


def per_channel(shape: Shape) -> tuple[Shape, Shape]:
    """Return the axes besides the channels, and the shape of one number per channel.

    >>> per_channel((5, 3, 28, 28))
    ((0, 2, 3), (-1, 1, 1))
    """
    return (0, *range(2, len(shape))), (-1,) + (1,) * (len(shape) - 2)
