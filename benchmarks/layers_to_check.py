"""Layers as users write them, right and with a slip, for the benchmark of the gradient checker."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import netlib as nl
from netlib.arrays import Array


class LSTM(nl.Layer):
    """h of a long short-term memory for each step, from x of shape (N, T, D); after Hochreiter.

    The slips are "gate", "state", "transpose" and "order".
    """

    def __init__(self, n_in: int, n_hidden: int, slip: str = "") -> None:
        rng = np.random.default_rng(0)
        self.weight = nl.Parameter(rng.normal(size=(n_in, 4 * n_hidden)) / 2)
        self.recurrent = nl.Parameter(rng.normal(size=(n_hidden, 4 * n_hidden)) / 2)
        self.bias = nl.Parameter(rng.normal(size=4 * n_hidden) / 2)
        self.slip = slip

    def forward(self, x: Array) -> Array:
        """Return h of shape (N, T, H)."""
        h = c = np.zeros((len(x), self.recurrent.shape[0]))
        self.steps = []
        hs = []
        for t in range(x.shape[1]):
            z = x[:, t] @ self.weight.value + h @ self.recurrent.value + self.bias.value
            i, f, o, g = np.split(z, 4, axis=1)
            i, f, o, g = _sigmoid(i), _sigmoid(f), _sigmoid(o), np.tanh(g)
            c_before, h_before = c, h
            c = f * c_before + i * g
            h = o * np.tanh(c)
            self.steps.append((np.array(x[:, t]), h_before, c_before, i, f, o, g, c))
            hs.append(h)
        return np.stack(hs, axis=1)

    def backward(self, dout: Array) -> Array:
        """Return dL/dx."""
        dx = np.empty((*dout.shape[:2], self.weight.shape[0]))
        dh = dc = np.zeros_like(dout[:, 0])
        for t in reversed(range(dout.shape[1])):
            x, h_before, c_before, i, f, o, g, c = self.steps[t]
            dh = dh + dout[:, t]
            dc = dc + dh * o * (1 - np.tanh(c) ** 2)
            di, df = dc * g * i * (1 - i), dc * c_before * f * (1 if self.slip == "gate" else 1 - f)
            do, dg = dh * np.tanh(c) * o * (1 - o), dc * i * (1 - g**2)
            dz = np.concatenate((df, di, do, dg) if self.slip == "order" else (di, df, do, dg), axis=1)
            self.weight.grad += x.T @ dz
            self.recurrent.grad += h_before.T @ dz
            self.bias.grad += dz.sum(axis=0)
            dx[:, t] = dz @ self.weight.value.T
            recurrent = self.recurrent.value
            dh = dz @ (recurrent.reshape(recurrent.T.shape) if self.slip == "transpose" else recurrent.T)
            dc = 0 * dc if self.slip == "state" else dc * f
        return dx


class GRU(nl.Layer):
    """h of a gated recurrent unit for each step, from x of shape (N, T, D); after Cho.

    The slips are "gate" and "path".
    """

    def __init__(self, n_in: int, n_hidden: int, slip: str = "") -> None:
        rng = np.random.default_rng(0)
        self.weight = nl.Parameter(rng.normal(size=(n_in, 3 * n_hidden)) / 2)
        self.gates = nl.Parameter(rng.normal(size=(n_hidden, 2 * n_hidden)) / 2)
        self.candidate = nl.Parameter(rng.normal(size=(n_hidden, n_hidden)) / 2)
        self.slip = slip

    def forward(self, x: Array) -> Array:
        """Return h of shape (N, T, H)."""
        n = self.candidate.shape[0]
        h = np.zeros((len(x), n))
        self.steps, hs = [], []
        for t in range(x.shape[1]):
            u = x[:, t] @ self.weight.value
            z, r = np.split(_sigmoid(u[:, : 2 * n] + h @ self.gates.value), 2, axis=1)
            g = np.tanh(u[:, 2 * n :] + (r * h) @ self.candidate.value)
            self.steps.append((np.array(x[:, t]), h, z, r, g))
            h = (1 - z) * h + z * g
            hs.append(h)
        return np.stack(hs, axis=1)

    def backward(self, dout: Array) -> Array:
        """Return dL/dx."""
        dx = np.empty((*dout.shape[:2], self.weight.shape[0]))
        dh = np.zeros_like(dout[:, 0])
        for t in reversed(range(dout.shape[1])):
            x, h, z, r, g = self.steps[t]
            dh = dh + dout[:, t]
            dg = dh * z * (1 if self.slip == "gate" else 1 - g**2)
            drh = dg @ self.candidate.value.T
            dzr = np.concatenate([dh * (g - h) * z * (1 - z), drh * h * r * (1 - r)], axis=1)
            du = np.concatenate([dzr, dg], axis=1)
            self.weight.grad += x.T @ du
            self.gates.grad += h.T @ dzr
            self.candidate.grad += (r * h).T @ dg
            dx[:, t] = du @ self.weight.value.T
            dh = dh * (1 - z) + dzr @ self.gates.value.T + (0 if self.slip == "path" else drh * r)
        return dx


class Convolution(nl.Layer):
    """A convolution of images (N, C, H, W) with square filters, without padding.

    The slip is "window": windows overwrite each other in dL/dx.
    """

    def __init__(self, channels: int, filters: int, size: int, slip: str = "") -> None:
        rng = np.random.default_rng(0)
        self.weight = nl.Parameter(rng.normal(size=(filters, channels, size, size)) / size)
        self.bias = nl.Parameter(rng.normal(size=filters))
        self.slip = slip

    def forward(self, x: Array) -> Array:
        """Return y of shape (N, F, H - size + 1, W - size + 1)."""
        self.x = np.array(x)
        size = self.weight.shape[-1]
        self.windows = np.lib.stride_tricks.sliding_window_view(self.x, (size, size), axis=(2, 3))
        return np.asarray(np.einsum("nchwij,fcij->nfhw", self.windows, self.weight.value) + self.bias.value[:, None, None])

    def backward(self, dout: Array) -> Array:
        """Return dL/dx."""
        self.weight.grad += np.einsum("nfhw,nchwij->fcij", dout, self.windows)
        self.bias.grad += dout.sum(axis=(0, 2, 3))
        dx = np.zeros_like(self.x)
        height, width = dout.shape[2:]
        for i, j in np.ndindex(*self.weight.shape[2:]):
            part = np.einsum("nfhw,fc->nchw", dout, self.weight.value[:, :, i, j])
            if self.slip == "window":
                dx[:, :, i : i + height, j : j + width] = part
            else:
                dx[:, :, i : i + height, j : j + width] += part
        return dx


class BatchNorm(nl.Layer):
    """Batch normalisation of the channels of images. The slip is "variance", taken as constant."""

    def __init__(self, channels: int, slip: str = "") -> None:
        self.gamma = nl.Parameter(np.linspace(0.5, 1.5, channels))
        self.beta = nl.Parameter(np.linspace(-1, 1, channels))
        self.slip = slip

    def forward(self, x: Array) -> Array:
        """Return y, of x's shape."""
        centred = x - x.mean(axis=(0, 2, 3), keepdims=True)
        self.spread = np.sqrt((centred**2).mean(axis=(0, 2, 3), keepdims=True) + 1e-5)
        self.normal = centred / self.spread
        return np.asarray(self.gamma.value[:, None, None] * self.normal + self.beta.value[:, None, None])

    def backward(self, dout: Array) -> Array:
        """Return dL/dx."""
        self.gamma.grad += (dout * self.normal).sum(axis=(0, 2, 3))
        self.beta.grad += dout.sum(axis=(0, 2, 3))
        d = dout * self.gamma.value[:, None, None]
        through_variance = 0 if self.slip == "variance" else self.normal * (d * self.normal).mean(axis=(0, 2, 3), keepdims=True)
        return np.asarray((d - d.mean(axis=(0, 2, 3), keepdims=True) - through_variance) / self.spread)


class LayerNorm(nl.Layer):
    """Normalisation of the last axis. The slip is "mean", whose derivative is forgotten."""

    def __init__(self, features: int, slip: str = "") -> None:
        self.gamma = nl.Parameter(np.linspace(0.5, 1.5, features))
        self.beta = nl.Parameter(np.linspace(-1, 1, features))
        self.slip = slip

    def forward(self, x: Array) -> Array:
        """Return y, of x's shape."""
        centred = x - x.mean(axis=-1, keepdims=True)
        self.spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        self.normal = centred / self.spread
        return np.asarray(self.gamma.value * self.normal + self.beta.value)

    def backward(self, dout: Array) -> Array:
        """Return dL/dx."""
        self.gamma.grad += (dout * self.normal).reshape(-1, self.gamma.size).sum(axis=0)
        self.beta.grad += dout.reshape(-1, self.beta.size).sum(axis=0)
        d = dout * self.gamma.value
        mean = 0 if self.slip == "mean" else d.mean(axis=-1, keepdims=True)
        return np.asarray((d - mean - self.normal * (d * self.normal).mean(axis=-1, keepdims=True)) / self.spread)


class Attention(nl.Layer):
    """Attention with several heads of x (N, T, D) to itself, after Vaswani et al.

    The slips are "softmax", of which the diagonal is left, and "scale", the root forgotten.
    """

    def __init__(self, features: int, heads: int, slip: str = "") -> None:
        rng = np.random.default_rng(0)
        self.heads = heads
        self.queries, self.keys, self.values, self.out = (
            nl.Parameter(rng.normal(size=(features, features)) / np.sqrt(features)) for _ in range(4)
        )
        self.slip = slip

    def forward(self, x: Array) -> Array:
        """Return y, of x's shape."""
        self.x = np.array(x)
        self.q, self.k, self.v = (self.split(x @ each.value) for each in (self.queries, self.keys, self.values))
        self.scale = 1 / np.sqrt(self.q.shape[-1])
        scores = self.q @ self.k.swapaxes(-1, -2) * self.scale
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        self.shares = e / e.sum(axis=-1, keepdims=True)
        self.joined = self.join(self.shares @ self.v)
        return self.joined @ self.out.value

    def backward(self, dout: Array) -> Array:
        """Return dL/dx."""
        features = dout.shape[-1]
        self.out.grad += self.joined.reshape(-1, features).T @ dout.reshape(-1, features)
        d = self.split(dout @ self.out.value.T)
        dv = self.shares.swapaxes(-1, -2) @ d
        dshares = d @ self.v.swapaxes(-1, -2)
        rest = self.shares * dshares if self.slip == "softmax" else (self.shares * dshares).sum(axis=-1, keepdims=True)
        dscores = self.shares * (dshares - rest) * (1 if self.slip == "scale" else self.scale)
        dx = np.zeros_like(self.x)
        pairs = ((self.queries, dscores @ self.k), (self.keys, dscores.swapaxes(-1, -2) @ self.q), (self.values, dv))
        for weight, each in pairs:
            joined = self.join(each)
            weight.grad += self.x.reshape(-1, features).T @ joined.reshape(-1, features)
            dx += joined @ weight.value.T
        return dx

    def split(self, a: Array) -> Array:
        """Return (N, heads, T, D / heads)."""
        n, steps, features = a.shape
        return a.reshape(n, steps, self.heads, features // self.heads).transpose(0, 2, 1, 3)

    def join(self, a: Array) -> Array:
        """Return (N, T, D)."""
        n, heads, steps, features = a.shape
        return a.transpose(0, 2, 1, 3).reshape(n, steps, heads * features)


class Square(nl.Layer):
    """``y = x²``. The slip is "factor": the 2 is forgotten."""

    def __init__(self, slip: str = "") -> None:
        self.slip = slip

    def forward(self, x: Array) -> Array:
        """Return y, of x's shape."""
        self.x = np.array(x)
        return np.asarray(x * x)

    def backward(self, dout: Array) -> Array:
        """Return dL/dx."""
        return np.asarray(dout * (1 if self.slip == "factor" else 2) * self.x)


class Affine(nl.Layer):
    """``y = x W + b``. The slip is "mean": the mean over samples in place of the sum."""

    def __init__(self, n_in: int, n_out: int, slip: str = "") -> None:
        rng = np.random.default_rng(0)
        self.weight = nl.Parameter(rng.normal(size=(n_in, n_out)) / np.sqrt(n_in))
        self.bias = nl.Parameter(rng.normal(size=n_out))
        self.slip = slip

    def forward(self, x: Array) -> Array:
        """Return y of shape (N, n_out)."""
        self.x = np.array(x)
        return x @ self.weight.value + self.bias.value

    def backward(self, dout: Array) -> Array:
        """Return dL/dx."""
        d = dout / len(dout) if self.slip == "mean" else dout
        self.weight.grad += self.x.T @ d
        self.bias.grad += d.sum(axis=0)
        return dout @ self.weight.value.T


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def image_network(slip: str = "") -> nl.Layer:
    """Return convolution, norm and ReLU twice, and a classifier, for images (N, 2, 8, 8)."""
    of, _, slip = slip.rpartition(" ")
    slips = {of: slip}
    return nl.Sequential(
        Convolution(2, 4, 3, slips.get("convolution", "")),
        BatchNorm(4, slips.get("norm", "")),
        nl.ReLU(),
        Convolution(4, 4, 3, slips.get("second convolution", "")),
        BatchNorm(4),
        nl.ReLU(),
        nl.Flatten(),
        nl.Affine(64, 10, rng=0),
    )


def attention_block(slip: str = "") -> nl.Layer:
    """Return the block of a transformer: attention and two Affine, each in a residual."""
    of, _, slip = slip.rpartition(" ")
    slips = {of: slip}
    attention = nl.Sequential(LayerNorm(8, slips.get("norm", "")), Attention(8, 2, slips.get("attention", "")))
    forward = nl.Sequential(LayerNorm(8), nl.Affine(8, 16, rng=0), nl.GELU(), nl.Affine(16, 8, rng=1))
    return nl.Sequential(nl.Residual(attention), nl.Residual(forward))


def attention_graph(slip: str = "") -> nl.Layer:
    """Return the same block as a graph."""
    of, _, slip = slip.rpartition(" ")
    slips = {of: slip}
    x = nl.Input("x")
    a = x + Attention(8, 2, slips.get("attention", ""))(LayerNorm(8, slips.get("norm", ""))(x))
    b = a + nl.Affine(16, 8, rng=1)(nl.GELU()(nl.Affine(8, 16, rng=0)(LayerNorm(8)(a))))
    return nl.Graph([x], [b])


def normal(*shape: int) -> Array:
    """Return random numbers, the same in every call."""
    return np.random.default_rng(1).normal(size=shape)


class Case(NamedTuple):
    """A layer to check: how it is made, given the slip; its input; the slips; what is promised."""

    make: Callable[[str], nl.Layer]
    shape: tuple[int, ...]
    slips: tuple[str, ...]
    seconds: float
    is_large: bool = False


RECURRENT, NETWORK, LARGE = 1.5, 2.0, 5.0
"""Seconds that a check may take."""

CASES = {
    "LSTM": Case(lambda slip: LSTM(5, 6, slip), (4, 8, 5), ("", "gate", "state", "transpose", "order"), RECURRENT),
    "GRU": Case(lambda slip: GRU(5, 6, slip), (4, 8, 5), ("", "gate", "path"), RECURRENT),
    "convolution": Case(lambda slip: Convolution(2, 4, 3, slip), (3, 2, 8, 8), ("", "window"), NETWORK),
    "batch norm": Case(lambda slip: BatchNorm(4, slip), (3, 4, 6, 6), ("", "variance"), NETWORK),
    "attention": Case(lambda slip: Attention(8, 2, slip), (2, 5, 8), ("", "softmax", "scale"), NETWORK),
    "a network for images": Case(
        image_network, (3, 2, 8, 8), ("", "convolution window", "norm variance", "second convolution window"), NETWORK
    ),
    "a block of attention": Case(attention_block, (2, 5, 8), ("", "norm mean", "attention softmax", "attention scale"), NETWORK),
    "the block as a graph": Case(attention_graph, (2, 5, 8), ("", "norm mean", "attention softmax", "attention scale"), NETWORK),
    "ten million elements": Case(Square, (10, 1000, 1000), ("", "factor"), LARGE, is_large=True),
    "Affine(3000, 3333)": Case(lambda slip: Affine(3000, 3333, slip), (8, 3000), ("", "mean"), LARGE, is_large=True),
}
