"""Normalisations, sound and broken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

import netlib as nl
from netlib.arrays import Array

from .common import Example


class LayerNorm(nl.Layer):
    """y = gain (x - mean) / std + bias, over the last axis."""

    def __init__(self, features: int, rng: Generator) -> None:
        self.gain = nl.Parameter(rng.normal(size=features))
        self.bias = nl.Parameter(rng.normal(size=features))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(6, rng), (rng.normal(size=(4, 6)),)

    def forward(self, x: Array) -> Any:
        centred = x - x.mean(axis=-1, keepdims=True)
        self.std = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        self.xhat = centred / self.std
        return self.gain.value * self.xhat + self.bias.value

    def backward(self, dout: Array) -> Any:
        self.gain.grad += self.of_gain(dout * self.xhat)
        self.bias.grad += self.of_bias(dout)
        d = dout * self.gain.value
        return (d - d.mean(axis=-1, keepdims=True) - self.xhat * (d * self.xhat).mean(axis=-1, keepdims=True)) / self.std

    def of_gain(self, d: Array) -> Any:
        return d.sum(axis=0)

    def of_bias(self, d: Array) -> Any:
        return d.sum(axis=0)


class LayerNormBatchOfOne(LayerNorm):
    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(6, rng), (rng.normal(size=(1, 6)),)


class LayerNormMeanGain(LayerNorm):
    """The gain's gradient is averaged over the batch."""

    def of_gain(self, d: Array) -> Any:
        return d.mean(axis=0)


class LayerNormMeanGainOfOne(LayerNormMeanGain):
    """The gain's gradient is averaged over the batch, which has one row."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(6, rng), (rng.normal(size=(1, 6)),)


class LayerNormConstantStatistics(LayerNorm):
    """Mean and std are taken for constants."""

    def backward(self, dout: Array) -> Any:
        super().backward(dout)
        return dout * self.gain.value / self.std


class LayerNormNoStdPath(LayerNorm):
    """The path through the std is forgotten."""

    def backward(self, dout: Array) -> Any:
        super().backward(dout)
        d = dout * self.gain.value
        return (d - d.mean(axis=-1, keepdims=True)) / self.std


class LayerNormLastRow(LayerNorm):
    """The bias gets the gradient of the last row alone."""

    def of_bias(self, d: Array) -> Any:
        return d[-1]


class LayerNormLastRowOfOne(LayerNormLastRow):
    """The bias gets the gradient of the last row alone, and there is one row."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(6, rng), (rng.normal(size=(1, 6)),)


class LayerNormBiasNotSummed(LayerNorm):
    """The bias's gradient is not summed over the batch."""

    def of_bias(self, d: Array) -> Any:
        return d


class LayerNormCentresItsInput(LayerNorm):
    """x is centred in place."""

    def forward(self, x: Array) -> Any:
        x -= x.mean(axis=-1, keepdims=True)
        return super().forward(x)


class RMSNorm(nl.Layer):
    """y = gain x / sqrt(mean x²), over the last axis."""

    def __init__(self, features: int, rng: Generator) -> None:
        self.gain = nl.Parameter(1 + 0.3 * rng.normal(size=features))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(5, rng), (rng.normal(size=(3, 5)),)

    def forward(self, x: Array) -> Any:
        self.rms = np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6)
        self.xhat = x / self.rms
        return self.gain.value * self.xhat

    def backward(self, dout: Array) -> Any:
        self.gain.grad += (dout * self.xhat).sum(axis=0)
        d = dout * self.gain.value
        return (d - self.xhat * (d * self.xhat).mean(axis=-1, keepdims=True)) / self.rms


class RMSNormPlus(RMSNorm):
    """The second term of dx is added, not subtracted."""

    def backward(self, dout: Array) -> Any:
        self.gain.grad += (dout * self.xhat).sum(axis=0)
        d = dout * self.gain.value
        return (d + self.xhat * (d * self.xhat).mean(axis=-1, keepdims=True)) / self.rms


class RMSNormOverBatch(RMSNorm):
    """The mean in dx goes over the batch, not over the features."""

    def backward(self, dout: Array) -> Any:
        self.gain.grad += (dout * self.xhat).sum(axis=0)
        d = dout * self.gain.value
        return (d - self.xhat * (d * self.xhat).mean(axis=0, keepdims=True)) / self.rms


class RMSNormInPlace(RMSNorm):
    """dout is multiplied by the gain in place."""

    def backward(self, dout: Array) -> Any:
        self.gain.grad += (dout * self.xhat).sum(axis=0)
        dout *= self.gain.value
        return (dout - self.xhat * (dout * self.xhat).mean(axis=-1, keepdims=True)) / self.rms


class BatchNorm(nl.Layer):
    """y = gain (x - mean) / std + bias over the batch, with running statistics for evaluation."""

    def __init__(self, features: int, rng: Generator) -> None:
        self.gain = nl.Parameter(rng.normal(size=features))
        self.bias = nl.Parameter(rng.normal(size=features))
        self.running_mean, self.running_var = np.zeros(features), np.ones(features)

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(4, rng), (2 + rng.normal(size=(7, 4)),)

    def forward(self, x: Array) -> Any:
        mean, var = self.running_mean.astype(x.dtype), self.running_var.astype(x.dtype)
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * var
        self.std = np.sqrt(var + 1e-5)
        self.xhat = (x - mean) / self.std
        self.mode = self.training
        return self.gain.value * self.xhat + self.bias.value

    def backward(self, dout: Array) -> Any:
        self.gain.grad += (dout * self.xhat).sum(axis=0)
        self.bias.grad += dout.sum(axis=0)
        d = dout * self.gain.value
        if self.mode:
            d = d - d.mean(axis=0) - self.xhat * (d * self.xhat).mean(axis=0)
        return d / self.std


class BatchNormEvaluating(BatchNorm):
    @classmethod
    def example(cls, rng: Generator) -> Example:
        layer, inputs = super().example(rng)
        layer.forward(*inputs)
        return layer.eval(), inputs


class BatchNormOneBias(BatchNorm):
    """The bias's gradient is summed over everything."""

    def backward(self, dout: Array) -> Any:
        before = self.bias.grad.copy()
        dx = super().backward(dout)
        self.bias.grad = before + dout.sum()
        return dx


class BatchNormTrainedAsEvaluated(BatchNorm):
    """Backward in training is that of evaluation."""

    def backward(self, dout: Array) -> Any:
        self.gain.grad += (dout * self.xhat).sum(axis=0)
        self.bias.grad += dout.sum(axis=0)
        return dout * self.gain.value / self.std


class BatchNormForgetsBias(BatchNorm):
    """The bias gets no gradient."""

    def backward(self, dout: Array) -> Any:
        self.gain.grad += (dout * self.xhat).sum(axis=0)
        d = dout * self.gain.value
        return (d - d.mean(axis=0) - self.xhat * (d * self.xhat).mean(axis=0)) / self.std


class BatchNormFirstStd(BatchNorm):
    """Backward uses the std of the first batch ever seen."""

    def forward(self, x: Array) -> Any:
        y = super().forward(x)
        if not hasattr(self, "first_std"):
            self.first_std = self.std
        self.std = self.first_std
        return y


class InstanceNorm(nl.Layer):
    """y = (x - mean) / std over the positions of each channel of each sample."""

    axes: tuple[int, ...] = (2, 3)

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 3, 4, 5)),)

    def forward(self, x: Array) -> Any:
        centred = x - x.mean(axis=(2, 3), keepdims=True)
        self.std = np.sqrt((centred**2).mean(axis=(2, 3), keepdims=True) + 1e-5)
        self.xhat = centred / self.std
        return self.xhat.copy()

    def backward(self, dout: Array) -> Any:
        mean = dout.mean(axis=self.axes, keepdims=True)
        return (dout - mean - self.xhat * (dout * self.xhat).mean(axis=self.axes, keepdims=True)) / self.std


class InstanceNormOverBatch(InstanceNorm):
    """The means in backward go over the batch too."""

    axes = (0, 2, 3)


class InstanceNormReturnsWhatItKeeps(InstanceNorm):
    """The output is the very array that backward uses."""

    def forward(self, x: Array) -> Any:
        super().forward(x)
        return self.xhat
