"""Losses, sound and broken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

import netlib as nl
from netlib.arrays import Array

from .common import Example, sigmoid, softmax


class SmoothedCrossEntropy(nl.Layer):
    """Cross-entropy over a batch, with a tenth of each target spread over the classes."""

    n_nondifferentiable_inputs = 1

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(6, 4)), rng.integers(0, 4, size=6))

    def forward(self, y: Array, t: Array) -> Any:
        self.p, self.q = softmax(y), np.full_like(y, 0.1 / y.shape[1])
        self.q[np.arange(len(t)), t] += 0.9
        return -(self.q * np.log(self.p)).sum() / len(t)

    def backward(self, dout: Any = 1.0) -> Any:
        return dout * (self.p - self.q) / len(self.p)


class SmoothedCrossEntropySum(SmoothedCrossEntropy):
    """The 1 / N is forgotten."""

    def backward(self, dout: Any = 1.0) -> Any:
        return dout * (self.p - self.q)


class SmoothedCrossEntropySumOfOne(SmoothedCrossEntropySum):
    """The 1 / N is forgotten, where N = 1."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(1, 4)), rng.integers(0, 4, size=1))


class SmoothedCrossEntropyOverClasses(SmoothedCrossEntropy):
    """Divided by N and the number of classes."""

    def backward(self, dout: Any = 1.0) -> Any:
        return dout * (self.p - self.q) / self.p.size


class SmoothedCrossEntropyUphill(SmoothedCrossEntropy):
    """q - p in place of p - q."""

    def backward(self, dout: Any = 1.0) -> Any:
        return dout * (self.q - self.p) / len(self.p)


class SmoothedCrossEntropyUphillOfOne(SmoothedCrossEntropy):
    """q - p in place of p - q, for one sample."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(1, 5)), rng.integers(0, 5, size=1))

    def backward(self, dout: Any = 1.0) -> Any:
        return dout * (self.q - self.p) / len(self.p)


class SmoothedCrossEntropyStarts(SmoothedCrossEntropy):
    """dout is not used, since a loss is thought to be last."""

    def backward(self, dout: Any = 1.0) -> Any:
        return (self.p - self.q) / len(self.p)


class SmoothedCrossEntropyHard(SmoothedCrossEntropy):
    """Backward uses the targets before they were smoothed."""

    def backward(self, dout: Any = 1.0) -> Any:
        return dout * (self.p - (self.q > 0.5)) / len(self.p)


class FocalLoss(nl.Layer):
    """The mean of -(1 - p_t)² log p_t, with p_t the probability of the binary target."""

    n_nondifferentiable_inputs = 1

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(3, 4)), rng.integers(0, 2, size=(3, 4)).astype(float))

    def forward(self, y: Array, t: Array) -> Any:
        self.sign = 2 * np.array(t) - 1
        self.p = sigmoid(self.sign * y)
        return -((1 - self.p) ** 2 * np.log(self.p)).mean()

    def backward(self, dout: Any = 1.0) -> Any:
        slope = (1 - self.p) ** 2 * (2 * self.p * np.log(self.p) - (1 - self.p))
        return dout * self.sign * slope / self.p.size


class FocalLossConstantFocus(FocalLoss):
    """The factor (1 - p_t)² is taken for a constant."""

    def backward(self, dout: Any = 1.0) -> Any:
        return -dout * self.sign * (1 - self.p) ** 3 / self.p.size


class GaussianKL(nl.Layer):
    """Σ (mean² + exp(logvar) - logvar - 1) / 2, a number for each sample."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))

    def forward(self, mean: Array, logvar: Array) -> Any:
        self.mean, self.var = np.array(mean), np.exp(logvar)
        return (mean**2 + self.var - logvar - 1).sum(axis=1) / 2

    def backward(self, dout: Array) -> Any:
        return dout[:, None] * self.mean, dout[:, None] * (self.var - 1) / 2


class GaussianKLTurned(GaussianKL):
    """The gradient of logvar has the wrong sign."""

    def backward(self, dout: Array) -> Any:
        return dout[:, None] * self.mean, dout[:, None] * (1 - self.var) / 2


class GaussianKLDouble(GaussianKL):
    """The 1 / 2 is forgotten for the mean."""

    def backward(self, dout: Array) -> Any:
        return 2 * dout[:, None] * self.mean, dout[:, None] * (self.var - 1) / 2


class GaussianKLForgetsLog(GaussianKL):
    """The -logvar is forgotten in the gradient of logvar."""

    def backward(self, dout: Array) -> Any:
        return dout[:, None] * self.mean, dout[:, None] * self.var / 2


class KLToTargets(nl.Layer):
    """Σ t log(t / p) / N, for probabilities p; targets may be 0."""

    n_nondifferentiable_inputs = 1

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (softmax(rng.normal(size=(3, 4))), np.array([[0.5, 0.5, 0, 0], [0.1, 0.2, 0.3, 0.4], [0, 1, 0, 0]]))

    def forward(self, p: Array, t: Array) -> Any:
        self.p, self.t = np.array(p), np.array(t, p.dtype)
        return (self.t * np.log(np.where(self.t > 0, self.t, 1) / self.p)).sum() / len(p)

    def backward(self, dout: Any = 1.0) -> Any:
        return -dout * self.t / self.p / len(self.p)


class KLToTargetsUphill(KLToTargets):
    """The minus is forgotten."""

    def backward(self, dout: Any = 1.0) -> Any:
        return dout * self.t / self.p / len(self.p)


class HuberLoss(nl.Layer):
    """Half squares up to a difference of 1, lines beyond it; the mean over all elements."""

    n_nondifferentiable_inputs = 1

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (2 * rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))

    def forward(self, y: Array, t: Array) -> Any:
        self.d = y - t
        size = np.abs(self.d)
        return np.where(size < 1, self.d**2 / 2, size - 0.5).mean()

    def backward(self, dout: Any = 1.0) -> Any:
        return dout * np.clip(self.d, -1, 1) / self.d.size


class HuberLossUnclipped(HuberLoss):
    """The squares' derivative is used on the lines too."""

    def backward(self, dout: Any = 1.0) -> Any:
        return dout * self.d / self.d.size


class HuberLossPerSample(HuberLoss):
    """Divided by the samples, where forward divides by all elements."""

    def backward(self, dout: Any = 1.0) -> Any:
        return dout * np.clip(self.d, -1, 1) / len(self.d)


class HuberLossSubtractsInPlace(HuberLoss):
    """The difference is made in y's own memory."""

    def forward(self, y: Array, t: Array) -> Any:
        y -= t
        return super().forward(y, np.zeros_like(t))


class QuantileLoss(nl.Layer):
    """0.8 (t - y) where t > y, 0.2 (y - t) elsewhere; the mean."""

    n_nondifferentiable_inputs = 1

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(5, 3)), rng.normal(size=(5, 3)))

    def forward(self, y: Array, t: Array) -> Any:
        self.under = t > y
        return np.where(self.under, 0.8 * (t - y), 0.2 * (y - t)).mean()

    def backward(self, dout: Any = 1.0) -> Any:
        return dout * np.where(self.under, -0.8, 0.2) / self.under.size


class QuantileLossAtTheTarget(QuantileLoss):
    @classmethod
    def example(cls, rng: Generator) -> Example:
        y, t = rng.integers(-1, 2, size=(2, 4, 3)).astype(float)
        return cls(), (y, t)


class QuantileLossTurned(QuantileLoss):
    """The gradient points uphill."""

    def backward(self, dout: Any = 1.0) -> Any:
        return dout * np.where(self.under, 0.8, -0.2) / self.under.size


class ContrastiveLoss(nl.Layer):
    """Same pairs are pulled together by d², others pushed apart by max(1.5 - d, 0)²; the mean."""

    n_nondifferentiable_inputs = 1

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (2 * rng.normal(size=(8, 3)), rng.normal(size=(8, 3)), np.array([0, 1, 0, 0, 1, 0, 0, 1.0]))

    def forward(self, a: Array, b: Array, same: Array) -> Any:
        self.difference, self.same = a - b, np.array(same, a.dtype)
        self.d = np.sqrt((self.difference**2).sum(axis=1))
        return (self.same * self.d**2 + (1 - self.same) * self.short() ** 2).mean()

    def short(self) -> Any:
        return np.maximum(1.5 - self.d, 0)

    def backward(self, dout: Any = 1.0) -> Any:
        return self.pair(dout, self.short())

    def pair(self, dout: Any, short: Array) -> Any:
        da = (2 * dout * (self.same - (1 - self.same) * short / self.d) / len(self.d))[:, None] * self.difference
        return da, -da


class ContrastiveLossNoMargin(ContrastiveLoss):
    """Pairs beyond the margin are still pushed."""

    def backward(self, dout: Any = 1.0) -> Any:
        return self.pair(dout, 1.5 - self.d)


class ContrastiveLossSameSign(ContrastiveLoss):
    """db has da's sign."""

    def backward(self, dout: Any = 1.0) -> Any:
        da, _ = super().backward(dout)
        return da, da.copy()


class LogCoshLoss(nl.Layer):
    """log cosh(y - t), a number for each sample."""

    n_nondifferentiable_inputs = 1

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))

    def forward(self, y: Array, t: Array) -> Any:
        self.d = y - t
        return np.log(np.cosh(self.d)).sum(axis=1)

    def backward(self, dout: Array) -> Any:
        return dout[:, None] * np.tanh(self.d)


class LogCoshLossSumOfDout(LogCoshLoss):
    """Every sample gets the sum of dout."""

    def backward(self, dout: Array) -> Any:
        return dout.sum() * np.tanh(self.d)


class LogCoshLossColumn(LogCoshLoss):
    """The gradient is summed to one number for each sample."""

    def backward(self, dout: Array) -> Any:
        return dout * np.tanh(self.d).sum(axis=1)


class LogCoshLossZero(LogCoshLoss):
    """The gradient is zeros, since the difference was detached."""

    def backward(self, dout: Array) -> Any:
        return 0 * dout[:, None] * np.tanh(self.d)
