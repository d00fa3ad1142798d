"""Features, sound and broken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

import netlib as nl
from netlib.arrays import Array

from .common import Example


class LearnedPolynomial(nl.Layer):
    """y = c_0 + c_1 x + c_2 x² + c_3 x³."""

    def __init__(self, rng: Generator) -> None:
        self.c = nl.Parameter(rng.normal(size=4))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(rng), (rng.normal(size=(2, 5)),)

    def forward(self, x: Array) -> Any:
        self.powers = np.stack([x**0, x, x**2, x**3])
        return np.tensordot(self.c.value, self.powers, 1)

    def backward(self, dout: Array) -> Any:
        self.c.grad += (dout * self.powers).sum(axis=(1, 2))
        return dout * np.tensordot(self.c.value[1:] * np.array([1, 2, 3], self.c.dtype), self.powers[:3], 1)


class LearnedPolynomialNoExponent(LearnedPolynomial):
    """The derivative of x^k is written x^(k-1)."""

    def backward(self, dout: Array) -> Any:
        super().backward(dout)
        return dout * np.tensordot(self.c.value[1:], self.powers[:3], 1)


class LearnedPolynomialAssigns(LearnedPolynomial):
    """The gradient of c is assigned, not added."""

    def backward(self, dout: Array) -> Any:
        dx = super().backward(dout)
        self.c.grad = (dout * self.powers).sum(axis=(1, 2))
        return dx


class PolynomialFeatures(nl.Layer):
    """x, x² and x³ side by side."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(4, 3)),)

    def forward(self, x: Array) -> Any:
        self.x = np.array(x)
        return np.concatenate([x, x**2, x**3], axis=1)

    def backward(self, dout: Array) -> Any:
        d1, d2, d3 = np.split(dout, 3, axis=1)
        return d1 + 2 * d2 * self.x + 3 * d3 * self.x**2


class PolynomialFeaturesNoCube(PolynomialFeatures):
    """The cubes' gradient is forgotten."""

    def backward(self, dout: Array) -> Any:
        d1, d2, _ = np.split(dout, 3, axis=1)
        return d1 + 2 * d2 * self.x


class FourierFeatures(nl.Layer):
    """cos(x B) and sin(x B) side by side, with a fixed B."""

    def __init__(self, features: int, frequencies: int, rng: Generator) -> None:
        self.b = rng.normal(size=(features, frequencies))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(2, 5, rng), (rng.normal(size=(3, 2)),)

    def forward(self, x: Array) -> Any:
        z = x @ self.b.astype(x.dtype)
        self.cos, self.sin = np.cos(z), np.sin(z)
        return np.concatenate([self.cos, self.sin], axis=1)

    def backward(self, dout: Array) -> Any:
        dcos, dsin = np.split(dout, 2, axis=1)
        return (dsin * self.cos - dcos * self.sin) @ self.b.T.astype(dout.dtype)


class FourierFeaturesPlus(FourierFeatures):
    """The derivative of cos is written sin."""

    def backward(self, dout: Array) -> Any:
        dcos, dsin = np.split(dout, 2, axis=1)
        return (dsin * self.cos + dcos * self.sin) @ self.b.T


class PowerSpectrum(nl.Layer):
    """y = |fft(x)|² along the last axis."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(3, 7)),)

    def forward(self, x: Array) -> Any:
        self.f = np.fft.fft(x)
        return self.f.real**2 + self.f.imag**2

    def backward(self, dout: Array) -> Any:
        return 2 * self.f.shape[1] * np.fft.ifft(dout * self.f).real


class PowerSpectrumUnscaled(PowerSpectrum):
    """The length is forgotten, which ifft divides by."""

    def backward(self, dout: Array) -> Any:
        return 2 * np.fft.ifft(dout * self.f).real


class PowerSpectrumComplex(PowerSpectrum):
    """dx is complex."""

    def backward(self, dout: Array) -> Any:
        return super().backward(dout) + 0j
