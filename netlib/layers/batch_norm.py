from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, Shape
from .batch_statistics import BatchStatistics, per_channel
from .images import as_images
from .rules import Shapes, format_number, lift
from .standardization import standardization_rule, standardize_backward


class BatchNorm(BatchStatistics):
    """``y = (x − μ) / σ * weight + bias``, with μ and σ² = variance + eps of each channel.

    x is (N, channels) or (N, channels, …). In training mode, μ and the variance are those of the
    batch. They also move the buffers, which evaluation mode uses instead (Ioffe and Szegedy,
    2015)::

        running_mean ← (1 − momentum) running_mean + momentum μ
        running_var  ← (1 − momentum) running_var  + momentum variance · n / (n − 1)

    With x̂ = (x − μ) / σ and d = ∂L/∂x̂ = ∂L/∂y * weight, x reaches L in three ways in training:

    1. through x̂ directly: d / σ
    2. through μ = Σ x / n, on which each x̂ depends by −1 / σ: −mean(d) / σ
    3. through σ, with ∂x̂/∂σ = −x̂ / σ and ∂σ/∂x = x̂ / n: −x̂ mean(d x̂) / σ

    So ∂L/∂x = (d − mean(d) − x̂ mean(d x̂)) / σ. In evaluation, μ and σ are constants: ∂L/∂x = d / σ.

    >>> norm = BatchNorm(1, eps=0.0)
    >>> norm.forward([[1.0], [3.0]]).tolist(), norm.backward([[1.0], [0.0]]).tolist()
    ([[-1.0], [1.0]], [[0.0], [0.0]])
    >>> norm.running_mean.value, norm.running_var.value  # of 2 and 2, with a weight of 0.1
    (array([0.2], dtype=float32), array([1.1], dtype=float32))
    """

    kernel_name = "batch_norm"

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape. In training mode, update the buffers."""
        x = as_images(x, self, channels=self.channels, dtype=self._compute_dtype)
        mean, variance, n = self.statistics_of(x)
        _, shape = per_channel(x.shape)
        mean = mean.astype(x.dtype).reshape(shape)
        inverse = 1 / np.sqrt(variance.astype(x.dtype) + x.dtype.type(self.eps)).reshape(shape)
        return self.remember(self.scale((x - mean) * inverse, shape), x, mean, inverse, n)

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradients of weight and bias, and return ∂L/∂x."""
        dout, x, mean, inverse, n = self.recall(dout)
        axes, shape = per_channel(dout.shape)
        standardized = (x - mean) * inverse
        d = self.scale_backward(dout, standardized, axes, shape)
        if not n:  # in evaluation
            return d * inverse  # type: ignore[no-any-return]
        return standardize_backward(d, standardized, inverse, axes, self.means_of_whole_batch(dout, standardized, n))

    def backward_parameters(self, dout: ArrayLike) -> None:
        """Add to the gradients of weight and bias only, which needs no sums over all processes."""
        dout, x, mean, inverse, _ = self.recall(dout)
        self.scale_backward(dout, (x - mean) * inverse, *per_channel(dout.shape))

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the norm, which uses the running statistics in evaluation mode."""
        (per, _), axes = per_channel(output), len(output) - 2
        if self.training:
            return self.norm_rule(*standardization_rule("x", per, self.eps), per=per, axes=axes)
        s = f"sqrt({lift('running_var', axes)} + {format_number(self.eps)})"
        return self.norm_rule(f"(x − {lift('running_mean', axes)}) / s", s, "{d} / s", per, axes)
