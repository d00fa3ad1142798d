import numpy as np

import netlib as nl


class EmbeddingAssign(nl.Layer):  # fancy += loses repeated ids
    n_nondifferentiable_inputs = 1

    def __init__(self, rng, n, d):
        self.weight = nl.Parameter(rng.normal(size=(n, d)))

    def forward(self, ids):
        self.ids = ids.copy()
        return self.weight.value[ids]

    def backward(self, dout):
        self.weight.grad[self.ids] += dout


class EmbeddingOverwrite(EmbeddingAssign):  # the last writer wins, and what was there is lost
    def backward(self, dout):
        self.weight.grad[...] = 0
        np.add.at(self.weight.grad, self.ids, dout)


class EmbeddingMeanOfRepeats(EmbeddingAssign):  # divides by how often an id occurs
    def backward(self, dout):
        d = np.zeros_like(self.weight.value)
        np.add.at(d, self.ids, dout)
        count = np.bincount(self.ids.ravel(), minlength=len(d))
        self.weight.grad += d / np.maximum(count, 1)[:, None]


class GatherRowsSet(nl.Layer):  # dx[i] = dout for repeated rows
    def __init__(self, index):
        self.index = np.array(index)

    def forward(self, x):
        self.shape = x.shape
        return x[self.index]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[self.index] = dout
        return dx


class PermuteAgain(nl.Layer):  # applies the permutation where its inverse belongs
    def __init__(self, p):
        self.p = np.array(p)

    def forward(self, x):
        return x[:, self.p]

    def backward(self, dout):
        return dout[:, self.p]


class RollSameWay(nl.Layer):  # rolls on in the same direction
    def forward(self, x):
        return np.roll(x, 2, axis=1)

    def backward(self, dout):
        return np.roll(dout, 2, axis=1)


class SortUnsorted(nl.Layer):  # returns the gradient in sorted order
    def forward(self, x):
        self.order = np.argsort(x, axis=1)
        return np.take_along_axis(x, self.order, axis=1)

    def backward(self, dout):
        return np.take_along_axis(dout, self.order, axis=1)


class TopOneEverywhere(nl.Layer):  # the maximum's gradient goes to all
    def forward(self, x):
        self.shape = x.shape
        return x.max(axis=1)

    def backward(self, dout):
        return np.broadcast_to(dout[:, None], self.shape).copy()


class SegmentSumAsMean(nl.Layer):  # forward is a mean per segment, backward that of a sum
    n_nondifferentiable_inputs = 1

    def forward(self, x, seg):
        self.seg = seg.copy()
        self.count = np.bincount(seg, minlength=seg.max() + 1).astype(x.dtype)
        y = np.zeros((len(self.count), x.shape[1]), x.dtype)
        np.add.at(y, seg, x)
        return y / self.count[:, None]

    def backward(self, dout):
        return dout[self.seg]


class SliceZerosWrongPlace(nl.Layer):  # puts the slice at the start
    def forward(self, x):
        self.shape = x.shape
        return x[:, 2:5].copy()

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, : dout.shape[1]] = dout
        return dx


class ConcatenateHalves(nl.Layer):  # cuts in the middle although the parts are not equal
    def forward(self, a, b):
        return np.concatenate([a, b], axis=1)

    def backward(self, dout):
        a, b = np.array_split(dout, 2, axis=1)
        return a.copy(), b.copy()


class StackExchanged(nl.Layer):  # the parts come back in the wrong order
    def forward(self, a, b):
        return np.stack([a, b], axis=1)

    def backward(self, dout):
        return dout[:, 1].copy(), dout[:, 0].copy()


class ScatterAddNoBase(nl.Layer):  # y = base with rows of x added; base's gradient is dropped
    def __init__(self, index):
        self.index = np.array(index)

    def forward(self, base, x):
        y = base.copy()
        np.add.at(y, self.index, x)
        return y

    def backward(self, dout):
        return np.zeros_like(dout), dout[self.index]


class ScatterSetKeepsBase(nl.Layer):  # rows that are overwritten still pass gradient to base
    def __init__(self, index):
        self.index = np.array(index)

    def forward(self, base, x):
        y = base.copy()
        y[self.index] = x
        return y

    def backward(self, dout):
        return dout.copy(), dout[self.index]


def m(rng, *s):
    return rng.normal(size=s)


BROKEN = {
    "EmbeddingAssign": (
        lambda rng: (EmbeddingAssign(rng, 5, 3), (np.array([[0, 2, 2], [4, 2, 0]]),)),
        {"missing-term", "not-accumulated", "missing-batch-sum"},
        "weight",
    ),
    "EmbeddingOverwrite": (lambda rng: (EmbeddingOverwrite(rng, 5, 3), (np.array([[0, 2, 2], [4, 2, 0]]),)), {"not-accumulated"}, "weight"),
    "EmbeddingMeanOfRepeats": (
        lambda rng: (EmbeddingMeanOfRepeats(rng, 5, 3), (np.array([[0, 2, 2], [4, 2, 0]]),)),
        {"wrong-scale", "wrong-formula"},
        "weight",
    ),
    "GatherRowsSet": (lambda rng: (GatherRowsSet([0, 3, 3, 1, 0]), (m(rng, 4, 3),)), {"missing-term", "not-accumulated"}, "input 0"),
    "PermuteAgain": (
        lambda rng: (PermuteAgain([2, 0, 3, 1]), (m(rng, 3, 4),)),
        {"wrong-formula", "missing-transpose", "wrong-axis"},
        "input 0",
    ),
    "RollSameWay": (lambda rng: (RollSameWay(), (m(rng, 3, 5),)), {"wrong-formula", "missing-transpose", "wrong-axis"}, "input 0"),
    "SortUnsorted": (lambda rng: (SortUnsorted(), (m(rng, 6, 5),)), {"wrong-formula", "missing-transpose", "wrong-axis"}, "input 0"),
    "TopOneEverywhere": (lambda rng: (TopOneEverywhere(), (m(rng, 4, 5),)), {"missing-mask"}, "input 0"),
    "SegmentSumAsMean": (lambda rng: (SegmentSumAsMean(), (m(rng, 6, 3), np.array([0, 0, 0, 1, 1, 1]))), {"wrong-scale"}, "input 0"),
    "SliceZerosWrongPlace": (lambda rng: (SliceZerosWrongPlace(), (m(rng, 3, 6),)), {"wrong-formula", "wrong-axis"}, "input 0"),
    "ConcatenateHalves": (lambda rng: (ConcatenateHalves(), (m(rng, 3, 2), m(rng, 3, 4))), {"wrong-shape"}, None),
    "StackExchanged": (lambda rng: (StackExchanged(), (m(rng, 3, 4), m(rng, 3, 4))), {"swapped"}, None),
    "ScatterAddNoBase": (
        lambda rng: (ScatterAddNoBase([1, 1, 3]), (m(rng, 4, 3), m(rng, 3, 3))),
        {"zero-gradient", "missing-gradient"},
        "input 0",
    ),
    "ScatterSetKeepsBase": (lambda rng: (ScatterSetKeepsBase([1, 3]), (m(rng, 4, 3), m(rng, 2, 3))), {"missing-mask"}, "input 0"),
}
