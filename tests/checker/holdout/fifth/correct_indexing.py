import numpy as np

import netlib as nl


class Embedding(nl.Layer):
    n_nondifferentiable_inputs = 1

    def __init__(self, rng, n, d):
        self.weight = nl.Parameter(rng.normal(size=(n, d)))

    def forward(self, ids):
        self.ids = ids.copy()
        return self.weight.value[ids]

    def backward(self, dout):
        np.add.at(self.weight.grad, self.ids, dout)


class Gather(nl.Layer):
    def __init__(self, index):
        self.index = np.array(index)

    def forward(self, x):
        self.shape = x.shape
        return x[self.index]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.add.at(dx, self.index, dout)
        return dx


class Permute(nl.Layer):
    def __init__(self, p):
        self.p = np.array(p)

    def forward(self, x):
        return x[:, self.p]

    def backward(self, dout):
        return dout[:, np.argsort(self.p)]


class Roll(nl.Layer):
    def forward(self, x):
        return np.roll(x, 2, axis=1)

    def backward(self, dout):
        return np.roll(dout, -2, axis=1)


class Sort(nl.Layer):
    def forward(self, x):
        self.order = np.argsort(x, axis=1)
        return np.take_along_axis(x, self.order, axis=1)

    def backward(self, dout):
        dx = np.empty_like(dout)
        np.put_along_axis(dx, self.order, dout, axis=1)
        return dx


class Median(nl.Layer):
    def forward(self, x):
        self.shape = x.shape
        self.i = np.argsort(x, axis=1)[:, x.shape[1] // 2][:, None]
        return np.take_along_axis(x, self.i, axis=1)[:, 0]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.put_along_axis(dx, self.i, dout[:, None], axis=1)
        return dx


class SegmentMean(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, x, seg):
        self.seg = seg.copy()
        self.count = np.bincount(seg, minlength=seg.max() + 1).astype(x.dtype)
        y = np.zeros((len(self.count), x.shape[1]), x.dtype)
        np.add.at(y, seg, x)
        return y / self.count[:, None]

    def backward(self, dout):
        return (dout / self.count[:, None])[self.seg]


class Window(nl.Layer):
    def forward(self, x):
        self.shape = x.shape
        return x[:, 2:5].copy()

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, 2:5] = dout
        return dx


class Concatenate(nl.Layer):
    def forward(self, a, b):
        self.n = a.shape[1]
        return np.concatenate([a, b], axis=1)

    def backward(self, dout):
        return dout[:, : self.n].copy(), dout[:, self.n :].copy()


class ScatterSet(nl.Layer):
    def __init__(self, index):
        self.index = np.array(index)

    def forward(self, base, x):
        y = base.copy()
        y[self.index] = x
        return y

    def backward(self, dout):
        dbase = dout.copy()
        dbase[self.index] = 0
        return dbase, dout[self.index]


class TriangleToVector(nl.Layer):
    def forward(self, x):
        self.shape = x.shape
        self.i = np.tril_indices(x.shape[-1])
        return x[:, self.i[0], self.i[1]]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, self.i[0], self.i[1]] = dout
        return dx


class Interpolate(nl.Layer):
    """Linear interpolation in a learned table; x in [0, 1]."""

    def __init__(self, rng, n):
        self.table = nl.Parameter(rng.normal(size=n))

    def forward(self, x):
        p = x * (self.table.size - 1)
        self.i = np.clip(np.floor(p).astype(int), 0, self.table.size - 2)
        self.f = p - self.i
        t = self.table.value
        return (1 - self.f) * t[self.i] + self.f * t[self.i + 1]

    def backward(self, dout):
        t = self.table.value
        np.add.at(self.table.grad, self.i, dout * (1 - self.f))
        np.add.at(self.table.grad, self.i + 1, dout * self.f)
        return dout * (t[self.i + 1] - t[self.i]) * (self.table.size - 1)


def m(rng, *s):
    return rng.normal(size=s)


CORRECT = {
    "Embedding": lambda rng: (Embedding(rng, 5, 3), (np.array([[0, 2, 2], [4, 2, 0]]),)),
    "Gather": lambda rng: (Gather([0, 3, 3, 1, 0]), (m(rng, 4, 3),)),
    "Permute": lambda rng: (Permute([2, 0, 3, 1]), (m(rng, 3, 4),)),
    "Roll": lambda rng: (Roll(), (m(rng, 3, 5),)),
    "Sort": lambda rng: (Sort(), (m(rng, 6, 5),)),
    "Median": lambda rng: (Median(), (m(rng, 4, 5),)),
    "SegmentMean": lambda rng: (SegmentMean(), (m(rng, 6, 3), np.array([0, 2, 0, 1, 1, 0]))),
    "Window": lambda rng: (Window(), (m(rng, 3, 6),)),
    "Concatenate": lambda rng: (Concatenate(), (m(rng, 3, 2), m(rng, 3, 4))),
    "ScatterSet": lambda rng: (ScatterSet([1, 3]), (m(rng, 4, 3), m(rng, 2, 3))),
    "TriangleToVector": lambda rng: (TriangleToVector(), (m(rng, 2, 3, 3),)),
    "Interpolate": lambda rng: (Interpolate(rng, 6), (rng.integers(0, 5, size=(4, 3)) / 5 + rng.uniform(0.02, 0.18, size=(4, 3)),)),
}
