"""Layers that draw, sound and broken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

import netlib as nl
from netlib.arrays import Array

from .activations import Softsign
from .common import Example


class OwnDropout(nl.Layer):
    """Drops a share p, and scales what is left by 1 / (1 - p)."""

    def __init__(self, p: float, rng: Generator) -> None:
        self.p = p
        self.rng = np.random.default_rng(rng.integers(1000))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(0.3, rng), (rng.normal(size=(5, 8)),)

    def forward(self, x: Array) -> Any:
        self.kept = self.draw(x) if self.training else np.ones(x.shape, bool)
        self.scale = 1 / (1 - self.p) if self.training else 1.0
        return x * self.kept * self.scale

    def draw(self, x: Array) -> Any:
        return self.rng.random(x.shape) >= self.p

    def backward(self, dout: Array) -> Any:
        return dout * self.kept * self.scale


class OwnDropoutNoMask(OwnDropout):
    """The gradient passes where x was dropped, too."""

    def backward(self, dout: Array) -> Any:
        return dout * self.scale


class OwnDropoutInverted(OwnDropout):
    """The gradient passes only where x was dropped."""

    def backward(self, dout: Array) -> Any:
        return dout * ~self.kept * self.scale


class OwnDropoutUnscaled(OwnDropout):
    """The 1 / (1 - p) is forgotten."""

    def backward(self, dout: Array) -> Any:
        return dout * self.kept


class OwnDropoutScaledTwice(OwnDropout):
    """The 1 / (1 - p) stands there twice."""

    def backward(self, dout: Array) -> Any:
        return dout * self.kept * self.scale * self.scale


class OwnDropoutDrawsAgain(OwnDropout):
    """Backward draws a mask of its own."""

    def backward(self, dout: Array) -> Any:
        return dout * self.draw(dout) * self.scale


class OwnDropoutEvaluating(OwnDropout):
    @classmethod
    def example(cls, rng: Generator) -> Example:
        layer, inputs = super().example(rng)
        return layer.eval(), inputs


class OwnDropoutReturnsX(OwnDropoutEvaluating):
    """In evaluation the output is the input itself."""

    def forward(self, x: Array) -> Any:
        y = super().forward(x)
        return y if self.training else x


class ChannelDropout(OwnDropout):
    """Drops whole channels of x (N, C, L)."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(0.4, rng), (rng.normal(size=(3, 5, 4)),)

    def draw(self, x: Array) -> Any:
        return self.rng.random((*x.shape[:2], 1)) >= self.p


class DropConnect(nl.Layer):
    """y = x (W · mask) / (1 - p), with a new mask each time."""

    def __init__(self, features: int, outer: int, rng: Generator) -> None:
        self.w = nl.Parameter(rng.normal(size=(features, outer)))
        self.rng = np.random.default_rng(rng.integers(1000))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(6, 4, rng), (rng.normal(size=(3, 6)),)

    def forward(self, x: Array) -> Any:
        self.x = np.array(x)
        self.mask = (self.rng.random(self.w.shape) >= 0.4) / np.array(0.6, self.w.dtype)
        return x @ (self.w.value * self.mask)

    def backward(self, dout: Array) -> Any:
        self.w.grad += (self.x.T @ dout) * self.mask
        return dout @ (self.w.value * self.mask).T


class DropConnectNoMask(DropConnect):
    """Dropped weights get a gradient too."""

    def backward(self, dout: Array) -> Any:
        self.w.grad += self.x.T @ dout / 0.6
        return dout @ (self.w.value * self.mask).T


class DropConnectDropsForGood(DropConnect):
    """The mask is multiplied into the weight itself."""

    def forward(self, x: Array) -> Any:
        y = super().forward(x)
        self.w.value *= self.mask != 0
        return y


class Reparameterise(nl.Layer):
    """z = mean + eps exp(logvar / 2), with a new normal eps each time."""

    def __init__(self, rng: Generator) -> None:
        self.rng = np.random.default_rng(rng.integers(1000))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(rng), (rng.normal(size=(3, 4)), rng.normal(size=(3, 4)))

    def forward(self, mean: Array, logvar: Array) -> Any:
        self.noise = self.draw(mean) * np.exp(logvar / 2)
        return mean + self.noise

    def draw(self, x: Array) -> Any:
        return self.rng.normal(size=x.shape).astype(x.dtype)

    def backward(self, dout: Array) -> Any:
        return dout.copy(), dout * self.noise / 2


class ReparameteriseNoHalf(Reparameterise):
    """The 1 / 2 of the exponent is forgotten."""

    def backward(self, dout: Array) -> Any:
        return dout.copy(), dout * self.noise


class ReparameteriseUnseeded(Reparameterise):
    """Each forward draws from a new generator without a seed."""

    def draw(self, x: Array) -> Any:
        return np.random.default_rng().normal(size=x.shape)


class ReparameteriseScalesDout(Reparameterise):
    """dout is scaled in place for the logvar."""

    def backward(self, dout: Array) -> Any:
        dmean = dout.copy()
        dout *= self.noise / 2
        return dmean, dout.copy()


class NoisyGradient(Softsign):
    """Noise is added to dx."""

    def backward(self, dout: Array) -> Any:
        return super().backward(dout) + 0.1 * np.random.default_rng().normal(size=dout.shape)
