"""Activations, sound and broken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

import netlib as nl
from netlib.arrays import Array

from .common import Example, in_float32, sigmoid, softmax


class Maxout(nl.Layer):
    """y = the largest of k linear pieces: x W (N, H, k), max over k."""

    def __init__(self, features: int, outer: int, pieces: int, rng: Generator) -> None:
        self.w = nl.Parameter(rng.normal(size=(features, outer, pieces)))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(4, 5, 3, rng), (rng.normal(size=(2, 4)),)

    def forward(self, x: Array) -> Any:
        self.x = np.array(x)
        z = np.einsum("nd,dhk->nhk", x, self.w.value)
        self.chosen = z.argmax(axis=2)[..., None] == np.arange(z.shape[2])
        return z.max(axis=2)

    def backward(self, dout: Array) -> Any:
        dz = self.masked(dout)
        self.w.grad += np.einsum("nd,nhk->dhk", self.x, dz)
        return np.einsum("nhk,dhk->nd", dz, self.w.value)

    def masked(self, dout: Array) -> Any:
        return dout[..., None] * self.chosen


class MaxoutAllPieces(Maxout):
    """All pieces get the gradient, not the largest alone."""

    def masked(self, dout: Array) -> Any:
        return np.repeat(dout[..., None], self.chosen.shape[2], axis=2)


class PReLU(nl.Layer):
    """y = x where x > 0, slope x elsewhere, a slope for each feature."""

    def __init__(self, features: int, rng: Generator) -> None:
        self.slope = nl.Parameter(rng.uniform(0.1, 0.5, size=features))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(4, rng), (rng.normal(size=(6, 4)),)

    def forward(self, x: Array) -> Any:
        self.x = np.array(x)
        return np.where(x > 0, x, self.slope.value * x)

    def backward(self, dout: Array) -> Any:
        self.slope.grad += self.of_slope(dout * self.x)
        return dout * np.where(self.x > 0, 1, self.slope.value)

    def of_slope(self, d: Array) -> Any:
        return (d * (self.x <= 0)).sum(axis=0)


class PReLUAtZero(PReLU):
    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(4, rng), (rng.integers(-1, 2, size=(6, 4)).astype(float),)


class PReLUNoMask(PReLU):
    """The slope gets gradient from positive x too."""

    def of_slope(self, d: Array) -> Any:
        return d.sum(axis=0)


class PReLUInverted(PReLU):
    """The slope gets its gradient from the positive x."""

    def of_slope(self, d: Array) -> Any:
        return (d * (self.x > 0)).sum(axis=0)


class PReLUSignOfGradient(PReLU):
    """dx is chosen by the sign of dout, not of x."""

    def backward(self, dout: Array) -> Any:
        super().backward(dout)
        return dout * np.where(dout > 0, 1, self.slope.value)


class Swish(nl.Layer):
    """y = x sigmoid(beta x), with a learned beta."""

    def __init__(self, rng: Generator) -> None:
        self.beta = nl.Parameter(rng.uniform(0.5, 1.5, size=1))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(rng), (rng.normal(size=(3, 5)),)

    def forward(self, x: Array) -> Any:
        self.x, self.s = np.array(x), sigmoid(self.beta.value * x)
        return x * self.s

    def backward(self, dout: Array) -> Any:
        self.beta.grad += (dout * self.x**2 * self.s * (1 - self.s)).sum()
        return dout * (self.s + self.beta.value * self.x * self.s * (1 - self.s))


class SwishHalfProductRule(Swish):
    """The second half of the product rule is forgotten."""

    def backward(self, dout: Array) -> Any:
        super().backward(dout)
        return dout * self.s


class SwishConstantBeta(Swish):
    """beta gets no gradient."""

    def backward(self, dout: Array) -> Any:
        return dout * (self.s + self.beta.value * self.x * self.s * (1 - self.s))


class SwishIgnoresDout(Swish):
    """beta's gradient is made without dout."""

    def backward(self, dout: Array) -> Any:
        self.beta.grad += (self.x**2 * self.s * (1 - self.s)).sum()
        return dout * (self.s + self.beta.value * self.x * self.s * (1 - self.s))


class HardTanh(nl.Layer):
    """y = x, kept between -1 and 1."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (1.5 * rng.normal(size=(4, 6)),)

    def forward(self, x: Array) -> Any:
        self.inside = (x > -1) & (x < 1)
        return np.clip(x, -1, 1)

    def backward(self, dout: Array) -> Any:
        return dout * self.inside


class HardTanhAtTheEdge(HardTanh):
    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.integers(-2, 3, size=(4, 6)).astype(float),)


class HardTanhNoMask(HardTanh):
    """The gradient passes everywhere."""

    def backward(self, dout: Array) -> Any:
        return dout.copy()


class HardTanhInverted(HardTanh):
    """The gradient passes where x was cut."""

    def backward(self, dout: Array) -> Any:
        return dout * ~self.inside


class HardTanhClipsInPlace(HardTanh):
    """x is cut in place."""

    def forward(self, x: Array) -> Any:
        self.inside = (x > -1) & (x < 1)
        return np.clip(x, -1, 1, out=x).copy()


class HardTanhZeroesDout(HardTanh):
    """dout is set to zero in place where x was cut."""

    def backward(self, dout: Array) -> Any:
        dout[~self.inside] = 0
        return dout.copy()


class HardTanhKeepsFirstMask(HardTanh):
    """The mask of the first input is kept forever."""

    def forward(self, x: Array) -> Any:
        first = self.__dict__.get("inside")
        y = super().forward(x)
        self.inside = self.inside if first is None or first.shape != x.shape else first
        return y


class SoftThreshold(nl.Layer):
    """y = sign(x) max(|x| - t, 0), with a learned t."""

    def __init__(self, rng: Generator) -> None:
        self.t = nl.Parameter(rng.uniform(0.3, 0.7, size=1))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(rng), (rng.normal(size=(4, 5)),)

    def forward(self, x: Array) -> Any:
        self.sign = np.sign(x) * (np.abs(x) > self.t.value)
        return self.sign * (np.abs(x) - self.t.value)

    def backward(self, dout: Array) -> Any:
        self.t.grad -= (dout * self.sign).sum()
        return dout * np.abs(self.sign)


class SoftThresholdRises(SoftThreshold):
    """t's gradient has the wrong sign."""

    def backward(self, dout: Array) -> Any:
        self.t.grad += (dout * self.sign).sum()
        return dout * np.abs(self.sign)


class Softsign(nl.Layer):
    """y = x / (1 + |x|)."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(3, 4)),)

    def forward(self, x: Array) -> Any:
        self.scale = 1 + np.abs(x)
        return x / self.scale

    def backward(self, dout: Array) -> Any:
        return dout / self.scale**2


class SoftsignNotSquared(Softsign):
    """The square of the denominator is forgotten."""

    def backward(self, dout: Array) -> Any:
        return dout / self.scale


class SoftsignOfOnes(Softsign):
    """The layer's own derivative is returned, without dout."""

    def backward(self, dout: Array) -> Any:
        return 1 / self.scale**2


class SoftsignWidens(Softsign):
    """A NumPy float64 constant makes float64 of float32."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return in_float32(super().example(rng))

    def backward(self, dout: Array) -> Any:
        return np.float64(1) * dout / self.scale**2


class Softplus(nl.Layer):
    """y = log(1 + exp(x))."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        x = rng.normal(size=(3, 4))
        x[0, 0], x[2, 1] = 900.0, -900.0
        return cls(), (x,)

    def forward(self, x: Array) -> Any:
        self.x = np.array(x)
        return np.logaddexp(x, 0)

    def backward(self, dout: Array) -> Any:
        return dout * 0.5 * (1 + np.tanh(self.x / 2))


class SoftplusOverflows(Softplus):
    """exp(x) / (1 + exp(x)) overflows for large x."""

    def backward(self, dout: Array) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            return dout * np.exp(self.x) / (1 + np.exp(self.x))


class LogSumExp(nl.Layer):
    """y = log Σ exp(x) over the last axis."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (800 + rng.normal(size=(3, 5)),)

    def forward(self, x: Array) -> Any:
        self.x, self.p = np.array(x), softmax(x)
        top = x.max(axis=1)
        return top + np.log(np.exp(x - top[:, None]).sum(axis=1))

    def backward(self, dout: Array) -> Any:
        return dout[:, None] * self.p


class LogSumExpOverflows(LogSumExp):
    """Backward takes exp of large x."""

    def backward(self, dout: Array) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            return dout[:, None] * np.exp(self.x) / np.exp(self.x).sum(axis=1, keepdims=True)


class LogSumExpIgnoresDout(LogSumExp):
    """The softmax alone is returned."""

    def backward(self, dout: Array) -> Any:
        return self.p.copy()


class Tempered(nl.Layer):
    """y = softmax(x / T), with a learned temperature."""

    def __init__(self, rng: Generator) -> None:
        self.t = nl.Parameter(rng.uniform(1.5, 2.5, size=1))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(rng), (2 * rng.normal(size=(3, 5)),)

    def forward(self, x: Array) -> Any:
        self.x, self.p = np.array(x), softmax(x / self.t.value)
        return self.p.copy()

    def backward(self, dout: Array) -> Any:
        ds = self.through_softmax(dout)
        self.t.grad -= (ds * self.x).sum() / self.t.value**2
        return ds / self.t.value

    def through_softmax(self, d: Array) -> Any:
        return self.p * (d - (d * self.p).sum(axis=1, keepdims=True))


class TemperedUnscaled(Tempered):
    """dx lacks the 1 / T."""

    def backward(self, dout: Array) -> Any:
        return super().backward(dout) * self.t.value


class TemperedRises(Tempered):
    """The temperature's gradient has the wrong sign."""

    def backward(self, dout: Array) -> Any:
        dx = super().backward(dout)
        self.t.grad += 2 * (dx * self.x).sum() / self.t.value
        return dx


class FixedTempered(nl.Layer):
    """y = softmax(2 x)."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(3, 5)),)

    def forward(self, x: Array) -> Any:
        self.p = softmax(2 * x)
        return self.p.copy()

    def backward(self, dout: Array) -> Any:
        return 2 * self.p * (dout - (dout * self.p).sum(axis=1, keepdims=True))


class FixedTemperedDiagonal(FixedTempered):
    """The softmax's Jacobian is taken for diagonal."""

    def backward(self, dout: Array) -> Any:
        return 2 * dout * self.p * (1 - self.p)


class FixedTemperedOverBatch(FixedTempered):
    """The sum in backward goes over the batch."""

    def backward(self, dout: Array) -> Any:
        return 2 * self.p * (dout - (dout * self.p).sum(axis=0, keepdims=True))


class FixedTemperedReturnsWhatItKeeps(FixedTempered):
    """The output is the very array that backward uses."""

    def forward(self, x: Array) -> Any:
        super().forward(x)
        return self.p


class Maximum(nl.Layer):
    """The larger of two inputs, element by element."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(3, 5)), rng.normal(size=(3, 5)))

    def forward(self, a: Array, b: Array) -> Any:
        self.first = a > b
        return np.maximum(a, b)

    def backward(self, dout: Array) -> Any:
        return dout * self.first, dout * ~self.first


class MaximumOfEquals(Maximum):
    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), tuple(rng.integers(0, 2, size=(3, 5)).astype(float) for _ in range(2))


class MaximumBothPass(Maximum):
    """Both inputs get the whole gradient."""

    def backward(self, dout: Array) -> Any:
        return dout.copy(), dout.copy()


class MaximumSecondInverted(Maximum):
    """The second input gets its gradient where the first is the larger."""

    def backward(self, dout: Array) -> Any:
        return dout * self.first, dout * self.first


class Rounded(nl.Layer):
    """x to the nearest quarter: flat almost everywhere, so its true gradient is zero."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(3, 4)),)

    def forward(self, x: Array) -> Any:
        return np.round(4 * x) / 4

    def backward(self, dout: Array) -> Any:
        return np.zeros_like(dout)
