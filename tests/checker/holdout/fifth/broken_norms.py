import numpy as np

import netlib as nl


class LayerNormNoMean(nl.Layer):  # the path through the mean is left out
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
        return self.inv * (g - self.xh * (g * self.xh).mean(axis=-1, keepdims=True))


class LayerNormNoVar(LayerNormNoMean):  # the path through the variance is left out
    def backward(self, dout):
        self.gamma.grad += (dout * self.xh).sum(axis=0)
        self.beta.grad += dout.sum(axis=0)
        g = dout * self.gamma.value
        return self.inv * (g - g.mean(axis=-1, keepdims=True))


class LayerNormExchanged(LayerNormNoMean):  # gamma and beta exchanged
    def backward(self, dout):
        self.beta.grad += (dout * self.xh).sum(axis=0)
        self.gamma.grad += dout.sum(axis=0)
        g = dout * self.gamma.value
        return self.inv * (g - g.mean(axis=-1, keepdims=True) - self.xh * (g * self.xh).mean(axis=-1, keepdims=True))


class LayerNormBatchMeans(LayerNormNoMean):  # the means of backward over the samples
    def backward(self, dout):
        self.gamma.grad += (dout * self.xh).sum(axis=0)
        self.beta.grad += dout.sum(axis=0)
        g = dout * self.gamma.value
        return self.inv * (g - g.mean(axis=0, keepdims=True) - self.xh * (g * self.xh).mean(axis=0, keepdims=True))


class RMSNormNoGamma(nl.Layer):  # gamma forgotten in dx
    def __init__(self, n):
        self.gamma = nl.Parameter(np.linspace(0.6, 1.8, n))

    def forward(self, x):
        self.inv = 1.0 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6)
        self.xh = x * self.inv
        return self.xh * self.gamma.value

    def backward(self, dout):
        self.gamma.grad += (dout * self.xh).sum(axis=0)
        return self.inv * (dout - self.xh * (dout * self.xh).mean(axis=-1, keepdims=True))


class RMSNormSum(RMSNormNoGamma):  # a sum where the mean belongs, in one term
    def backward(self, dout):
        self.gamma.grad += (dout * self.xh).sum(axis=0)
        g = dout * self.gamma.value
        return self.inv * (g - self.xh * (g * self.xh).sum(axis=-1, keepdims=True))


class BatchNormBase(nl.Layer):
    def __init__(self, c):
        self.gamma = nl.Parameter(np.linspace(0.5, 1.5, c))
        self.beta = nl.Parameter(np.zeros(c))
        self.running_mean = nl.Buffer(np.zeros(c))
        self.running_var = nl.Buffer(np.ones(c))

    def forward(self, x):
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            n = len(x)
            self.running_mean.value = 0.9 * self.running_mean.value + 0.1 * mean
            self.running_var.value = 0.9 * self.running_var.value + 0.1 * var * n / (n - 1)
        else:
            mean, var = self.running_mean.value.copy(), self.running_var.value.copy()
        self.inv = 1.0 / np.sqrt(var + 1e-5)
        self.xh = (x - mean) * self.inv
        return self.xh * self.gamma.value + self.beta.value


class BatchNormConstants(BatchNormBase):  # statistics treated as constants in training
    def backward(self, dout):
        self.gamma.grad += (dout * self.xh).sum(axis=0)
        self.beta.grad += dout.sum(axis=0)
        return dout * self.gamma.value * self.inv


class BatchNormEvalLikeTrain(BatchNormBase):  # in evaluation mode the formula of training
    def backward(self, dout):
        self.gamma.grad += (dout * self.xh).sum(axis=0)
        self.beta.grad += dout.sum(axis=0)
        g = dout * self.gamma.value
        return self.inv * (g - g.mean(axis=0) - self.xh * (g * self.xh).mean(axis=0))


class GroupNormPerChannel(nl.Layer):  # backward's means per channel instead of per group
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
        m = g.mean(axis=(3, 4), keepdims=True)
        p = (g * self.xh).mean(axis=(3, 4), keepdims=True)
        return (self.inv * (g - m - self.xh * p)).reshape(dout.shape)


class InstanceNormMeanGamma(nl.Layer):  # gamma's gradient is averaged over the samples
    def __init__(self, channels):
        self.gamma = nl.Parameter(np.linspace(0.5, 1.5, channels))

    def forward(self, x):
        xc = x - x.mean(axis=(2, 3), keepdims=True)
        self.inv = 1.0 / np.sqrt((xc**2).mean(axis=(2, 3), keepdims=True) + 1e-5)
        self.xh = xc * self.inv
        return self.xh * self.gamma.value[:, None, None]

    def backward(self, dout):
        self.gamma.grad += (dout * self.xh).sum(axis=(2, 3)).mean(axis=0)
        g = dout * self.gamma.value[:, None, None]
        m = g.mean(axis=(2, 3), keepdims=True)
        return self.inv * (g - m - self.xh * (g * self.xh).mean(axis=(2, 3), keepdims=True))


class WeightNormNoProjection(nl.Layer):  # d v lacks the path through the norm
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
        self.g.grad += (dw * self.u).sum(axis=0)
        self.v.grad += dw * self.g.value / self.norm
        return dout @ (self.u * self.g.value).T


class UnitRowsSquaredNorm(nl.Layer):  # divides by the squared norm
    def forward(self, x):
        self.n = np.sqrt((x * x).sum(axis=1, keepdims=True))
        self.u = x / self.n
        return self.u.copy()

    def backward(self, dout):
        return (dout - self.u * (dout * self.u).sum(axis=1, keepdims=True)) / self.n**2


class UnitRowsDiagonal(UnitRowsSquaredNorm):  # only dy_i/dx_i
    def backward(self, dout):
        return dout * (1 - self.u**2) / self.n


BROKEN = {
    "LayerNormNoMean": (lambda rng: (LayerNormNoMean(5), (rng.normal(size=(4, 5)),)), {"missing-term"}, "input 0"),
    "LayerNormNoVar": (lambda rng: (LayerNormNoVar(6), (rng.normal(size=(3, 6)),)), {"missing-term"}, "input 0"),
    "LayerNormExchanged": (lambda rng: (LayerNormExchanged(5), (rng.normal(size=(4, 5)),)), {"swapped", "wrong-formula"}, None),
    "LayerNormBatchMeans": (lambda rng: (LayerNormBatchMeans(5), (rng.normal(size=(4, 5)),)), {"wrong-axis"}, "input 0"),
    "RMSNormNoGamma": (lambda rng: (RMSNormNoGamma(4), (rng.normal(size=(5, 4)),)), {"missing-term", "wrong-formula"}, "input 0"),
    "RMSNormSum": (lambda rng: (RMSNormSum(4), (rng.normal(size=(5, 4)),)), {"wrong-formula", "wrong-scale"}, "input 0"),
    "BatchNormConstants": (lambda rng: (BatchNormConstants(3), (rng.normal(size=(6, 3)),)), {"missing-term", "diagonal-only"}, "input 0"),
    "BatchNormEvalLikeTrain": (
        lambda rng: (BatchNormEvalLikeTrain(3).eval(), (rng.normal(size=(6, 3)),)),
        {"wrong-formula", "double-counted"},
        "input 0",
    ),
    "GroupNormPerChannel": (lambda rng: (GroupNormPerChannel(2, 4), (rng.normal(size=(2, 4, 2, 3)),)), {"wrong-axis"}, "input 0"),
    "InstanceNormMeanGamma": (lambda rng: (InstanceNormMeanGamma(3), (rng.normal(size=(4, 3, 2, 3)),)), {"wrong-scale"}, "gamma"),
    "WeightNormNoProjection": (lambda rng: (WeightNormNoProjection(rng, 4, 3), (rng.normal(size=(5, 4)),)), {"missing-term"}, "v"),
    "UnitRowsSquaredNorm": (lambda rng: (UnitRowsSquaredNorm(), (rng.normal(size=(4, 5)),)), {"wrong-formula", "wrong-scale"}, "input 0"),
    "UnitRowsDiagonal": (lambda rng: (UnitRowsDiagonal(), (rng.normal(size=(4, 5)),)), {"diagonal-only"}, "input 0"),
}
