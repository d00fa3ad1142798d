from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, DTypeLike, Shape, as_count, as_number
from ..errors import InvalidValueError, ShapeError
from ..execution import execution
from ..initializers import Ones, Zeros, initial_value
from ..parameter import Buffer
from .images import as_images
from .normalization import Normalization
from .rules import Shapes, format_number, lift
from .standardization import standardization_rule, standardize_backward


class BatchNorm(Normalization):
    """``y = (x − μ) / σ * weight + bias``, with μ and σ² = variance + eps of each channel.

    x is (N, channels) or (N, channels, …). In training mode, μ and the variance are those of the
    batch. They also move the buffers, which evaluation mode uses instead (Ioffe and Szegedy,
    2015)::

        running_mean ← (1 − momentum) running_mean + momentum μ
        running_var  ← (1 − momentum) running_var  + momentum variance · n / (n − 1)

    In training, x reaches y directly, through μ and through σ. With d = ∂L/∂y * weight and
    x̂ = (x − μ) / σ: ∂L/∂x = (d − mean(d) − x̂ mean(d x̂)) / σ; `standardize_backward` derives it. In
    evaluation, μ and σ are constants, so ∂L/∂x = d / σ.

    >>> norm = BatchNorm(1, eps=0.0)
    >>> norm.forward([[1.0], [3.0]]).tolist(), norm.backward([[1.0], [0.0]]).tolist()
    ([[-1.0], [1.0]], [[0.0], [0.0]])
    >>> norm.running_mean.value, norm.running_var.value  # of 2 and 2, with a weight of 0.1
    (array([0.2], dtype=float32), array([1.1], dtype=float32))
    """

    kernel_name = "batch_norm"
    needs_several_samples = True

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True, *,
                 dtype: DTypeLike = np.float32) -> None:  # fmt: skip
        self.channels = as_count(channels, "channels", "BatchNorm", least=1)
        self.momentum = as_number(momentum, "momentum", "BatchNorm", least=0)
        if self.momentum > 1:
            hint = "It is the weight of the batch, as in PyTorch, not that of the old value, as in Keras."
            raise InvalidValueError(f"momentum is {momentum}, expected at most 1", where="BatchNorm", hint=hint)
        self.affine = affine
        super().__init__((self.channels,), eps, affine, dtype)
        self.running_mean = Buffer.wrap(initial_value(Zeros(), (self.channels,), dtype, None, "BatchNorm"))
        self.running_var = Buffer.wrap(initial_value(Ones(), (self.channels,), dtype, None, "BatchNorm"))

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape. In training mode, update the buffers."""
        x = as_images(x, self, channels=self.channels, dtype=self._compute_dtype)
        if not self.training or not (x.size or execution.total):
            return self._normalize(x, self.running_mean.value, self.running_var.value, n=0)
        axes, _ = _per_channel(x.shape)
        mean, variance = (x.mean(axis=axes), x.var(axis=axes)) if x.size else np.zeros((2, self.channels), x.dtype)
        mean, variance, n = self.of_whole_batch(mean, variance, x.size // self.channels)
        if n == 1:
            message = f"got x of shape {x.shape}, with one number per channel, which has no variance"
            hint = "Use batches of several samples, or evaluation mode: layer.eval()."
            raise ShapeError(message, where=self, hint=hint)
        self.update(mean, variance, n)
        return self._normalize(x, mean, variance, n)

    def of_whole_batch(self, mean: Array, variance: Array, n: int) -> tuple[Array, Array, int]:
        """Return mean, variance and count of the whole batch, of which these `n` rows are a part.

        They are unchanged unless several processes share a batch: `execution.total` adds them up.
        """
        total = execution.total
        if total is None:
            return mean, variance, n
        own = mean.astype(np.float64)
        sums = total(np.append(n * own, n))
        whole: Array = sums[:-1] / max(sums[-1], 1)
        of_whole: Array = total(n * (variance + np.square(own - whole))) / max(sums[-1], 1)
        return whole.astype(mean.dtype), of_whole.astype(variance.dtype), int(sums[-1])

    def _normalize(self, x: Array, mean: Array, variance: Array, n: int) -> Array:
        _, shape = _per_channel(x.shape)
        inverse = 1 / np.sqrt(variance.astype(x.dtype) + x.dtype.type(self.eps)).reshape(shape)
        mean = mean.astype(x.dtype).reshape(shape)
        return self.remember(self.scale((x - mean) * inverse, shape), x, mean, inverse, n)

    def update(self, mean: Array, variance: Array, n: int) -> None:
        """Move the buffers towards the mean and the unbiased variance of a batch."""
        for buffer, new in [(self.running_mean, mean), (self.running_var, variance * (n / (n - 1)))]:
            buffer.value = (1 - self.momentum) * buffer.value + self.momentum * new

    def backward_parameters(self, dout: ArrayLike) -> None:
        """Add to the gradients of weight and bias only, which needs no sums over all processes."""
        dout, x, mean, inverse, _ = self.recall(dout)
        axes, shape = _per_channel(dout.shape)
        self.scale_backward(dout, (x - mean) * inverse, axes, shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradients of weight and bias, and return ∂L/∂x."""
        dout, x, mean, inverse, n = self.recall(dout)
        axes, shape = _per_channel(dout.shape)
        standardized = (x - mean) * inverse
        d = self.scale_backward(dout, standardized, axes, shape)
        if not n:
            return d * inverse  # type: ignore[no-any-return]
        means = None
        if execution.total is not None:
            sums = execution.total(np.stack([dout.sum(axis=axes), np.sum(dout * standardized, axis=axes)]))
            mean, slope = (sums if self.weight is None else sums * self.weight.value) / sums.dtype.type(n)
            means = mean.reshape(shape), slope.reshape(shape)
        return standardize_backward(d, standardized, inverse, axes, means)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the norm, which uses the running statistics in evaluation mode."""
        (per, _), axes = _per_channel(output), len(output) - 2
        if self.training:
            return self.norm_rule(*standardization_rule("x", per, self.eps), per=per, axes=axes)
        s = f"sqrt({lift('running_var', axes)} + {format_number(self.eps)})"
        return self.norm_rule(f"(x − {lift('running_mean', axes)}) / s", s, "{d} / s", per, axes)


def _per_channel(shape: Shape) -> tuple[Shape, Shape]:
    """Return the axes besides the channels, and the shape of one number per channel."""
    return (0, *range(2, len(shape))), (-1,) + (1,) * (len(shape) - 2)
