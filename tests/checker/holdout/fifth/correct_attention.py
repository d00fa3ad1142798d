import numpy as np

import netlib as nl


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class Attend(nl.Layer):
    def __init__(self, causal=False):
        self.causal = causal

    def forward(self, q, k, v):
        self.q, self.k, self.v = q.copy(), k.copy(), v.copy()
        self.scale = float(q.shape[-1]) ** -0.5
        s = q @ k.swapaxes(-1, -2) * self.scale
        if self.causal:
            s = np.where(np.tril(np.ones(s.shape[-2:], bool)), s, -np.inf)
        self.a = softmax(s)
        return self.a @ v

    def backward(self, dout):
        da = dout @ self.v.swapaxes(-1, -2)
        ds = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True)) * self.scale
        return ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.a.swapaxes(-1, -2) @ dout


class SelfAttention(nl.Layer):
    def __init__(self, rng, d, heads):
        self.heads = heads
        self.wq, self.wk, self.wv, self.wo = [nl.Parameter(rng.normal(size=(d, d))) for _ in range(4)]
        self.core = Attend(causal=True)

    def split(self, x):
        n, t, d = x.shape
        return x.reshape(n, t, self.heads, d // self.heads).transpose(0, 2, 1, 3)

    def join(self, x):
        n, h, t, d = x.shape
        return x.transpose(0, 2, 1, 3).reshape(n, t, h * d)

    def forward(self, x):
        self.x = x.copy()
        q, k, v = [self.split(x @ w.value) for w in (self.wq, self.wk, self.wv)]
        self.z = self.join(self.core.forward(q, k, v))
        return self.z @ self.wo.value

    def backward(self, dout):
        self.wo.grad += np.einsum("nti,ntj->ij", self.z, dout)
        parts = self.core.backward(self.split(dout @ self.wo.value.T))
        dx = 0.0
        for w, d in zip((self.wq, self.wk, self.wv), parts):
            d = self.join(d)
            w.grad += np.einsum("nti,ntj->ij", self.x, d)
            dx = dx + d @ w.value.T
        return dx


class SharedQK(nl.Layer):
    """Queries and keys by the same weight: the scores are symmetric."""

    def __init__(self, rng, d):
        self.w = nl.Parameter(rng.normal(size=(d, d)))

    def forward(self, x):
        self.x = x.copy()
        self.q = x @ self.w.value
        self.a = softmax(self.q @ self.q.swapaxes(1, 2))
        return self.a @ x

    def backward(self, dout):
        da = dout @ self.x.swapaxes(1, 2)
        ds = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True))
        dq = (ds + ds.swapaxes(1, 2)) @ self.q
        self.w.grad += np.einsum("nti,ntj->ij", self.x, dq)
        return dq @ self.w.value.T + self.a.swapaxes(1, 2) @ dout


class LinearCausal(nl.Layer):
    def forward(self, q, k, v):
        self.q, self.k, self.v = q.copy(), k.copy(), v.copy()
        self.s = np.tril(q @ k.swapaxes(-1, -2))
        return self.s @ v

    def backward(self, dout):
        ds = np.tril(dout @ self.v.swapaxes(-1, -2))
        return ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.s.swapaxes(-1, -2) @ dout


class AdditivePool(nl.Layer):
    def __init__(self, rng, d):
        self.w = nl.Parameter(rng.normal(size=(d, d)))
        self.u = nl.Parameter(rng.normal(size=d))

    def forward(self, x):
        self.x = x.copy()
        self.h = np.tanh(x @ self.w.value)
        self.a = softmax(self.h @ self.u.value)
        return np.einsum("nt,ntd->nd", self.a, x)

    def backward(self, dout):
        da = np.einsum("nd,ntd->nt", dout, self.x)
        ds = self.a * (da - (da * self.a).sum(axis=1, keepdims=True))
        self.u.grad += np.einsum("nt,ntd->d", ds, self.h)
        dz = ds[:, :, None] * self.u.value * (1 - self.h**2)
        self.w.grad += np.einsum("nti,ntj->ij", self.x, dz)
        return self.a[:, :, None] * dout[:, None, :] + dz @ self.w.value.T


class RelativeBias(nl.Layer):
    def __init__(self, rng, t):
        self.bias = nl.Parameter(rng.normal(size=2 * t - 1))
        self.i = np.arange(t)[:, None] - np.arange(t) + t - 1

    def forward(self, s):
        return s + self.bias.value[self.i]

    def backward(self, dout):
        np.add.at(self.bias.grad, self.i, dout.sum(axis=0))
        return dout.copy()


class Rotary(nl.Layer):
    def forward(self, x):
        t, h = x.shape[1], x.shape[2] // 2
        angle = np.arange(t)[:, None] * 10.0 ** -np.arange(h)
        self.c, self.s = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
        a, b = x[..., :h], x[..., h:]
        return np.concatenate([a * self.c - b * self.s, a * self.s + b * self.c], axis=-1)

    def backward(self, dout):
        h = dout.shape[-1] // 2
        a, b = dout[..., :h], dout[..., h:]
        return np.concatenate([a * self.c + b * self.s, b * self.c - a * self.s], axis=-1)


class MaskedAttend(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, q, k, v, mask):
        self.q, self.k, self.v = q.copy(), k.copy(), v.copy()
        self.a = softmax(np.where(mask, q @ k.T, -np.inf))
        return self.a @ v

    def backward(self, dout):
        da = dout @ self.v.T
        ds = self.a * (da - (da * self.a).sum(axis=1, keepdims=True))
        return ds @ self.k, ds.T @ self.q, self.a.T @ dout


def qkv(rng, n=2, t=4, s=4, d=3):
    return rng.normal(size=(n, t, d)), rng.normal(size=(n, s, d)), rng.normal(size=(n, s, d))


CORRECT = {
    "Attend": lambda rng: (Attend(), qkv(rng, s=5)),
    "AttendCausal": lambda rng: (Attend(causal=True), qkv(rng)),
    "MultiHeadSelfAttention": lambda rng: (SelfAttention(rng, 4, 2), (rng.normal(size=(2, 3, 4)),)),
    "SharedQK": lambda rng: (SharedQK(rng, 3), (rng.normal(size=(2, 4, 3)),)),
    "LinearCausal": lambda rng: (LinearCausal(), qkv(rng)),
    "AdditivePool": lambda rng: (AdditivePool(rng, 3), (rng.normal(size=(2, 4, 3)),)),
    "RelativeBias": lambda rng: (RelativeBias(rng, 4), (rng.normal(size=(3, 4, 4)),)),
    "Rotary": lambda rng: (Rotary(), (rng.normal(size=(2, 3, 4)),)),
    "MaskedAttend": lambda rng: (MaskedAttend(), (*(rng.normal(size=(4, 3)) for _ in range(3)), np.tril(np.ones((4, 4), bool)))),
}
