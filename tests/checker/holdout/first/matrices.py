"""Matrices, sound and broken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

import netlib as nl
from netlib.arrays import Array

from .common import Example


class Trace(nl.Layer):
    """The trace of each matrix."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(3, 4, 4)),)

    def forward(self, x: Array) -> Any:
        self.n = x.shape[1]
        return np.trace(x, axis1=1, axis2=2)

    def backward(self, dout: Array) -> Any:
        return dout[:, None, None] * np.eye(self.n, dtype=dout.dtype)


class TraceIgnoresDout(Trace):
    """The identity is returned, without dout."""

    def backward(self, dout: Array) -> Any:
        return np.repeat(np.eye(self.n, dtype=dout.dtype)[None], len(dout), axis=0)


class TraceOneIdentity(Trace):
    """One identity is returned for the whole batch, times the sum of dout."""

    def backward(self, dout: Array) -> Any:
        return dout.sum() * np.eye(self.n, dtype=dout.dtype)


class Inverse(nl.Layer):
    """The inverse of each matrix: dX = -Yᵀ dY Yᵀ."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (2 * np.eye(3) + 0.5 * rng.uniform(-1, 1, size=(2, 3, 3)),)

    def forward(self, x: Array) -> Any:
        self.y = np.linalg.inv(x)
        return self.y.copy()

    def backward(self, dout: Array) -> Any:
        return -self.y.mT @ dout @ self.y.mT


class InversePlus(Inverse):
    """The minus is forgotten."""

    def backward(self, dout: Array) -> Any:
        return self.y.mT @ dout @ self.y.mT


class InverseUntransposed(Inverse):
    """The inverse is used without transposing it."""

    def backward(self, dout: Array) -> Any:
        return -self.y @ dout @ self.y


class LogDeterminant(nl.Layer):
    """log |det X| of each matrix."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (2 * np.eye(4) + rng.uniform(-1, 1, size=(3, 4, 4)),)

    def forward(self, x: Array) -> Any:
        self.inverse = np.linalg.inv(x)
        return np.linalg.slogdet(x)[1]

    def backward(self, dout: Array) -> Any:
        return dout[:, None, None] * self.inverse.mT


class LogDeterminantUntransposed(LogDeterminant):
    """The inverse is not transposed."""

    def backward(self, dout: Array) -> Any:
        return dout[:, None, None] * self.inverse


class Gram(nl.Layer):
    """x xᵀ for each sample, x (N, C, L)."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 3, 5)),)

    def forward(self, x: Array) -> Any:
        self.x = np.array(x)
        return x @ x.mT

    def backward(self, dout: Array) -> Any:
        return (dout + dout.mT) @ self.x


class GramOneFactor(Gram):
    """x is taken to be the left factor only."""

    def backward(self, dout: Array) -> Any:
        return dout @ self.x


class GramOfSymmetric(Gram):
    """dout is taken to be symmetric."""

    def backward(self, dout: Array) -> Any:
        return 2 * dout @ self.x


class MatrixSquare(nl.Layer):
    """X X for each matrix."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 4, 4)),)

    def forward(self, x: Array) -> Any:
        self.x = np.array(x)
        return x @ x

    def backward(self, dout: Array) -> Any:
        return dout @ self.x.mT + self.x.mT @ dout


class MatrixSquareOneFactor(MatrixSquare):
    """The right factor is forgotten."""

    def backward(self, dout: Array) -> Any:
        return dout @ self.x.mT


class NuclearNorm(nl.Layer):
    """The sum of the singular values of each matrix."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 3, 5)),)

    def forward(self, x: Array) -> Any:
        u, s, vt = np.linalg.svd(x, full_matrices=False)
        self.uv = u @ vt
        return s.sum(axis=1)

    def backward(self, dout: Array) -> Any:
        return dout[:, None, None] * self.uv


class NuclearNormFlattened(NuclearNorm):
    """dx has the matrices as rows."""

    def backward(self, dout: Array) -> Any:
        return super().backward(dout).reshape(len(dout), -1)
