import numpy as np

import netlib as nl


class BiasUnsummed(nl.Layer):  # y = x + b; the first sample's dout for b
    def __init__(self, rng, n):
        self.b = nl.Parameter(rng.normal(size=n))

    def forward(self, x):
        return x + self.b.value

    def backward(self, dout):
        self.b.grad += dout[0]
        return dout.copy()


class BiasTotal(BiasUnsummed):  # summed over everything
    def backward(self, dout):
        self.b.grad += dout.sum()
        return dout.copy()


class BiasSequence(BiasUnsummed):  # (N, T, F): only the batch is summed, then the last step taken
    def backward(self, dout):
        self.b.grad += dout.sum(axis=0)[-1]
        return dout.copy()


class AddBroadcastRaw(nl.Layer):  # (N, D) + (D,): db is not summed
    def forward(self, a, b):
        return a + b

    def backward(self, dout):
        return dout.copy(), dout.copy()


class MultiplyColumn(nl.Layer):  # (N, D) * (N, 1): keepdims forgotten
    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return a * b

    def backward(self, dout):
        return dout * self.b, (dout * self.a).sum(axis=1)


class MultiplyRowMean(MultiplyColumn):  # (N, D) * (1, D): mean in place of sum
    def backward(self, dout):
        return dout * self.b, (dout * self.a).mean(axis=0, keepdims=True)


class OuterWrongAxis(nl.Layer):  # a[:, None] * b[None]: sums over the wrong axis (square)
    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return a[:, None] * b

    def backward(self, dout):
        return (dout * self.a[:, None]).sum(axis=0), (dout * self.b).sum(axis=1)


class MeanAxisCount(nl.Layer):  # mean over axis 1, divided by axis 0's length
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=1)

    def backward(self, dout):
        return np.repeat(dout[:, None], self.shape[1], axis=1) / self.shape[0]


class SumTiled(nl.Layer):  # sum over axis 1 of a square; backward spreads along axis 0
    def forward(self, x):
        self.n = x.shape[0]
        return x.sum(axis=1)

    def backward(self, dout):
        return np.tile(dout, (self.n, 1))


class VarianceNoMean(nl.Layer):  # 2 x / n
    def forward(self, x):
        self.x = x.copy()
        return x.var(axis=1)

    def backward(self, dout):
        return dout[:, None] * 2 * self.x / self.x.shape[1]


class StdForgetsHalf(nl.Layer):  # 2 (x - m)/(n s)
    def forward(self, x):
        self.c = x - x.mean(axis=1, keepdims=True)
        self.s = x.std(axis=1)
        return self.s.copy()

    def backward(self, dout):
        return (dout / self.s)[:, None] * 2 * self.c / self.c.shape[1]


class LogSumExpUnnormalized(nl.Layer):  # exp(x) in place of softmax
    def forward(self, x):
        self.e = np.exp(x)
        return np.log(self.e.sum(axis=1))

    def backward(self, dout):
        return dout[:, None] * self.e


class ProductIncludesSelf(nl.Layer):  # d prod / dx_i = prod, without dividing by x_i
    def forward(self, x):
        self.shape, self.p = x.shape, x.prod(axis=1)
        return self.p.copy()

    def backward(self, dout):
        return np.repeat((dout * self.p)[:, None], self.shape[1], axis=1)


class ScalarGain(nl.Layer):  # one gain for all; its gradient by the mean
    def __init__(self):
        self.g = nl.Parameter(np.array([1.7]))

    def forward(self, x):
        self.x = x.copy()
        return x * self.g.value

    def backward(self, dout):
        self.g.grad += (dout * self.x).mean()
        return dout * self.g.value


def r(rng, *s):
    return rng.normal(size=s)


BROKEN = {
    "BiasUnsummed": (lambda rng: (BiasUnsummed(rng, 3), (r(rng, 4, 3),)), {"missing-batch-sum"}, "b"),
    "BiasTotal": (lambda rng: (BiasTotal(rng, 3), (r(rng, 4, 3),)), {"wrong-axis"}, "b"),
    "BiasSequence": (lambda rng: (BiasSequence(rng, 3), (r(rng, 4, 5, 3),)), {"missing-batch-sum", "missing-term"}, "b"),
    "AddBroadcastRaw": (lambda rng: (AddBroadcastRaw(), (r(rng, 4, 3), r(rng, 3))), {"missing-batch-sum", "wrong-shape"}, "input 1"),
    "MultiplyColumn": (lambda rng: (MultiplyColumn(), (r(rng, 4, 3), r(rng, 4, 1))), {"wrong-shape"}, "input 1"),
    "MultiplyRowMean": (lambda rng: (MultiplyRowMean(), (r(rng, 4, 3), r(rng, 1, 3))), {"wrong-scale"}, "input 1"),
    "OuterWrongAxis": (lambda rng: (OuterWrongAxis(), (r(rng, 4), r(rng, 4))), {"swapped"}, None),
    "MeanAxisCount": (lambda rng: (MeanAxisCount(), (r(rng, 4, 7),)), {"wrong-scale", "wrong-axis"}, "input 0"),
    "SumTiled": (lambda rng: (SumTiled(), (r(rng, 4, 4),)), {"wrong-axis", "missing-transpose"}, "input 0"),
    "VarianceNoMean": (lambda rng: (VarianceNoMean(), (r(rng, 4, 5),)), {"missing-term", "wrong-formula"}, "input 0"),
    "StdForgetsHalf": (lambda rng: (StdForgetsHalf(), (r(rng, 4, 5),)), {"wrong-scale"}, "input 0"),
    "LogSumExpUnnormalized": (
        lambda rng: (LogSumExpUnnormalized(), (r(rng, 4, 5),)),
        {"wrong-formula", "wrong-scale", "missing-term"},
        "input 0",
    ),
    "ProductIncludesSelf": (lambda rng: (ProductIncludesSelf(), (r(rng, 4, 3),)), {"wrong-formula", "missing-term"}, "input 0"),
    "ScalarGain": (lambda rng: (ScalarGain(), (r(rng, 4, 3),)), {"wrong-scale"}, "g"),
}
