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


class RNNNoTime(RNN):  # the gradient through time is lost
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i in range(self.x.shape[1]):
            dz = dout[:, i] * (1 - self.hs[:, i + 1] ** 2)
            self.wx.grad += self.x[:, i].T @ dz
            self.wh.grad += self.hs[:, i].T @ dz
            self.b.grad += dz.sum(axis=0)
            dx[:, i] = dz @ self.wx.value.T
        return dx


class RNNTransposeTime(RNN):  # the recurrent weight is not transposed
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        dh = 0.0
        for i in reversed(range(self.x.shape[1])):
            dz = (dout[:, i] + dh) * (1 - self.hs[:, i + 1] ** 2)
            self.wx.grad += self.x[:, i].T @ dz
            self.wh.grad += self.hs[:, i].T @ dz
            self.b.grad += dz.sum(axis=0)
            dx[:, i] = dz @ self.wx.value.T
            dh = dz @ self.wh.value
        return dx


class RNNLastStepBias(RNN):  # b's gradient is that of the step that was visited last
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        dh = 0.0
        for i in reversed(range(self.x.shape[1])):
            dz = (dout[:, i] + dh) * (1 - self.hs[:, i + 1] ** 2)
            self.wx.grad += self.x[:, i].T @ dz
            self.wh.grad += self.hs[:, i].T @ dz
            db = dz.sum(axis=0)
            dx[:, i] = dz @ self.wx.value.T
            dh = dz @ self.wh.value.T
        self.b.grad += db
        return dx


class RNNWrongState(RNN):  # wh meets h of this step in place of the step before
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        dh = 0.0
        for i in reversed(range(self.x.shape[1])):
            dz = (dout[:, i] + dh) * (1 - self.hs[:, i + 1] ** 2)
            self.wx.grad += self.x[:, i].T @ dz
            self.wh.grad += self.hs[:, i + 1].T @ dz
            self.b.grad += dz.sum(axis=0)
            dx[:, i] = dz @ self.wx.value.T
            dh = dz @ self.wh.value.T
        return dx


class RNNKeepsState(RNN):  # dh of the last backward is still there in the next
    def __init__(self, rng, n, h):
        super().__init__(rng, n, h)
        self.dh = 0.0

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i in reversed(range(self.x.shape[1])):
            dz = (dout[:, i] + self.dh) * (1 - self.hs[:, i + 1] ** 2)
            self.wx.grad += self.x[:, i].T @ dz
            self.wh.grad += self.hs[:, i].T @ dz
            self.b.grad += dz.sum(axis=0)
            dx[:, i] = dz @ self.wx.value.T
            self.dh = dz @ self.wh.value.T
        return dx


class LSTMCell(nl.Layer):
    n_outputs = 2

    def __init__(self, rng, n, h):
        self.h = h
        self.w = nl.Parameter(0.6 * rng.normal(size=(n + h, 4 * h)))

    def forward(self, x, h, c):
        self.xh = np.concatenate([x, h], axis=1)
        self.c = c.copy()
        z = self.xh @ self.w.value
        i, f, g, o = np.split(z, 4, axis=1)
        self.i, self.f, self.g, self.o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        cn = self.f * c + self.i * self.g
        self.t = np.tanh(cn)
        return self.o * self.t, cn

    def finish(self, dz, dc):
        self.w.grad += self.xh.T @ dz
        d = dz @ self.w.value.T
        return d[:, : -self.h], d[:, -self.h :], dc


class LSTMGateOrder(LSTMCell):  # i, f, o, g in place of i, f, g, o
    def backward(self, dout):
        dh, dcn = dout
        dc = dcn + dh * self.o * (1 - self.t**2)
        dz = [dc * self.g * self.i * (1 - self.i), dc * self.c * self.f * (1 - self.f)]
        dz += [dh * self.t * self.o * (1 - self.o), dc * self.i * (1 - self.g**2)]
        return self.finish(np.concatenate(dz, axis=1), dc * self.f)


class LSTMCellPathLost(LSTMCell):  # dL/dc' from outside is forgotten
    def backward(self, dout):
        dh, _ = dout
        dc = dh * self.o * (1 - self.t**2)
        dz = [dc * self.g * self.i * (1 - self.i), dc * self.c * self.f * (1 - self.f)]
        dz += [dc * self.i * (1 - self.g**2), dh * self.t * self.o * (1 - self.o)]
        return self.finish(np.concatenate(dz, axis=1), dc * self.f)


class LSTMNoForget(LSTMCell):  # dc is not multiplied by the forget gate
    def backward(self, dout):
        dh, dcn = dout
        dc = dcn + dh * self.o * (1 - self.t**2)
        dz = [dc * self.g * self.i * (1 - self.i), dc * self.c * self.f * (1 - self.f)]
        dz += [dc * self.i * (1 - self.g**2), dh * self.t * self.o * (1 - self.o)]
        return self.finish(np.concatenate(dz, axis=1), dc)


class LSTMCandidateSigmoid(LSTMCell):  # g (1 - g) for the tanh gate
    def backward(self, dout):
        dh, dcn = dout
        dc = dcn + dh * self.o * (1 - self.t**2)
        dz = [dc * self.g * self.i * (1 - self.i), dc * self.c * self.f * (1 - self.f)]
        dz += [dc * self.i * self.g * (1 - self.g), dh * self.t * self.o * (1 - self.o)]
        return self.finish(np.concatenate(dz, axis=1), dc * self.f)


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


class GRUResetLost(GRUCell):  # the path n -> r -> (x, h) is left out
    def backward(self, dout):
        k = self.x.shape[1]
        dn = dout * (1 - self.z) * (1 - self.n**2)
        dz = dout * (self.h - self.n) * self.z * (1 - self.z)
        dxrh = dn @ self.wn.value.T
        dr = dxrh[:, k:] * self.h * self.r * (1 - self.r)
        self.wn.grad += self.xrh.T @ dn
        self.wz.grad += self.xh.T @ dz
        self.wr.grad += self.xh.T @ dr
        dxh = dz @ self.wz.value.T
        return dxh[:, :k] + dxrh[:, :k], dxh[:, k:] + dxrh[:, k:] * self.r + dout * self.z


class GRUUpdateSign(GRUCell):  # (n - h) for (h - n)
    def backward(self, dout):
        k = self.x.shape[1]
        dn = dout * (1 - self.z) * (1 - self.n**2)
        dz = dout * (self.n - self.h) * self.z * (1 - self.z)
        dxrh = dn @ self.wn.value.T
        dr = dxrh[:, k:] * self.h * self.r * (1 - self.r)
        self.wn.grad += self.xrh.T @ dn
        self.wz.grad += self.xh.T @ dz
        self.wr.grad += self.xh.T @ dr
        dxh = dz @ self.wz.value.T + dr @ self.wr.value.T
        return dxh[:, :k] + dxrh[:, :k], dxh[:, k:] + dxrh[:, k:] * self.r + dout * self.z


def seq(rng):
    return (rng.normal(size=(2, 4, 3)),)


def cell(rng):
    return rng.normal(size=(3, 2)), rng.normal(size=(3, 4)), rng.normal(size=(3, 4))


BROKEN = {
    "RNNNoTime": (lambda rng: (RNNNoTime(rng, 3, 4), seq(rng)), {"missing-term"}, None),
    "RNNTransposeTime": (lambda rng: (RNNTransposeTime(rng, 3, 4), seq(rng)), {"missing-transpose", "wrong-formula"}, None),
    "RNNLastStepBias": (lambda rng: (RNNLastStepBias(rng, 3, 4), seq(rng)), {"missing-term", "wrong-formula"}, "b"),
    "RNNWrongState": (lambda rng: (RNNWrongState(rng, 3, 4), seq(rng)), {"wrong-formula"}, "wh"),
    "RNNKeepsState": (lambda rng: (RNNKeepsState(rng, 3, 4), seq(rng)), {"stale-cache"}, None),
    "LSTMGateOrder": (lambda rng: (LSTMGateOrder(rng, 2, 4), cell(rng)), {"wrong-formula", "swapped", "wrong-axis"}, None),
    "LSTMCellPathLost": (lambda rng: (LSTMCellPathLost(rng, 2, 4), cell(rng)), {"missing-term", "ignores-upstream"}, None),
    "LSTMNoForget": (lambda rng: (LSTMNoForget(rng, 2, 4), cell(rng)), {"missing-term", "wrong-formula"}, "input 2"),
    "LSTMCandidateSigmoid": (lambda rng: (LSTMCandidateSigmoid(rng, 2, 4), cell(rng)), {"wrong-formula"}, None),
    "GRUResetLost": (lambda rng: (GRUResetLost(rng, 2, 4), cell(rng)[:2]), {"missing-term"}, None),
    "GRUUpdateSign": (lambda rng: (GRUUpdateSign(rng, 2, 4), cell(rng)[:2]), {"wrong-sign", "wrong-formula"}, None),
}
