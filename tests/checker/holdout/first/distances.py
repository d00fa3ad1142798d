"""Norms and distances, sound and broken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

import netlib as nl
from netlib.arrays import Array

from .common import Example


class CosineSimilarity(nl.Layer):
    """y = a · b / (|a| |b|), a number for each sample."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(4, 5)), rng.normal(size=(4, 5)))

    def forward(self, a: Array, b: Array) -> Any:
        self.na, self.nb = (np.sqrt((v**2).sum(axis=1, keepdims=True)) for v in (a, b))
        self.a, self.b = a / self.na, b / self.nb
        self.y = (self.a * self.b).sum(axis=1)
        return self.y.copy()

    def backward(self, dout: Array) -> Any:
        d, y = dout[:, None], self.y[:, None]
        return d * (self.b - y * self.a) / self.na, d * (self.a - y * self.b) / self.nb


class CosineSimilarityConstantNorms(CosineSimilarity):
    """The norms are taken for constants."""

    def backward(self, dout: Array) -> Any:
        return dout[:, None] * self.b / self.na, dout[:, None] * self.a / self.nb


class CosineSimilaritySwapped(CosineSimilarity):
    """da and db are returned in the wrong order."""

    def backward(self, dout: Array) -> Any:
        return super().backward(dout)[::-1]


class CosineSimilarityOfOne(CosineSimilarity):
    """db is None."""

    def backward(self, dout: Array) -> Any:
        return super().backward(dout)[0], None


class L2Normalize(nl.Layer):
    """y = x / |x| for each sample."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(4, 3)),)

    def forward(self, x: Array) -> Any:
        self.norm = np.sqrt((x**2).sum(axis=1, keepdims=True))
        self.y = x / self.norm
        return self.y.copy()

    def backward(self, dout: Array) -> Any:
        return (dout - self.y * (dout * self.y).sum(axis=1, keepdims=True)) / self.norm


class L2NormalizeConstantNorm(L2Normalize):
    """The norm is taken for a constant."""

    def backward(self, dout: Array) -> Any:
        return dout / self.norm


class L2NormalizeNormalisesX(L2Normalize):
    """x itself is normalised."""

    def forward(self, x: Array) -> Any:
        y = super().forward(x)
        x /= self.norm
        return y


class RowNorm(nl.Layer):
    """y = |x| for each sample; of the cone's tip at 0 the gradient is taken to be 0."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        x = rng.normal(size=(4, 3))
        x[1] = 0
        return cls(), (x,)

    def forward(self, x: Array) -> Any:
        self.x, self.norm = np.array(x), np.sqrt((x**2).sum(axis=1))
        return self.norm.copy()

    def backward(self, dout: Array) -> Any:
        return dout[:, None] * self.x / np.where(self.norm == 0, 1, self.norm)[:, None]


class RowNormOfZero(RowNorm):
    """A row of zeros is divided by its norm."""

    def backward(self, dout: Array) -> Any:
        with np.errstate(invalid="ignore"):
            return dout[:, None] * self.x / self.norm[:, None]


class RowNormFlat(RowNorm):
    """All gradients are zeros, since the norms are detached."""

    def backward(self, dout: Array) -> Any:
        return np.zeros_like(self.x)


class SquaredDistances(nl.Layer):
    """y_ij = |a_i - b_j|²."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(4, 3)), rng.normal(size=(5, 3)))

    def forward(self, a: Array, b: Array) -> Any:
        self.difference = a[:, None] - b
        return (self.difference**2).sum(axis=2)

    def backward(self, dout: Array) -> Any:
        d = 2 * dout[:, :, None] * self.difference
        return d.sum(axis=1), -d.sum(axis=0)


class SquaredDistancesHalf(SquaredDistances):
    """The 2 of the square is forgotten."""

    def backward(self, dout: Array) -> Any:
        da, db = super().backward(dout)
        return da / 2, db / 2


class SquaredDistancesSameSign(SquaredDistances):
    """db has da's sign."""

    def backward(self, dout: Array) -> Any:
        da, db = super().backward(dout)
        return da, -db


class SquaredDistancesNotSummed(SquaredDistances):
    """da is not summed over the b."""

    def backward(self, dout: Array) -> Any:
        d = 2 * dout[:, :, None] * self.difference
        return d, -d.sum(axis=0)


class SelfDistances(nl.Layer):
    """y_ij = |x_i - x_j|, zeros on the diagonal."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(5, 3)),)

    def forward(self, x: Array) -> Any:
        self.difference = x[:, None] - x
        self.y = np.sqrt((self.difference**2).sum(axis=2))
        return self.y.copy()

    def backward(self, dout: Array) -> Any:
        d = (dout / np.where(self.y == 0, 1, self.y))[:, :, None] * self.difference
        return d.sum(axis=1) - d.sum(axis=0)


class SelfDistancesOneSide(SelfDistances):
    """x is taken to be the first point only, never the second."""

    def backward(self, dout: Array) -> Any:
        return ((dout / np.where(self.y == 0, 1, self.y))[:, :, None] * self.difference).sum(axis=1)


class SelfDistancesDiagonal(SelfDistances):
    """The diagonal is divided by its distance, 0."""

    def backward(self, dout: Array) -> Any:
        with np.errstate(invalid="ignore", divide="ignore"):
            d = (dout / self.y)[:, :, None] * self.difference
        return d.sum(axis=1) - d.sum(axis=0)
