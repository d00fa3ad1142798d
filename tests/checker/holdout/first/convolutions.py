"""Convolution, pooling, resampling, sound and broken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.random import Generator

import netlib as nl
from netlib.arrays import Array

from .common import Example, in_float32


class Conv1d(nl.Layer):
    """Correlation along the last axis, position by position: x (N, C, L), weight (F, C, K)."""

    def __init__(self, channels: int, filters: int, width: int, rng: Generator) -> None:
        self.weight = nl.Parameter(rng.normal(size=(filters, channels, width)))
        self.bias = nl.Parameter(rng.normal(size=filters))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(3, 4, 2, rng), (rng.normal(size=(2, 3, 7)),)

    def forward(self, x: Array) -> Any:
        self.x = np.array(x)
        width = self.weight.shape[2]
        columns = [np.einsum("nck,fck->nf", x[:, :, i : i + width], self.weight.value) for i in range(x.shape[2] - width + 1)]
        return np.stack(columns, axis=2) + self.bias.value[:, None]

    def backward(self, dout: Array) -> Any:
        dx, width = np.zeros_like(self.x), self.weight.shape[2]
        for i in range(dout.shape[2]):
            self.weight.grad += np.einsum("nf,nck->fck", dout[:, :, i], self.x[:, :, i : i + width])
            dx[:, :, i : i + width] += np.einsum("nf,fck->nck", dout[:, :, i], self.weight.value)
        self.bias.grad += self.of_bias(dout)
        return dx

    def of_bias(self, dout: Array) -> Any:
        return dout.sum(axis=(0, 2))


class Conv1dOverwritesOverlaps(Conv1d):
    """Where windows overlap, the last one's gradient replaces the others'."""

    def backward(self, dout: Array) -> Any:
        dx, width = super().backward(dout), self.weight.shape[2]
        for i in range(dout.shape[2]):
            dx[:, :, i : i + width] = np.einsum("nf,fck->nck", dout[:, :, i], self.weight.value)
        return dx


class Conv1dMeanOverPositions(Conv1d):
    """The bias's gradient is averaged over the positions."""

    def of_bias(self, dout: Array) -> Any:
        return dout.mean(axis=2).sum(axis=0)


class Conv1dBiasOverChannels(Conv1d):
    """The bias's gradient is summed over the filters, of which there are as many as positions."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(3, 5, 2, rng), (rng.normal(size=(2, 3, 6)),)

    def of_bias(self, dout: Array) -> Any:
        return dout.sum(axis=(0, 1))


class Conv1dBiasNotSummed(Conv1d):
    """The bias's gradient is not summed over the batch."""

    def of_bias(self, dout: Array) -> Any:
        return dout.sum(axis=2)


class Conv1dAccumulatesTwice(Conv1d):
    """The running sum of the weight's gradient is added at each position, not once."""

    def backward(self, dout: Array) -> Any:
        dx, width = super().backward(dout), self.weight.shape[2]
        total = np.zeros_like(self.weight.value)
        for i in range(dout.shape[2]):
            self.weight.grad += total
            total += np.einsum("nf,nck->fck", dout[:, :, i], self.x[:, :, i : i + width])
        return dx


class Conv1dDefaultDtype(Conv1d):
    """dx is made by np.zeros without a dtype, so it is float64 for a float32 input."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return in_float32(super().example(rng))

    def backward(self, dout: Array) -> Any:
        dx = np.zeros(self.x.shape)
        dx += super().backward(dout)
        return dx


class Conv2d(nl.Layer):
    """Correlation by windows: x (N, C, H, W), weight (F, C, h, w)."""

    def __init__(self, channels: int, filters: int, window: tuple[int, int], rng: Generator) -> None:
        self.weight = nl.Parameter(rng.normal(size=(filters, channels, *window)))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(3, 4, (2, 3), rng), (rng.normal(size=(2, 3, 5, 6)),)

    def forward(self, x: Array) -> Any:
        self.windows = sliding_window_view(np.array(x), self.weight.shape[2:], axis=(2, 3))
        return np.einsum("nchwij,fcij->nfhw", self.windows, self.weight.value)

    def backward(self, dout: Array) -> Any:
        self.weight.grad += np.einsum("nchwij,nfhw->fcij", self.windows, dout)
        return self.full_correlation(dout, self.weight.value[:, :, ::-1, ::-1])

    def full_correlation(self, dout: Array, kernel: Array) -> Any:
        h, w = kernel.shape[2:]
        padded = np.pad(dout, ((0, 0), (0, 0), (h - 1, h - 1), (w - 1, w - 1)))
        return np.einsum("nfhwij,fcij->nchw", sliding_window_view(padded, (h, w), axis=(2, 3)), kernel)


class Conv2dNotFlipped(Conv2d):
    """The kernel is not flipped in dx."""

    def backward(self, dout: Array) -> Any:
        self.weight.grad += np.einsum("nchwij,nfhw->fcij", self.windows, dout)
        return self.full_correlation(dout, self.weight.value)


class Conv2dAssigns(Conv2d):
    """The weight's gradient is assigned, not added."""

    def backward(self, dout: Array) -> Any:
        self.weight.grad = np.einsum("nchwij,nfhw->fcij", self.windows, dout)
        return self.full_correlation(dout, self.weight.value[:, :, ::-1, ::-1])


class Conv2dKeepsFirstWindows(Conv2d):
    """The windows of the first input are kept forever."""

    def forward(self, x: Array) -> Any:
        first = self.__dict__.get("windows")
        y = super().forward(x)
        self.windows = self.windows if first is None or first.shape != self.windows.shape else first
        return y


class Conv2dKernelFromTheStart(Conv2d):
    """The flipped kernel is made once, in the constructor."""

    def __init__(self, channels: int, filters: int, window: tuple[int, int], rng: Generator) -> None:
        super().__init__(channels, filters, window, rng)
        self.flipped = self.weight.value[:, :, ::-1, ::-1].copy()

    def backward(self, dout: Array) -> Any:
        self.weight.grad += np.einsum("nchwij,nfhw->fcij", self.windows, dout)
        return self.full_correlation(dout, self.flipped)


class AveragePool2d(nl.Layer):
    """Means over windows of 2 × 3 that do not overlap."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 3, 4, 9)),)

    def forward(self, x: Array) -> Any:
        n, c, h, w = x.shape
        return x.reshape(n, c, h // 2, 2, w // 3, 3).mean(axis=(3, 5))

    def backward(self, dout: Array) -> Any:
        return dout.repeat(2, axis=2).repeat(3, axis=3) / 6


class AveragePool2dForgetsArea(AveragePool2d):
    """The division by the size of a window is forgotten."""

    def backward(self, dout: Array) -> Any:
        return dout.repeat(2, axis=2).repeat(3, axis=3)


class AveragePool2dOnce(AveragePool2d):
    """Only one element of each window gets its share."""

    def backward(self, dout: Array) -> Any:
        dx = super().backward(dout)
        kept = np.zeros_like(dx)
        kept[:, :, ::2, ::3] = dx[:, :, ::2, ::3]
        return kept


class MaxPool2d(nl.Layer):
    """Maxima over windows of 2 × 3 that do not overlap; of equals the first one counts."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 3, 4, 9)),)

    def forward(self, x: Array) -> Any:
        n, c, h, w = x.shape
        windows = x.reshape(n, c, h // 2, 2, w // 3, 3).swapaxes(3, 4).reshape(n, c, h // 2, w // 3, 6)
        self.first = windows.argmax(axis=-1)[..., None] == np.arange(6)
        return windows.max(axis=-1)

    def backward(self, dout: Array) -> Any:
        return self.spread(dout[..., None] * self.first)

    def spread(self, d: Array) -> Any:
        n, c, h, w, _ = d.shape
        return d.reshape(n, c, h, w, 2, 3).swapaxes(3, 4).reshape(n, c, 2 * h, 3 * w)


class MaxPool2dOfTies(MaxPool2d):
    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.integers(0, 3, size=(2, 1, 4, 6)).astype(float),)


class MaxPool2dNoMask(MaxPool2d):
    """All elements of a window get the gradient."""

    def backward(self, dout: Array) -> Any:
        return self.spread(dout[..., None] * np.ones_like(self.first))


class MaxPool2dInverted(MaxPool2d):
    """All elements of a window but the largest get the gradient."""

    def backward(self, dout: Array) -> Any:
        return self.spread(dout[..., None] * ~self.first)


class GlobalAveragePool(nl.Layer):
    """Means over the positions: (N, C, L) to (N, C)."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 3, 5)),)

    def forward(self, x: Array) -> Any:
        self.shape = x.shape
        return x.mean(axis=2)

    def backward(self, dout: Array) -> Any:
        return np.repeat(dout[:, :, None], self.shape[2], axis=2) / self.shape[2]


class GlobalAveragePoolNotRepeated(GlobalAveragePool):
    """dx is left to be broadcast along the positions."""

    def backward(self, dout: Array) -> Any:
        return dout[:, :, None] / self.shape[2]


class Upsample(nl.Layer):
    """Every position three times."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 4, 5)),)

    def forward(self, x: Array) -> Any:
        return x.repeat(3, axis=2)

    def backward(self, dout: Array) -> Any:
        return dout.reshape(*dout.shape[:2], -1, 3).sum(axis=3)


class UpsampleMean(Upsample):
    """The three copies' gradients are averaged, not added."""

    def backward(self, dout: Array) -> Any:
        return dout.reshape(*dout.shape[:2], -1, 3).mean(axis=3)


class UpsampleFirst(Upsample):
    """Only the first of the three copies counts."""

    def backward(self, dout: Array) -> Any:
        return dout[:, :, ::3].copy()


class PixelShuffle(nl.Layer):
    """(N, 4 C, H, W) to (N, C, 2 H, 2 W)."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 12, 4, 5)),)

    def forward(self, x: Array) -> Any:
        n, c, h, w = x.shape
        return x.reshape(n, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)

    def backward(self, dout: Array) -> Any:
        return self.fold(dout, (0, 1, 3, 5, 2, 4))

    def fold(self, dout: Array, axes: tuple[int, ...]) -> Any:
        n, c, h, w = dout.shape
        return dout.reshape(n, c, h // 2, 2, w // 2, 2).transpose(axes).reshape(n, 4 * c, h // 2, w // 2)


class PixelShuffleTurned(PixelShuffle):
    """The two axes inside a pixel are taken in the wrong order."""

    def backward(self, dout: Array) -> Any:
        return self.fold(dout, (0, 1, 5, 3, 2, 4))


class Pad(nl.Layer):
    """Two zeros before and one behind, along the last axis."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(3, 5)),)

    def forward(self, x: Array) -> Any:
        return np.pad(x, ((0, 0), (2, 1)))

    def backward(self, dout: Array) -> Any:
        return dout[:, 2:-1].copy()


class PadNotCut(Pad):
    """The gradient keeps the padding."""

    def backward(self, dout: Array) -> Any:
        return dout.copy()


class PadOffByOne(Pad):
    """The gradient is cut one position too early."""

    def backward(self, dout: Array) -> Any:
        return dout[:, 1:-2].copy()


class Roll(nl.Layer):
    """Everything moves two to the right, round the edge."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(3, 7)),)

    def forward(self, x: Array) -> Any:
        return np.roll(x, 2, axis=1)

    def backward(self, dout: Array) -> Any:
        return np.roll(dout, -2, axis=1)


class RollOnward(Roll):
    """The gradient moves the same way as the numbers did."""

    def backward(self, dout: Array) -> Any:
        return np.roll(dout, 2, axis=1)


class Columns(nl.Layer):
    """The features in another order, every second one first."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(3, 8)),)

    def forward(self, x: Array) -> Any:
        self.shape = x.shape
        return x[:, ::2].copy()

    def backward(self, dout: Array) -> Any:
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, ::2] = dout
        return dx


class ColumnsView(Columns):
    """The output is a view of the input."""

    def forward(self, x: Array) -> Any:
        self.shape = x.shape
        return x[:, ::2]
