import numpy as np

import netlib as nl


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


class RNN(nl.Layer):
    def __init__(self, rng, n, h):
        self.wx = nl.Parameter(rng.normal(size=(n, h)))
        self.wh = nl.Parameter(0.5 * rng.normal(size=(h, h)))
        self.b = nl.Parameter(rng.normal(size=h))

    def forward(self, x):
        self.x = x.copy()
        n, t, _ = x.shape
        self.hs = np.zeros((n, t + 1, self.b.shape[0]))
        for i in range(t):
            self.hs[:, i + 1] = np.tanh(x[:, i] @ self.wx.value + self.hs[:, i] @ self.wh.value + self.b.value)
        return self.hs[:, 1:].copy()

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        dh = 0.0
        for i in reversed(range(self.x.shape[1])):
            dz = (dout[:, i] + dh) * (1 - self.hs[:, i + 1] ** 2)
            self.wx.grad += self.x[:, i].T @ dz
            self.wh.grad += self.hs[:, i].T @ dz
            self.b.grad += dz.sum(axis=0)
            dx[:, i] = dz @ self.wx.value.T
            dh = dz @ self.wh.value.T
        return dx


class LastState(RNN):
    def forward(self, x):
        return super().forward(x)[:, -1].copy()

    def backward(self, dout):
        d = np.zeros_like(self.hs[:, 1:])
        d[:, -1] = dout
        return super().backward(d)


class LSTMCell(nl.Layer):
    n_outputs = 2

    def __init__(self, rng, n, h):
        self.h = h
        self.w = nl.Parameter(0.6 * rng.normal(size=(n + h, 4 * h)))

    def forward(self, x, h, c):
        self.xh = np.concatenate([x, h], axis=1)
        self.c = c.copy()
        i, f, g, o = np.split(self.xh @ self.w.value, 4, axis=1)
        self.i, self.f, self.g, self.o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        cn = self.f * c + self.i * self.g
        self.t = np.tanh(cn)
        return self.o * self.t, cn

    def backward(self, dout):
        dh, dcn = dout
        dc = dcn + dh * self.o * (1 - self.t**2)
        dz = [dc * self.g * self.i * (1 - self.i), dc * self.c * self.f * (1 - self.f)]
        dz += [dc * self.i * (1 - self.g**2), dh * self.t * self.o * (1 - self.o)]
        dz = np.concatenate(dz, axis=1)
        self.w.grad += self.xh.T @ dz
        d = dz @ self.w.value.T
        return d[:, : -self.h].copy(), d[:, -self.h :].copy(), dc * self.f


class GRUCell(nl.Layer):
    def __init__(self, rng, n, h):
        self.wz = nl.Parameter(rng.normal(size=(n + h, h)))
        self.wr = nl.Parameter(rng.normal(size=(n + h, h)))
        self.wn = nl.Parameter(rng.normal(size=(n + h, h)))

    def forward(self, x, h):
        self.x, self.h = x.copy(), h.copy()
        self.xh = np.concatenate([x, h], axis=1)
        self.z, self.r = sigmoid(self.xh @ self.wz.value), sigmoid(self.xh @ self.wr.value)
        self.xrh = np.concatenate([x, self.r * h], axis=1)
        self.n = np.tanh(self.xrh @ self.wn.value)
        return (1 - self.z) * self.n + self.z * h

    def backward(self, dout):
        k = self.x.shape[1]
        dn = dout * (1 - self.z) * (1 - self.n**2)
        dz = dout * (self.h - self.n) * self.z * (1 - self.z)
        dxrh = dn @ self.wn.value.T
        dr = dxrh[:, k:] * self.h * self.r * (1 - self.r)
        self.wn.grad += self.xrh.T @ dn
        self.wz.grad += self.xh.T @ dz
        self.wr.grad += self.xh.T @ dr
        dxh = dz @ self.wz.value.T + dr @ self.wr.value.T
        return dxh[:, :k] + dxrh[:, :k], dxh[:, k:] + dxrh[:, k:] * self.r + dout * self.z


class DiagonalRecurrence(nl.Layer):
    def __init__(self, rng, n):
        self.a = nl.Parameter(rng.uniform(0.3, 0.9, size=n))

    def forward(self, x):
        h = np.zeros_like(x)
        h[:, 0] = x[:, 0]
        for t in range(1, x.shape[1]):
            h[:, t] = self.a.value * h[:, t - 1] + x[:, t]
        self.h = h
        return h.copy()

    def backward(self, dout):
        g = dout.copy()
        for t in reversed(range(1, g.shape[1])):
            g[:, t - 1] += self.a.value * g[:, t]
        self.a.grad += (g[:, 1:] * self.h[:, :-1]).sum(axis=(0, 1))
        return g


class ReverseTime(nl.Layer):
    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return self.inner.forward(x[:, ::-1].copy())[:, ::-1].copy()

    def backward(self, dout):
        return self.inner.backward(dout[:, ::-1].copy())[:, ::-1].copy()


class Bidirectional(nl.Layer):
    def __init__(self, a, b):
        self.a, self.b = a, b

    def forward(self, x):
        y = self.a.forward(x)
        self.h = y.shape[-1]
        z = self.b.forward(x[:, ::-1].copy())[:, ::-1]
        return np.concatenate([y, z], axis=-1)

    def backward(self, dout):
        da = self.a.backward(dout[..., : self.h].copy())
        db = self.b.backward(dout[:, ::-1, self.h :].copy())
        return da + db[:, ::-1]


class Highway(nl.Layer):
    def __init__(self, rng, n):
        self.w = nl.Parameter(rng.normal(size=(n, n)))
        self.v = nl.Parameter(rng.normal(size=(n, n)))

    def forward(self, x):
        self.x = x.copy()
        self.g, self.h = sigmoid(x @ self.v.value), np.tanh(x @ self.w.value)
        return self.g * self.h + (1 - self.g) * x

    def backward(self, dout):
        dg = dout * (self.h - self.x) * self.g * (1 - self.g)
        dh = dout * self.g * (1 - self.h**2)
        self.v.grad += self.x.T @ dg
        self.w.grad += self.x.T @ dh
        return dout * (1 - self.g) + dg @ self.v.value.T + dh @ self.w.value.T


def seq(rng):
    return (rng.normal(size=(2, 4, 3)),)


def cell(rng):
    return rng.normal(size=(3, 2)), rng.normal(size=(3, 4)), rng.normal(size=(3, 4))


CORRECT = {
    "RNN": lambda rng: (RNN(rng, 3, 4), seq(rng)),
    "LastState": lambda rng: (LastState(rng, 3, 4), seq(rng)),
    "LSTMCell": lambda rng: (LSTMCell(rng, 2, 4), cell(rng)),
    "GRUCell": lambda rng: (GRUCell(rng, 2, 4), cell(rng)[:2]),
    "DiagonalRecurrence": lambda rng: (DiagonalRecurrence(rng, 3), seq(rng)),
    "ReverseTime": lambda rng: (ReverseTime(RNN(rng, 3, 4)), seq(rng)),
    "Bidirectional": lambda rng: (Bidirectional(RNN(rng, 3, 2), RNN(rng, 3, 3)), seq(rng)),
    "Highway": lambda rng: (Highway(rng, 3), (rng.normal(size=(4, 3)),)),
}
