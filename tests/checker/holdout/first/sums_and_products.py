"""Lookups, sums, products, sound and broken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

import netlib as nl
from netlib.arrays import Array

from .common import Example


class Gather(nl.Layer):
    """Rows of x by number; numbers may repeat."""

    n_nondifferentiable_inputs = 1

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(7, 3)), np.array([2, 0, 2, 5, 6, 5, 2, 1]))

    def forward(self, x: Array, numbers: Array) -> Any:
        self.shape, self.numbers = x.shape, np.array(numbers)
        return x[numbers]

    def backward(self, dout: Array) -> Any:
        dx = np.zeros(self.shape, dout.dtype)
        np.add.at(dx, self.numbers, dout)
        return dx


class GatherLosesRepeats(Gather):
    """Of repeated numbers only the last one counts, since `dx[numbers] += dout` adds once."""

    def backward(self, dout: Array) -> Any:
        dx = np.zeros(self.shape, dout.dtype)
        dx[self.numbers] += dout
        return dx


class AddPosition(nl.Layer):
    """y = x + p, x (N, T, D) and p (T, D)."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(4, 3, 2)), rng.normal(size=(3, 2)))

    def forward(self, x: Array, p: Array) -> Any:
        return x + p

    def backward(self, dout: Array) -> Any:
        return dout.copy(), dout.sum(axis=0)


class AddPositionNotSummed(AddPosition):
    """dp is not summed over the batch."""

    def backward(self, dout: Array) -> Any:
        return dout.copy(), dout.copy()


class AddPositionMean(AddPosition):
    """dp is averaged over the batch."""

    def backward(self, dout: Array) -> Any:
        return dout.copy(), dout.mean(axis=0)


class FiLM(nl.Layer):
    """y = gamma x + beta, with a gamma and a beta for each channel of each sample."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3)), rng.normal(size=(2, 3)))

    def forward(self, x: Array, gamma: Array, beta: Array) -> Any:
        self.x, self.gamma = np.array(x), np.array(gamma)
        return x * gamma[:, :, None] + beta[:, :, None]

    def backward(self, dout: Array) -> Any:
        return dout * self.gamma[:, :, None], (dout * self.x).sum(axis=2), dout.sum(axis=2)


class FiLMSwapped(FiLM):
    """The gradients of gamma and beta are returned in the wrong order."""

    def backward(self, dout: Array) -> Any:
        dx, dgamma, dbeta = super().backward(dout)
        return dx, dbeta, dgamma


class FiLMForgetsBeta(FiLM):
    """The gradient of beta is None."""

    def backward(self, dout: Array) -> Any:
        return (*super().backward(dout)[:2], None)


class CumulativeSum(nl.Layer):
    """Running sums along the last axis."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(3, 5)),)

    def forward(self, x: Array) -> Any:
        return np.cumsum(x, axis=1)

    def backward(self, dout: Array) -> Any:
        return np.cumsum(dout[:, ::-1], axis=1)[:, ::-1]


class CumulativeSumForward(CumulativeSum):
    """The gradient is summed from the left, not from the right."""

    def backward(self, dout: Array) -> Any:
        return np.cumsum(dout, axis=1)


class CumulativeSumOverBatch(CumulativeSum):
    """The gradient is summed along the batch."""

    def backward(self, dout: Array) -> Any:
        return np.cumsum(dout[::-1], axis=0)[::-1]


class CumulativeProduct(nl.Layer):
    """Running products along the last axis."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.uniform(0.5, 1.5, size=(3, 5)),)

    def forward(self, x: Array) -> Any:
        self.x, self.y = np.array(x), np.cumprod(x, axis=1)
        return self.y.copy()

    def backward(self, dout: Array) -> Any:
        return np.cumsum((dout * self.y)[:, ::-1], axis=1)[:, ::-1] / self.x


class CumulativeProductDiagonal(CumulativeProduct):
    """Each x is taken to reach its own y only."""

    def backward(self, dout: Array) -> Any:
        return dout * self.y / self.x


class OuterProduct(nl.Layer):
    """y_ij = a_i b_j for each sample."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 3)), rng.normal(size=(2, 4)))

    def forward(self, a: Array, b: Array) -> Any:
        self.a, self.b = np.array(a), np.array(b)
        return a[:, :, None] * b[:, None, :]

    def backward(self, dout: Array) -> Any:
        return (dout * self.b[:, None, :]).sum(axis=2), (dout * self.a[:, :, None]).sum(axis=1)


class OuterProductSwapped(OuterProduct):
    """da and db are returned in the wrong order, and have equal shapes."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 4)), rng.normal(size=(2, 4)))

    def backward(self, dout: Array) -> Any:
        return super().backward(dout)[::-1]


class OuterProductOtherAxis(OuterProduct):
    """db is summed over its own axis, as wide as a's."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(2, 3)), rng.normal(size=(2, 3)))

    def backward(self, dout: Array) -> Any:
        return (dout * self.b[:, None, :]).sum(axis=2), (dout * self.a[:, :, None]).sum(axis=2)
