import numpy as np

import netlib as nl


class LayerNorm(nl.Layer):
    def __init__(self, n):
        self.gamma = nl.Parameter(np.linspace(0.5, 1.5, n))
        self.beta = nl.Parameter(np.zeros(n))

    def forward(self, x):
        xc = x - x.mean(axis=-1, keepdims=True)
        self.inv = 1.0 / np.sqrt((xc**2).mean(axis=-1, keepdims=True) + 1e-5)
        self.xh = xc * self.inv
        return self.xh * self.gamma.value + self.beta.value

    def backward(self, dout):
        self.gamma.grad += (dout * self.xh).reshape(-1, self.xh.shape[-1]).sum(axis=0)
        self.beta.grad += dout.reshape(-1, self.xh.shape[-1]).sum(axis=0)
        g = dout * self.gamma.value
        return self.inv * (g - g.mean(axis=-1, keepdims=True) - self.xh * (g * self.xh).mean(axis=-1, keepdims=True))


class RMSNorm(nl.Layer):
    def __init__(self, n):
        self.gamma = nl.Parameter(np.linspace(0.6, 1.8, n))

    def forward(self, x):
        self.inv = 1.0 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6)
        self.xh = x * self.inv
        return self.xh * self.gamma.value

    def backward(self, dout):
        self.gamma.grad += (dout * self.xh).sum(axis=0)
        g = dout * self.gamma.value
        return self.inv * (g - self.xh * (g * self.xh).mean(axis=-1, keepdims=True))


class BatchNorm(nl.Layer):
    def __init__(self, c):
        self.gamma = nl.Parameter(np.linspace(0.5, 1.5, c))
        self.beta = nl.Parameter(np.zeros(c))
        self.running_mean = nl.Buffer(np.zeros(c))
        self.running_var = nl.Buffer(np.linspace(0.5, 2.0, c))

    def forward(self, x):
        self.batch = self.training
        if self.batch:
            mean, var, n = x.mean(axis=0), x.var(axis=0), len(x)
            self.running_mean.value = 0.9 * self.running_mean.value + 0.1 * mean
            self.running_var.value = 0.9 * self.running_var.value + 0.1 * var * n / (n - 1)
        else:
            mean, var = self.running_mean.value.copy(), self.running_var.value.copy()
        self.inv = 1.0 / np.sqrt(var + 1e-5)
        self.xh = (x - mean) * self.inv
        return self.xh * self.gamma.value + self.beta.value

    def backward(self, dout):
        self.gamma.grad += (dout * self.xh).sum(axis=0)
        self.beta.grad += dout.sum(axis=0)
        g = dout * self.gamma.value
        if not self.batch:
            return g * self.inv
        return self.inv * (g - g.mean(axis=0) - self.xh * (g * self.xh).mean(axis=0))


class GroupNorm(nl.Layer):
    def __init__(self, groups, channels):
        self.groups = groups
        self.gamma = nl.Parameter(np.linspace(0.5, 1.5, channels))

    def forward(self, x):
        n, c, h, w = x.shape
        xg = x.reshape(n, self.groups, c // self.groups, h, w)
        xc = xg - xg.mean(axis=(2, 3, 4), keepdims=True)
        self.inv = 1.0 / np.sqrt((xc**2).mean(axis=(2, 3, 4), keepdims=True) + 1e-5)
        self.xh = xc * self.inv
        return self.xh.reshape(x.shape) * self.gamma.value[:, None, None]

    def backward(self, dout):
        self.gamma.grad += (dout * self.xh.reshape(dout.shape)).sum(axis=(0, 2, 3))
        g = (dout * self.gamma.value[:, None, None]).reshape(self.xh.shape)
        ax = (2, 3, 4)
        d = g - g.mean(axis=ax, keepdims=True) - self.xh * (g * self.xh).mean(axis=ax, keepdims=True)
        return (self.inv * d).reshape(dout.shape)


class WeightNorm(nl.Layer):
    def __init__(self, rng, n, m):
        self.v = nl.Parameter(rng.normal(size=(n, m)))
        self.g = nl.Parameter(rng.uniform(0.5, 1.5, size=m))

    def forward(self, x):
        self.x = x.copy()
        self.norm = np.sqrt((self.v.value**2).sum(axis=0))
        self.u = self.v.value / self.norm
        return x @ (self.u * self.g.value)

    def backward(self, dout):
        dw = self.x.T @ dout
        dg = (dw * self.u).sum(axis=0)
        self.g.grad += dg
        self.v.grad += (dw - self.u * dg) * self.g.value / self.norm
        return dout @ (self.u * self.g.value).T


class UnitRows(nl.Layer):
    def forward(self, x):
        self.n = np.sqrt((x * x).sum(axis=1, keepdims=True))
        self.u = x / self.n
        return self.u.copy()

    def backward(self, dout):
        return (dout - self.u * (dout * self.u).sum(axis=1, keepdims=True)) / self.n


class Center(nl.Layer):
    def forward(self, x):
        return x - x.mean(axis=0)

    def backward(self, dout):
        return dout - dout.mean(axis=0)


class L1Rows(nl.Layer):
    def forward(self, x):
        self.s = np.abs(x).sum(axis=1, keepdims=True)
        self.sign = np.sign(x)
        self.y = x / self.s
        return self.y.copy()

    def backward(self, dout):
        return (dout - self.sign * (dout * self.y).sum(axis=1, keepdims=True)) / self.s


class MaxRows(nl.Layer):
    def forward(self, x):
        self.i = np.abs(x).argmax(axis=1)
        self.r = np.arange(len(x))
        self.m = x[self.r, self.i][:, None]
        self.y = x / self.m
        return self.y.copy()

    def backward(self, dout):
        dx = dout / self.m
        dx[self.r, self.i] -= (dout * self.y).sum(axis=1) / self.m[:, 0]
        return dx


CORRECT = {
    "LayerNorm": lambda rng: (LayerNorm(5), (rng.normal(size=(4, 5)),)),
    "LayerNorm3d": lambda rng: (LayerNorm(5), (rng.normal(size=(2, 3, 5)),)),
    "RMSNorm": lambda rng: (RMSNorm(4), (rng.normal(size=(5, 4)),)),
    "BatchNormTrain": lambda rng: (BatchNorm(3), (rng.normal(size=(6, 3)),)),
    "BatchNormEval": lambda rng: (BatchNorm(3).eval(), (rng.normal(size=(6, 3)),)),
    "GroupNorm": lambda rng: (GroupNorm(2, 4), (rng.normal(size=(2, 4, 2, 3)),)),
    "WeightNorm": lambda rng: (WeightNorm(rng, 4, 3), (rng.normal(size=(5, 4)),)),
    "UnitRows": lambda rng: (UnitRows(), (rng.normal(size=(4, 5)),)),
    "Center": lambda rng: (Center(), (rng.normal(size=(4, 3)),)),
    "L1Rows": lambda rng: (L1Rows(), (rng.normal(size=(4, 3)),)),
    "MaxRows": lambda rng: (MaxRows(), (rng.normal(size=(4, 3)),)),
}
