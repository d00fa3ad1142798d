"""Linear and bilinear layers, sound and broken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

import netlib as nl
from netlib.arrays import Array

from .common import Example


class Bilinear(nl.Layer):
    """y = a W b, a number for each sample."""

    def __init__(self, left: int, right: int, rng: Generator) -> None:
        self.weight = nl.Parameter(rng.normal(size=(left, right)))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(3, 4, rng), (rng.normal(size=(5, 3)), rng.normal(size=(5, 4)))

    def forward(self, a: Array, b: Array) -> Any:
        self.a, self.b = np.array(a), np.array(b)
        return ((a @ self.weight.value) * b).sum(axis=1)

    def backward(self, dout: Array) -> Any:
        d = dout[:, None]
        self.weight.grad += self.a.T @ (d * self.b)
        return d * (self.b @ self.weight.value.T), d * (self.a @ self.weight.value)


class BilinearSwapped(Bilinear):
    """da and db are returned in the wrong order."""

    def backward(self, dout: Array) -> Any:
        return super().backward(dout)[::-1]


class BilinearSquare(Bilinear):
    """da is made with W where W transposed belongs; W is square."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(4, 4, rng), (rng.normal(size=(5, 4)), rng.normal(size=(5, 4)))

    def backward(self, dout: Array) -> Any:
        _, db = super().backward(dout)
        return dout[:, None] * (self.b @ self.weight.value), db


class BilinearLearnsAtOnce(Bilinear):
    """The weight is changed in backward."""

    def backward(self, dout: Array) -> Any:
        gradients = super().backward(dout)
        self.weight.value -= 0.1 * self.weight.grad
        return gradients


class BilinearOneGradient(Bilinear):
    """Only da is returned."""

    def backward(self, dout: Array) -> Any:
        return super().backward(dout)[0]


class LowRank(nl.Layer):
    """y = x U V + b."""

    def __init__(self, inner: int, features: int, outer: int, rng: Generator) -> None:
        self.u = nl.Parameter(rng.normal(size=(features, inner)))
        self.v = nl.Parameter(rng.normal(size=(inner, outer)))
        self.b = nl.Parameter(rng.normal(size=outer))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(2, 5, 4, rng), (rng.normal(size=(3, 5)),)

    def forward(self, x: Array) -> Any:
        self.x, self.z = np.array(x), x @ self.u.value
        return self.z @ self.v.value + self.b.value

    def backward(self, dout: Array) -> Any:
        self.b.grad += dout.sum(axis=0)
        self.v.grad += self.z.T @ dout
        dz = dout @ self.v.value.T
        self.u.grad += self.x.T @ dz
        return dz @ self.u.value.T


class LowRankTurnedGradient(LowRank):
    """The gradient of V is the transposed product."""

    def backward(self, dout: Array) -> Any:
        self.b.grad += dout.sum(axis=0)
        self.v.grad += dout.T @ self.z
        dz = dout @ self.v.value.T
        self.u.grad += self.x.T @ dz
        return dz @ self.u.value.T


class LowRankBackTwice(LowRank):
    """Backward goes through the layer twice, once for the parameters and once for dx."""

    def backward(self, dout: Array) -> Any:
        super().backward(dout)
        return super().backward(dout)


class LowRankNegative(LowRank):
    """The gradient of b is subtracted from grad."""

    def backward(self, dout: Array) -> Any:
        dx = super().backward(dout)
        self.b.grad -= 2 * dout.sum(axis=0)
        return dx


class LowRankNoReturn(LowRank):
    """`return` is missing in backward."""

    def backward(self, dout: Array) -> Any:
        super().backward(dout)


class TiedAutoencoder(nl.Layer):
    """y = x U Uᵀ."""

    def __init__(self, features: int, narrow: int, rng: Generator) -> None:
        self.u = nl.Parameter(rng.normal(size=(features, narrow)))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(5, 2, rng), (rng.normal(size=(3, 5)),)

    def forward(self, x: Array) -> Any:
        self.x, self.z = np.array(x), x @ self.u.value
        return self.z @ self.u.value.T

    def backward(self, dout: Array) -> Any:
        dz = dout @ self.u.value
        self.u.grad += self.x.T @ dz + dout.T @ self.z
        return dz @ self.u.value.T


class TiedAutoencoderOneWay(TiedAutoencoder):
    """U's use in the decoder is forgotten."""

    def backward(self, dout: Array) -> Any:
        dz = dout @ self.u.value
        self.u.grad += self.x.T @ dz
        return dz @ self.u.value.T


class TiedAutoencoderLastWay(TiedAutoencoder):
    """The encoder's gradient of U replaces what had added up, the decoder's too."""

    def backward(self, dout: Array) -> Any:
        dz = dout @ self.u.value
        self.u.grad += dout.T @ self.z
        self.u.grad = self.x.T @ dz
        return dz @ self.u.value.T


class WeightNorm(nl.Layer):
    """y = x W, whose columns are gain v / |v|."""

    def __init__(self, features: int, outer: int, rng: Generator) -> None:
        self.v = nl.Parameter(rng.normal(size=(features, outer)))
        self.gain = nl.Parameter(rng.normal(size=outer))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(4, 3, rng), (rng.normal(size=(5, 4)),)

    def forward(self, x: Array) -> Any:
        self.x = np.array(x)
        self.norm = np.sqrt((self.v.value**2).sum(axis=0))
        self.unit = self.v.value / self.norm
        return x @ (self.gain.value * self.unit)

    def backward(self, dout: Array) -> Any:
        dw = self.x.T @ dout
        along = (dw * self.unit).sum(axis=0)
        self.gain.grad += along
        self.v.grad += self.gain.value / self.norm * (dw - self.unit * along)
        return dout @ (self.gain.value * self.unit).T


class WeightNormConstantNorm(WeightNorm):
    """The norm of v is taken for a constant."""

    def backward(self, dout: Array) -> Any:
        dw = self.x.T @ dout
        self.gain.grad += (dw * self.unit).sum(axis=0)
        self.v.grad += self.gain.value / self.norm * dw
        return dout @ (self.gain.value * self.unit).T


class WeightNormNormalisesV(WeightNorm):
    """v is normalised in place in each forward."""

    def forward(self, x: Array) -> Any:
        self.v.value /= np.sqrt((self.v.value**2).sum(axis=0))
        return super().forward(x)


class PerStepLinear(nl.Layer):
    """y_t = x_t W_t, a matrix for each time step."""

    def __init__(self, steps: int, features: int, outer: int, rng: Generator) -> None:
        self.weight = nl.Parameter(rng.normal(size=(steps, features, outer)))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(3, 4, 2, rng), (rng.normal(size=(5, 3, 4)),)

    def forward(self, x: Array) -> Any:
        self.x = np.array(x)
        return np.einsum("nti,tij->ntj", x, self.weight.value)

    def backward(self, dout: Array) -> Any:
        self.weight.grad += np.einsum("nti,ntj->tij", self.x, dout)
        return np.einsum("ntj,tij->nti", dout, self.weight.value)


class PerStepLinearSquare(PerStepLinear):
    """The weight's gradient has its two axes exchanged, and is square."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(3, 4, 4, rng), (rng.normal(size=(5, 3, 4)),)

    def backward(self, dout: Array) -> Any:
        self.weight.grad += np.einsum("nti,ntj->tji", self.x, dout)
        return np.einsum("ntj,tij->nti", dout, self.weight.value)


class PerStepLinearShared(PerStepLinear):
    """The weight's gradient is summed over the steps too, and broadcast to all of them."""

    def backward(self, dout: Array) -> Any:
        self.weight.grad += np.einsum("nti,ntj->ij", self.x, dout)
        return np.einsum("ntj,tij->nti", dout, self.weight.value)
