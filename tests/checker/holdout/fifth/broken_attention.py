import numpy as np

import netlib as nl


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class Attend(nl.Layer):
    def forward(self, q, k, v):
        self.q, self.k, self.v = q.copy(), k.copy(), v.copy()
        self.scale = float(q.shape[-1]) ** -0.5
        self.a = softmax(q @ k.swapaxes(-1, -2) * self.scale)
        return self.a @ v


class NoScaleInBackward(Attend):  # 1/sqrt(d) only in forward
    def backward(self, dout):
        da = dout @ self.v.swapaxes(-1, -2)
        ds = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True))
        return ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.a.swapaxes(-1, -2) @ dout


class SoftmaxDiagonal(Attend):  # a (1 - a) in place of the softmax's Jacobian
    def backward(self, dout):
        da = dout @ self.v.swapaxes(-1, -2)
        ds = self.a * (1 - self.a) * da * self.scale
        return ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.a.swapaxes(-1, -2) @ dout


class ValueUntransposed(Attend):  # dv = a @ dout
    def backward(self, dout):
        da = dout @ self.v.swapaxes(-1, -2)
        ds = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True)) * self.scale
        return ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.a @ dout


class KeyUntransposed(Attend):  # dk = ds @ q
    def backward(self, dout):
        da = dout @ self.v.swapaxes(-1, -2)
        ds = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True)) * self.scale
        return ds @ self.k, ds @ self.q, self.a.swapaxes(-1, -2) @ dout


class QueryKeyExchanged(Attend):  # returned as (dk, dq, dv)
    def backward(self, dout):
        da = dout @ self.v.swapaxes(-1, -2)
        ds = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True)) * self.scale
        return ds.swapaxes(-1, -2) @ self.q, ds @ self.k, self.a.swapaxes(-1, -2) @ dout


class SoftmaxSumOverQueries(Attend):  # the inner product over the queries
    def backward(self, dout):
        da = dout @ self.v.swapaxes(-1, -2)
        ds = self.a * (da - (da * self.a).sum(axis=-2, keepdims=True)) * self.scale
        return ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.a.swapaxes(-1, -2) @ dout


class SelfAttention(nl.Layer):
    def __init__(self, rng, d):
        self.wq = nl.Parameter(rng.normal(size=(d, d)))
        self.wk = nl.Parameter(rng.normal(size=(d, d)))
        self.wv = nl.Parameter(rng.normal(size=(d, d)))

    def forward(self, x):
        self.x = x.copy()
        self.q, self.k, self.v = x @ self.wq.value, x @ self.wk.value, x @ self.wv.value
        self.scale = float(x.shape[-1]) ** -0.5
        self.a = softmax(self.q @ self.k.swapaxes(-1, -2) * self.scale)
        return self.a @ self.v

    def projections(self, dout):
        da = dout @ self.v.swapaxes(-1, -2)
        ds = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True)) * self.scale
        return ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.a.swapaxes(-1, -2) @ dout


class SelfAttentionValueOnly(SelfAttention):  # dx only along the values
    def backward(self, dout):
        dq, dk, dv = self.projections(dout)
        self.wq.grad += np.einsum("nti,ntj->ij", self.x, dq)
        self.wk.grad += np.einsum("nti,ntj->ij", self.x, dk)
        self.wv.grad += np.einsum("nti,ntj->ij", self.x, dv)
        return dv @ self.wv.value.T


class SelfAttentionQueryTwice(SelfAttention):  # wk's gradient out of dq
    def backward(self, dout):
        dq, dk, dv = self.projections(dout)
        self.wq.grad += np.einsum("nti,ntj->ij", self.x, dq)
        self.wk.grad += np.einsum("nti,ntj->ij", self.x, dq)
        self.wv.grad += np.einsum("nti,ntj->ij", self.x, dv)
        return dq @ self.wq.value.T + dk @ self.wk.value.T + dv @ self.wv.value.T


class SelfAttentionExchangedWeights(SelfAttention):  # q's and k's weight exchanged in dx
    def backward(self, dout):
        dq, dk, dv = self.projections(dout)
        self.wq.grad += np.einsum("nti,ntj->ij", self.x, dq)
        self.wk.grad += np.einsum("nti,ntj->ij", self.x, dk)
        self.wv.grad += np.einsum("nti,ntj->ij", self.x, dv)
        return dq @ self.wk.value.T + dk @ self.wq.value.T + dv @ self.wv.value.T


class CausalUnmaskedBackward(nl.Layer):  # linear causal attention; the mask is forgotten in backward
    def forward(self, q, k, v):
        self.q, self.k, self.v = q.copy(), k.copy(), v.copy()
        self.s = np.tril(q @ k.swapaxes(-1, -2))
        return self.s @ v

    def backward(self, dout):
        ds = dout @ self.v.swapaxes(-1, -2)
        return ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.s.swapaxes(-1, -2) @ dout


class CausalInvertedBackward(CausalUnmaskedBackward):  # the upper triangle in backward
    def backward(self, dout):
        ds = np.triu(dout @ self.v.swapaxes(-1, -2), 1)
        return ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.s.swapaxes(-1, -2) @ dout


class AdditiveNoTanh(nl.Layer):  # additive scores; tanh's derivative missing
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
        dz = ds[:, :, None] * self.u.value
        self.w.grad += np.einsum("nti,ntj->ij", self.x, dz)
        return self.a[:, :, None] * dout[:, None, :] + dz @ self.w.value.T


def qkv(rng, n=2, t=4, s=4, d=3):
    return rng.normal(size=(n, t, d)), rng.normal(size=(n, s, d)), rng.normal(size=(n, s, d))


BROKEN = {
    "NoScaleInBackward": (lambda rng: (NoScaleInBackward(), qkv(rng, s=5)), {"wrong-scale"}, None),
    "SoftmaxDiagonal": (lambda rng: (SoftmaxDiagonal(), qkv(rng, s=5)), {"diagonal-only", "missing-term", "wrong-formula"}, None),
    "ValueUntransposed": (lambda rng: (ValueUntransposed(), qkv(rng)), {"missing-transpose"}, "input 2"),
    "KeyUntransposed": (lambda rng: (KeyUntransposed(), qkv(rng)), {"missing-transpose"}, "input 1"),
    "QueryKeyExchanged": (lambda rng: (QueryKeyExchanged(), qkv(rng)), {"swapped"}, None),
    "SoftmaxSumOverQueries": (lambda rng: (SoftmaxSumOverQueries(), qkv(rng)), {"wrong-axis"}, None),
    "SelfAttentionValueOnly": (lambda rng: (SelfAttentionValueOnly(rng, 3), (rng.normal(size=(2, 4, 3)),)), {"missing-term"}, "input 0"),
    "SelfAttentionQueryTwice": (
        lambda rng: (SelfAttentionQueryTwice(rng, 3), (rng.normal(size=(2, 4, 3)),)),
        {"wrong-formula", "swapped"},
        "wk",
    ),
    "SelfAttentionExchangedWeights": (
        lambda rng: (SelfAttentionExchangedWeights(rng, 3), (rng.normal(size=(2, 4, 3)),)),
        {"wrong-formula", "swapped"},
        "input 0",
    ),
    "CausalUnmaskedBackward": (lambda rng: (CausalUnmaskedBackward(), qkv(rng)), {"missing-mask"}, None),
    "CausalInvertedBackward": (lambda rng: (CausalInvertedBackward(), qkv(rng)), {"inverted-mask"}, None),
    "AdditiveNoTanh": (lambda rng: (AdditiveNoTanh(rng, 3), (rng.normal(size=(2, 4, 3)),)), {"missing-term", "wrong-formula"}, None),
}
