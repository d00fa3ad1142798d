"""Attention, recurrence, gates, sound and broken."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.random import Generator

import netlib as nl
from netlib.arrays import Array

from .common import Example, sigmoid, softmax


class Attention(nl.Layer):
    """y = softmax(q kᵀ / sqrt(d)) v."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(4, 3)), rng.normal(size=(5, 3)), rng.normal(size=(5, 2)))

    def forward(self, q: Array, k: Array, v: Array) -> Any:
        self.q, self.k, self.v = np.array(q), np.array(k), np.array(v)
        self.p = softmax(q @ k.T / math.sqrt(q.shape[1]))
        return self.p @ v

    def backward(self, dout: Array) -> Any:
        dp = dout @ self.v.T
        ds = self.p * (dp - (dp * self.p).sum(axis=-1, keepdims=True)) / math.sqrt(self.q.shape[1])
        return ds @ self.k, ds.T @ self.q, self.p.T @ dout


class SelfAttention(Attention):
    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), tuple(rng.normal(size=(4, 3)) for _ in range(3))


class AttentionDiagonal(Attention):
    """The softmax's Jacobian is taken for diagonal."""

    def backward(self, dout: Array) -> Any:
        ds = dout @ self.v.T * self.p * (1 - self.p) / math.sqrt(self.q.shape[1])
        return ds @ self.k, ds.T @ self.q, self.p.T @ dout


class AttentionUnscaled(Attention):
    """dq lacks the 1 / sqrt(d)."""

    def backward(self, dout: Array) -> Any:
        dq, dk, dv = super().backward(dout)
        return dq * math.sqrt(self.q.shape[1]), dk, dv


class SelfAttentionSwapped(SelfAttention):
    """dq and dk are returned in the wrong order."""

    def backward(self, dout: Array) -> Any:
        dq, dk, dv = super().backward(dout)
        return dk, dq, dv


class SelfAttentionSquare(SelfAttention):
    """dv is made with p, not its transpose, and p is square."""

    def backward(self, dout: Array) -> Any:
        dq, dk, _ = super().backward(dout)
        return dq, dk, self.p @ dout


class AttentionDetachedValues(Attention):
    """dv is zeros."""

    def backward(self, dout: Array) -> Any:
        dq, dk, _ = super().backward(dout)
        return dq, dk, np.zeros_like(self.v)


class AdditiveScores(nl.Layer):
    """s_t = v · tanh(q + k_t), q (N, H) and k (N, T, H)."""

    def __init__(self, hidden: int, rng: Generator) -> None:
        self.v = nl.Parameter(rng.normal(size=hidden))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(5, rng), (rng.normal(size=(2, 5)), rng.normal(size=(2, 3, 5)))

    def forward(self, q: Array, k: Array) -> Any:
        self.h = np.tanh(q[:, None] + k)
        return self.h @ self.v.value

    def backward(self, dout: Array) -> Any:
        self.v.grad += np.einsum("nt,nth->h", dout, self.h)
        dk = dout[..., None] * self.v.value * (1 - self.h**2)
        return dk.sum(axis=1), dk


class AdditiveScoresNotSummed(AdditiveScores):
    """dq is not summed over the keys."""

    def backward(self, dout: Array) -> Any:
        _, dk = super().backward(dout)
        return dk.copy(), dk


class AdditiveScoresNoTanh(AdditiveScores):
    """The derivative of tanh is forgotten."""

    def backward(self, dout: Array) -> Any:
        self.v.grad += np.einsum("nt,nth->h", dout, self.h)
        dk = dout[..., None] * np.broadcast_to(self.v.value, self.h.shape)
        return dk.sum(axis=1), dk


class RNNCell(nl.Layer):
    """h' = tanh(x W + h U + b)."""

    def __init__(self, features: int, hidden: int, rng: Generator) -> None:
        self.w = nl.Parameter(rng.normal(size=(features, hidden)))
        self.u = nl.Parameter(rng.normal(size=(hidden, hidden)))
        self.b = nl.Parameter(rng.normal(size=hidden))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(3, 4, rng), (rng.normal(size=(2, 3)), rng.normal(size=(2, 4)))

    def forward(self, x: Array, h: Array) -> Any:
        self.x, self.h = np.array(x), np.array(h)
        self.z = x @ self.w.value + h @ self.u.value + self.b.value
        self.y = np.tanh(self.z)
        return self.y.copy()

    def backward(self, dout: Array) -> Any:
        return self.below(dout * (1 - self.y**2))

    def below(self, dz: Array) -> Any:
        self.w.grad += self.x.T @ dz
        self.u.grad += self.h.T @ dz
        self.b.grad += dz.sum(axis=0)
        return dz @ self.w.value.T, dz @ self.u.value.T


class RNNCellDerivativeOfZ(RNNCell):
    """1 - z² in place of 1 - tanh(z)²."""

    def backward(self, dout: Array) -> Any:
        return self.below(dout * (1 - self.z**2))


class RNNCellDetached(RNNCell):
    """dh is zeros, as if the state were a constant."""

    def backward(self, dout: Array) -> Any:
        dx, dh = super().backward(dout)
        return dx, np.zeros_like(dh)


class RNNCellUntransposed(RNNCell):
    """dh is made with U where U transposed belongs; U is always square."""

    def below(self, dz: Array) -> Any:
        dx, _ = super().below(dz)
        return dx, dz @ self.u.value


class RNNCellOneBuffer(RNNCell):
    """The output is written into one buffer that all forwards share."""

    buffer: Array | None = None

    def forward(self, x: Array, h: Array) -> Any:
        y = super().forward(x, h)
        if self.buffer is None or self.buffer.shape != y.shape:
            self.buffer = np.empty_like(y)
        self.buffer[...] = y
        return self.buffer


class RNN(nl.Layer):
    """The states h_t = tanh(x_t W + h_{t-1} U) of all steps, from h_0 = 0."""

    def __init__(self, features: int, hidden: int, rng: Generator) -> None:
        self.w = nl.Parameter(rng.normal(size=(features, hidden)))
        self.u = nl.Parameter(rng.normal(size=(hidden, hidden)))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(2, 3, rng), (rng.normal(size=(4, 5, 2)),)

    def forward(self, x: Array) -> Any:
        self.x = np.array(x)
        states = [np.zeros((len(x), len(self.u.value)), x.dtype)]
        for t in range(x.shape[1]):
            states.append(np.tanh(x[:, t] @ self.w.value + states[-1] @ self.u.value))
        self.states = np.stack(states, axis=1)
        return self.states[:, 1:].copy()

    def backward(self, dout: Array) -> Any:
        dx, dh = np.zeros_like(self.x), np.zeros_like(self.states[:, 0])
        for t in reversed(range(dout.shape[1])):
            dh = self.arriving(dout[:, t], dh)
            dz = dh * (1 - self.states[:, t + 1] ** 2)
            self.w.grad += self.x[:, t].T @ dz
            self.u.grad += self.of_u(self.states[:, t].T @ dz, t, dout.shape[1])
            dx[:, t] = dz @ self.w.value.T
            dh = dz @ self.u.value.T
        return dx

    def arriving(self, dout: Array, dh: Array) -> Any:
        return dout + dh

    def of_u(self, d: Array, t: int, steps: int) -> Any:
        return d


class RNNForgetsTime(RNN):
    """What comes back from the next step is forgotten."""

    def arriving(self, dout: Array, dh: Array) -> Any:
        return dout.copy()


class RNNCountsTimeTwice(RNN):
    """What comes back from the next step is counted twice."""

    def arriving(self, dout: Array, dh: Array) -> Any:
        return dout + dh + dh


class RNNLastStepOnly(RNN):
    """U gets the last step's gradient only."""

    def of_u(self, d: Array, t: int, steps: int) -> Any:
        return d if t == steps - 1 else 0 * d


class GRUCell(nl.Layer):
    """h' = (1 - z) h + z c, with c = tanh(x W_c + (r h) U_c)."""

    def __init__(self, features: int, hidden: int, rng: Generator) -> None:
        self.w = nl.Parameter(rng.normal(size=(3, features, hidden)))
        self.u = nl.Parameter(rng.normal(size=(3, hidden, hidden)))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(3, 4, rng), (rng.normal(size=(2, 3)), rng.normal(size=(2, 4)))

    def forward(self, x: Array, h: Array) -> Any:
        self.x, self.h = np.array(x), np.array(h)
        self.z = sigmoid(x @ self.w.value[0] + h @ self.u.value[0])
        self.r = sigmoid(x @ self.w.value[1] + h @ self.u.value[1])
        self.c = np.tanh(x @ self.w.value[2] + (self.r * h) @ self.u.value[2])
        return (1 - self.z) * h + self.z * self.c

    def backward(self, dout: Array) -> Any:
        dz = self.update_gate(dout) * self.z * (1 - self.z)
        dc = dout * self.z * (1 - self.c**2)
        drh = dc @ self.u.value[2].T
        dr = drh * self.h * self.r * (1 - self.r)
        for i, (d, h) in enumerate([(dz, self.h), (dr, self.h), (dc, self.r * self.h)]):
            self.w.grad[i] += self.x.T @ d
            self.u.grad[i] += h.T @ d
        dx = dz @ self.w.value[0].T + dr @ self.w.value[1].T + dc @ self.w.value[2].T
        return dx, self.kept(dout) + drh * self.r + dz @ self.u.value[0].T + dr @ self.u.value[1].T

    def update_gate(self, dout: Array) -> Any:
        return dout * (self.c - self.h)

    def kept(self, dout: Array) -> Any:
        return dout * (1 - self.z)


class GRUCellForgetsKept(GRUCell):
    """The direct way from h to h' is forgotten."""

    def kept(self, dout: Array) -> Any:
        return np.zeros_like(dout)


class GRUCellGateTurned(GRUCell):
    """The update gate's gradient has the wrong sign."""

    def update_gate(self, dout: Array) -> Any:
        return dout * (self.h - self.c)


class LSTMCell(nl.Layer):
    """c' = f c + i g and h' = o tanh(c')."""

    n_outputs = 2

    def __init__(self, features: int, hidden: int, rng: Generator) -> None:
        self.w = nl.Parameter(rng.normal(size=(features, 4 * hidden)))
        self.u = nl.Parameter(rng.normal(size=(hidden, 4 * hidden)))
        self.b = nl.Parameter(rng.normal(size=4 * hidden))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(4, 3, rng), (rng.normal(size=(2, 4)), rng.normal(size=(2, 3)), rng.normal(size=(2, 3)))

    def forward(self, x: Array, h: Array, c: Array) -> Any:
        self.x, self.h, self.c = np.array(x), np.array(h), np.array(c)
        i, f, o, g = np.split(x @ self.w.value + h @ self.u.value + self.b.value, 4, axis=1)
        self.i, self.f, self.o, self.g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
        new = self.f * c + self.i * self.g
        self.t = np.tanh(new)
        return self.o * self.t, new

    def backward(self, dout: tuple[Array, Array]) -> Any:
        dh, dc = dout
        dnew = dc + dh * self.o * (1 - self.t**2)
        di = dnew * self.g * self.i * (1 - self.i)
        df = dnew * self.c * self.f * (1 - self.f)
        do = dh * self.t * self.o * (1 - self.o)
        dg = dnew * self.i * (1 - self.g**2)
        dz = np.concatenate([di, df, do, dg], axis=1)
        self.w.grad += self.x.T @ dz
        self.u.grad += self.h.T @ dz
        self.b.grad += dz.sum(axis=0)
        return dz @ self.w.value.T, dz @ self.u.value.T, dnew * self.f


class LSTMCellIgnoresCell(LSTMCell):
    """The gradient that arrives at c' is not used."""

    def backward(self, dout: tuple[Array, Array]) -> Any:
        return super().backward((dout[0], np.zeros_like(dout[1])))


class LSTMCellSwapped(LSTMCell):
    """The gradients of h and c are returned in the wrong order."""

    def backward(self, dout: tuple[Array, Array]) -> Any:
        dx, dh, dc = super().backward(dout)
        return dx, dc, dh


class LSTMCellNewState(LSTMCell):
    """The forget gate's gradient is made with the new state, not the old one."""

    def forward(self, x: Array, h: Array, c: Array) -> Any:
        y, new = super().forward(x, h, c)
        self.c = new.copy()
        return y, new


class LSTMCellNoBias(LSTMCell):
    """The bias gets no gradient."""

    def backward(self, dout: tuple[Array, Array]) -> Any:
        before = self.b.grad.copy()
        gradients = super().backward(dout)
        self.b.grad = before
        return gradients


class GLU(nl.Layer):
    """y = a sigmoid(b), of the two halves of x."""

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(), (rng.normal(size=(3, 8)),)

    def forward(self, x: Array) -> Any:
        a, b = np.split(x, 2, axis=1)
        self.a, self.s = a.copy(), sigmoid(b)
        return a * self.s

    def backward(self, dout: Array) -> Any:
        return np.concatenate([dout * self.s, dout * self.a * self.s * (1 - self.s)], axis=1)


class GLUConstantGate(GLU):
    """The gate's half gets zeros."""

    def backward(self, dout: Array) -> Any:
        return np.concatenate([dout * self.s, np.zeros_like(dout)], axis=1)


class GLUGateSlope(GLU):
    """sigmoid' is written s (1 + s)."""

    def backward(self, dout: Array) -> Any:
        return np.concatenate([dout * self.s, dout * self.a * self.s * (1 + self.s)], axis=1)


class Highway(nl.Layer):
    """y = t tanh(x B) + (1 - t) x, with t = sigmoid(x A)."""

    def __init__(self, features: int, rng: Generator) -> None:
        self.a = nl.Parameter(rng.normal(size=(features, features)))
        self.b = nl.Parameter(rng.normal(size=(features, features)))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(4, rng), (rng.normal(size=(3, 4)),)

    def forward(self, x: Array) -> Any:
        self.x, self.t, self.h = np.array(x), sigmoid(x @ self.a.value), np.tanh(x @ self.b.value)
        return self.t * self.h + (1 - self.t) * x

    def backward(self, dout: Array) -> Any:
        da = dout * (self.h - self.x) * self.t * (1 - self.t)
        db = dout * self.t * (1 - self.h**2)
        self.a.grad += self.x.T @ da
        self.b.grad += self.x.T @ db
        return da @ self.a.value.T + db @ self.b.value.T + self.carried(dout)

    def carried(self, dout: Array) -> Any:
        return dout * (1 - self.t)


class HighwayNoCarry(Highway):
    """The carried x is forgotten in dx."""

    def carried(self, dout: Array) -> Any:
        return np.zeros_like(dout)


class HighwayCarriesTwice(Highway):
    """The carried x is counted twice in dx."""

    def carried(self, dout: Array) -> Any:
        return 2 * dout * (1 - self.t)


class HighwayOneBuffer(Highway):
    """dx is added up in dout's own memory."""

    def backward(self, dout: Array) -> Any:
        dx = super().backward(dout)
        dout[...] = dx
        return dout


class ScaledResidual(nl.Layer):
    """y = x + alpha tanh(x W)."""

    def __init__(self, features: int, rng: Generator) -> None:
        self.w = nl.Parameter(rng.normal(size=(features, features)))
        self.alpha = nl.Parameter(rng.uniform(0.3, 0.8, size=1))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(4, rng), (rng.normal(size=(3, 4)),)

    def forward(self, x: Array) -> Any:
        self.x, self.h = np.array(x), np.tanh(x @ self.w.value)
        return x + self.alpha.value * self.h

    def backward(self, dout: Array) -> Any:
        self.alpha.grad += (dout * self.h).sum()
        dz = dout * self.alpha.value * (1 - self.h**2)
        self.w.grad += self.x.T @ dz
        return dout + dz @ self.w.value.T


class ScaledResidualTwice(ScaledResidual):
    """The skip is counted twice."""

    def backward(self, dout: Array) -> Any:
        return super().backward(dout) + dout


class ScaledResidualNoSkip(ScaledResidual):
    """The skip is forgotten."""

    def backward(self, dout: Array) -> Any:
        return super().backward(dout) - dout


class ScaledResidualMeanAlpha(ScaledResidual):
    """alpha's gradient is a mean over all elements."""

    def backward(self, dout: Array) -> Any:
        dx = super().backward(dout)
        self.alpha.grad += (dout * self.h).mean() - (dout * self.h).sum()
        return dx


class SqueezeExcite(nl.Layer):
    """y = x g, where g = sigmoid(mean(x) W) weighs the channels."""

    def __init__(self, channels: int, rng: Generator) -> None:
        self.w = nl.Parameter(rng.normal(size=(channels, channels)))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(3, rng), (1 + rng.normal(size=(2, 3, 5)),)

    def forward(self, x: Array) -> Any:
        self.x, self.mean = np.array(x), x.mean(axis=2)
        self.g = sigmoid(self.mean @ self.w.value)
        return x * self.g[:, :, None]

    def backward(self, dout: Array) -> Any:
        dz = (dout * self.x).sum(axis=2) * self.g * (1 - self.g)
        self.w.grad += self.mean.T @ dz
        return dout * self.g[:, :, None] + (dz @ self.w.value.T)[:, :, None] / self.x.shape[2]


class SqueezeExciteConstantGate(SqueezeExcite):
    """The way of x through the gate is forgotten."""

    def backward(self, dout: Array) -> Any:
        super().backward(dout)
        return dout * self.g[:, :, None]


class SqueezeExciteNotAveraged(SqueezeExcite):
    """The mean's 1 / L is forgotten in the way through the gate."""

    def backward(self, dout: Array) -> Any:
        dx, direct = super().backward(dout), dout * self.g[:, :, None]
        return direct + (dx - direct) * self.x.shape[2]


class MixtureOfExperts(nl.Layer):
    """y = Σ_k g_k x W_k, with g = softmax(x G)."""

    def __init__(self, features: int, experts: int, outer: int, rng: Generator) -> None:
        self.gate = nl.Parameter(rng.normal(size=(features, experts)))
        self.experts = nl.Parameter(rng.normal(size=(experts, features, outer)))

    @classmethod
    def example(cls, rng: Generator) -> Example:
        return cls(5, 3, 2, rng), (rng.normal(size=(4, 5)),)

    def forward(self, x: Array) -> Any:
        self.x, self.g = np.array(x), softmax(x @ self.gate.value)
        self.each = np.einsum("nd,kdh->nkh", x, self.experts.value)
        return np.einsum("nk,nkh->nh", self.g, self.each)

    def backward(self, dout: Array) -> Any:
        ds = self.through_softmax(np.einsum("nh,nkh->nk", dout, self.each))
        self.gate.grad += self.x.T @ ds
        self.experts.grad += np.einsum("nd,nk,nh->kdh", self.x, self.g, dout)
        return np.einsum("nk,nh,kdh->nd", self.g, dout, self.experts.value) + ds @ self.gate.value.T

    def through_softmax(self, dg: Array) -> Any:
        return self.g * (dg - (dg * self.g).sum(axis=1, keepdims=True))


class MixtureOfExpertsConstantGate(MixtureOfExperts):
    """The way of x through the gate is forgotten."""

    def backward(self, dout: Array) -> Any:
        super().backward(dout)
        return np.einsum("nk,nh,kdh->nd", self.g, dout, self.experts.value)


class MixtureOfExpertsEqualShares(MixtureOfExperts):
    """The experts' gradients are not weighed by their gates."""

    def backward(self, dout: Array) -> Any:
        dx = super().backward(dout)
        self.experts.grad += np.einsum("nd,nk,nh->kdh", self.x, 1 - self.g, dout)
        return dx
