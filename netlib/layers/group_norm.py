from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, ArrayLike, DTypeLike, as_count
from ..errors import InvalidValueError
from .images import as_images
from .normalization import Normalization
from .rules import Shape, Shapes
from .standardization import standardization_rule, standardize, standardize_backward


class GroupNorm(Normalization):
    """``y = (x − μ) / σ * weight + bias``, with μ and σ² = variance + eps of a group of channels.

    x is (N, channels, …), and every sample has its own μ and σ for each of the `groups`. The
    parameters `weight`, initially ones, and `bias`, initially zeros, have a number for each channel
    (Wu and He, 2018). With one group it is a layer norm over all but the first axis.

    With d = ∂L/∂y * weight and x̂ = (x − μ) / σ, ∂L/∂x = (d − mean(d) − x̂ mean(d x̂)) / σ, with
    means over the group. `BatchNorm` derives it.

    >>> norm = GroupNorm(2, 4, eps=0.0)
    >>> norm.forward([[1.0, 3.0, 10.0, 30.0]]).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    >>> norm.backward([[1.0, 2.0, 3.0, 4.0]]).tolist(), norm.weight.grad.tolist()
    ([[0.0, 0.0, 0.0, 0.0]], [-1.0, 2.0, -3.0, 4.0])
    """

    kernel_name = "group_norm"

    def __init__(self, groups: int, channels: int, eps: float = 1e-5, affine: bool = True, *, dtype: DTypeLike = np.float32) -> None:
        where = type(self).__name__
        self.groups, self.channels = as_count(groups, "groups", where, least=1), as_count(channels, "channels", where, least=1)
        self.affine = affine
        if self.channels % self.groups:
            raise InvalidValueError(f"groups is {groups}, which must divide channels {channels}", where=where)
        super().__init__((self.channels,), eps, affine, dtype)

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_images(x, self, channels=self.channels, dtype=self._compute_dtype)
        grouped, inverse = standardize(x.reshape(len(x), self.groups, math.prod(x.shape[1:]) // self.groups), (2,), self.eps)
        y = self.scale(grouped.reshape(x.shape), (-1,) + (1,) * (x.ndim - 2))
        return self.remember(y, grouped, inverse)

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradients of weight and bias, and return ∂L/∂x."""
        dout, grouped, inverse = self.recall(dout)
        per_channel = (0, *range(2, dout.ndim))
        d = self.scale_backward(dout, grouped.reshape(dout.shape), per_channel, (-1,) + (1,) * (dout.ndim - 2))
        return standardize_backward(d.reshape(grouped.shape), grouped, inverse, (2,)).reshape(dout.shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the norm with its weight and bias, and their gradients."""
        per, axes = (0, *range(2, len(output))), len(output) - 2
        if self.groups in (1, self.channels):
            along = tuple(range(1 if self.groups == 1 else 2, len(output)))
            return self.norm_rule(*standardization_rule("x", along, self.eps), per=per, axes=axes)
        grouped = (output[0], self.groups, math.prod(output[1:]) // self.groups)
        return self.norm_rule(*standardization_rule("g", (2,), self.eps), per=per, axes=axes, shape=output, grouped=grouped)


class InstanceNorm(GroupNorm):
    """A `GroupNorm` with a group for each channel: ``y = (x − μ) / σ``, over the axes after it.

    By default it has no `weight` and `bias` (Ulyanov et al., 2016).

    >>> norm = InstanceNorm(2, eps=0.0)
    >>> norm.forward([[[1.0, 3.0], [10.0, 30.0]]]).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """

    kernel_name = "instance_norm"

    def __init__(self, channels: int, eps: float = 1e-5, affine: bool = False, *, dtype: DTypeLike = np.float32) -> None:
        super().__init__(channels, channels, eps, affine, dtype=dtype)
