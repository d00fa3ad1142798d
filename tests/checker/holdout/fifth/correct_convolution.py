import numpy as np

import netlib as nl


class Conv1d(nl.Layer):
    def __init__(self, rng, c, o, k, stride=1, dilation=1):
        self.w = nl.Parameter(rng.normal(size=(o, c, k)))
        self.b = nl.Parameter(rng.normal(size=o))
        self.s, self.d = stride, dilation

    def taps(self, a):
        for j in range(self.w.shape[2]):
            i = j * self.d
            yield j, a[:, :, i : i + (self.t - 1) * self.s + 1 : self.s]

    def forward(self, x):
        self.x = x.copy()
        self.t = (x.shape[2] - self.d * (self.w.shape[2] - 1) - 1) // self.s + 1
        y = sum(np.einsum("oc,nct->not", self.w.value[:, :, j], xj) for j, xj in self.taps(x))
        return y + self.b.value[:, None]

    def backward(self, dout):
        self.b.grad += dout.sum(axis=(0, 2))
        for j, xj in self.taps(self.x):
            self.w.grad[:, :, j] += np.einsum("not,nct->oc", dout, xj)
        dx = np.zeros_like(self.x)
        for j, dxj in self.taps(dx):
            dxj += np.einsum("oc,not->nct", self.w.value[:, :, j], dout)
        return dx


class Conv2dIm2col(nl.Layer):
    def __init__(self, rng, c, o, k):
        self.k = k
        self.w = nl.Parameter(rng.normal(size=(c * k * k, o)))

    def forward(self, x):
        k = self.k
        n, c, h, w = self.shape = x.shape
        oh, ow = h - k + 1, w - k + 1
        win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
        self.col = win.transpose(0, 2, 3, 1, 4, 5).reshape(n * oh * ow, -1)
        return (self.col @ self.w.value).reshape(n, oh, ow, -1).transpose(0, 3, 1, 2).copy()

    def backward(self, dout):
        n, o, oh, ow = dout.shape
        d = dout.transpose(0, 2, 3, 1).reshape(-1, o)
        self.w.grad += self.col.T @ d
        dcol = (d @ self.w.value.T).reshape(n, oh, ow, self.shape[1], self.k, self.k)
        dx = np.zeros(self.shape, dcol.dtype)
        for i in range(self.k):
            for j in range(self.k):
                dx[:, :, i : i + oh, j : j + ow] += dcol[..., i, j].transpose(0, 3, 1, 2)
        return dx


class DepthwisePadded(nl.Layer):
    def __init__(self, rng, c):
        self.w = nl.Parameter(rng.normal(size=(c, 3)))

    def forward(self, x):
        self.xp = np.pad(x, ((0, 0), (0, 0), (1, 1)))
        t = x.shape[2]
        return sum(self.w.value[:, j, None] * self.xp[:, :, j : j + t] for j in range(3))

    def backward(self, dout):
        t = dout.shape[2]
        dxp = np.zeros_like(self.xp)
        for j in range(3):
            self.w.grad[:, j] += (dout * self.xp[:, :, j : j + t]).sum(axis=(0, 2))
            dxp[:, :, j : j + t] += self.w.value[:, j, None] * dout
        return dxp[:, :, 1:-1].copy()


class MaxPool(nl.Layer):
    def forward(self, x):
        n, c, h, w = x.shape
        self.xw = x.reshape(n, c, h // 2, 2, w // 2, 2).copy()
        return self.xw.max(axis=(3, 5))

    def backward(self, dout):
        m = self.xw == self.xw.max(axis=(3, 5), keepdims=True)
        d = m * dout[:, :, :, None, :, None]
        return d.reshape(d.shape[0], d.shape[1], d.shape[2] * 2, -1)


class AvgPoolOverlapping(nl.Layer):
    def forward(self, x):
        self.shape = x.shape
        return (x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]) / 3

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        for j in range(3):
            dx[:, :, j : j + dout.shape[2]] += dout / 3
        return dx


class GlobalAvgPool(nl.Layer):
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dout):
        n, c, h, w = self.shape
        return np.broadcast_to(dout[:, :, None, None] / (h * w), self.shape).copy()


class Upsample(nl.Layer):
    def forward(self, x):
        return x.repeat(2, axis=2).repeat(2, axis=3)

    def backward(self, dout):
        n, c, h, w = dout.shape
        return dout.reshape(n, c, h // 2, 2, w // 2, 2).sum(axis=(3, 5))


class PixelShuffle(nl.Layer):
    def forward(self, x):
        n, c, h, w = x.shape
        return x.reshape(n, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)

    def backward(self, dout):
        n, c, h, w = dout.shape
        return dout.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 3, 5, 2, 4).reshape(n, 4 * c, h // 2, w // 2)


class ReflectPad(nl.Layer):
    def forward(self, x):
        return np.pad(x, ((0, 0), (0, 0), (2, 1)), mode="reflect")

    def backward(self, dout):
        dx = dout[:, :, 2:-1].copy()
        dx[:, :, 1] += dout[:, :, 1]
        dx[:, :, 2] += dout[:, :, 0]
        dx[:, :, -2] += dout[:, :, -1]
        return dx


class FixedBlur(nl.Layer):
    def forward(self, x):
        p = np.pad(x, ((0, 0), (0, 0), (1, 1)))
        return 0.25 * p[:, :, :-2] + 0.5 * p[:, :, 1:-1] + 0.25 * p[:, :, 2:]

    def backward(self, dout):  # the kernel is symmetric, so that backward is forward
        return self.forward(dout)


def img(rng, c=2, h=4, w=6):
    return (rng.normal(size=(3, c, h, w)),)


def line(rng, c=2):
    return (rng.normal(size=(3, c, 7)),)


CORRECT = {
    "Conv1d": lambda rng: (Conv1d(rng, 2, 4, 3), line(rng)),
    "Conv1dStrideDilation": lambda rng: (Conv1d(rng, 2, 3, 2, stride=2, dilation=2), line(rng)),
    "Conv2dIm2col": lambda rng: (Conv2dIm2col(rng, 2, 3, 2), img(rng, h=3, w=4)),
    "DepthwisePadded": lambda rng: (DepthwisePadded(rng, 2), line(rng)),
    "MaxPool": lambda rng: (MaxPool(), img(rng)),
    "AvgPoolOverlapping": lambda rng: (AvgPoolOverlapping(), line(rng)),
    "GlobalAvgPool": lambda rng: (GlobalAvgPool(), img(rng)),
    "Upsample": lambda rng: (Upsample(), img(rng, h=2, w=3)),
    "PixelShuffle": lambda rng: (PixelShuffle(), img(rng, c=4, h=2, w=2)),
    "ReflectPad": lambda rng: (ReflectPad(), line(rng)),
    "FixedBlur": lambda rng: (FixedBlur(), line(rng)),
}
