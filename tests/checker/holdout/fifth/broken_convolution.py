import numpy as np

import netlib as nl


class Conv1d(nl.Layer):  # valid, stride 1; weight (out, in, k)
    def __init__(self, rng, c, o, k):
        self.w = nl.Parameter(rng.normal(size=(o, c, k)))
        self.b = nl.Parameter(rng.normal(size=o))

    def forward(self, x):
        self.x = x.copy()
        k = self.w.shape[2]
        self.t = x.shape[2] - k + 1
        y = sum(np.einsum("oc,nct->not", self.w.value[:, :, j], x[:, :, j : j + self.t]) for j in range(k))
        return y + self.b.value[:, None]

    def weight_grad(self, dout):
        self.b.grad += dout.sum(axis=(0, 2))
        for j in range(self.w.shape[2]):
            self.w.grad[:, :, j] += np.einsum("not,nct->oc", dout, self.x[:, :, j : j + self.t])


class ConvKernelNotReversed(Conv1d):  # dx correlates with the kernel instead of convolving
    def backward(self, dout):
        self.weight_grad(dout)
        dx, k = np.zeros_like(self.x), self.w.shape[2]
        for j in range(k):
            dx[:, :, j : j + self.t] += np.einsum("oc,not->nct", self.w.value[:, :, k - 1 - j], dout)
        return dx


class ConvAssignsTaps(Conv1d):  # = in place of += where windows overlap
    def backward(self, dout):
        self.weight_grad(dout)
        dx = np.zeros_like(self.x)
        for j in range(self.w.shape[2]):
            dx[:, :, j : j + self.t] = np.einsum("oc,not->nct", self.w.value[:, :, j], dout)
        return dx


class ConvBiasMean(Conv1d):  # bias gradient is a mean over positions
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        self.b.grad += dout.mean(axis=2).sum(axis=0)
        for j in range(self.w.shape[2]):
            self.w.grad[:, :, j] += np.einsum("not,nct->oc", dout, self.x[:, :, j : j + self.t])
            dx[:, :, j : j + self.t] += np.einsum("oc,not->nct", self.w.value[:, :, j], dout)
        return dx


class ConvWeightOneSample(Conv1d):  # only the first sample reaches the weight
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        self.b.grad += dout.sum(axis=(0, 2))
        for j in range(self.w.shape[2]):
            self.w.grad[:, :, j] += np.einsum("ot,ct->oc", dout[0], self.x[0, :, j : j + self.t])
            dx[:, :, j : j + self.t] += np.einsum("oc,not->nct", self.w.value[:, :, j], dout)
        return dx


class ConvWeightReversed(Conv1d):  # the taps of the weight's gradient in reverse
    def backward(self, dout):
        dx, k = np.zeros_like(self.x), self.w.shape[2]
        self.b.grad += dout.sum(axis=(0, 2))
        for j in range(k):
            self.w.grad[:, :, k - 1 - j] += np.einsum("not,nct->oc", dout, self.x[:, :, j : j + self.t])
            dx[:, :, j : j + self.t] += np.einsum("oc,not->nct", self.w.value[:, :, j], dout)
        return dx


class ConvChannelsTransposed(Conv1d):  # out and in exchanged in dx
    def backward(self, dout):
        self.weight_grad(dout)
        dx = np.zeros_like(self.x)
        for j in range(self.w.shape[2]):
            dx[:, :, j : j + self.t] += np.einsum("co,not->nct", self.w.value[:, :, j], dout)
        return dx


class DepthwisePadded(nl.Layer):  # padding 1; dx is cut at the wrong place
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
        return dxp[:, :, :t].copy()


class MaxPoolAllElements(nl.Layer):  # every element of the window receives the gradient
    def forward(self, x):
        n, c, h, w = x.shape
        self.xw = x.reshape(n, c, h // 2, 2, w // 2, 2)
        return self.xw.max(axis=(3, 5))

    def backward(self, dout):
        return dout.repeat(2, axis=2).repeat(2, axis=3)


class MaxPoolMinimum(MaxPoolAllElements):  # the mask takes what is not the maximum
    def backward(self, dout):
        m = self.xw != self.xw.max(axis=(3, 5), keepdims=True)
        d = m * dout[:, :, :, None, :, None]
        return d.reshape(d.shape[0], d.shape[1], d.shape[2] * 2, -1)


class AvgPoolNoShare(nl.Layer):  # not divided by the size of the window
    def forward(self, x):
        n, c, h, w = x.shape
        return x.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))

    def backward(self, dout):
        return dout.repeat(2, axis=2).repeat(2, axis=3)


class GlobalAvgPoolHeightOnly(nl.Layer):  # divides by H and not by H W
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dout):
        n, c, h, w = self.shape
        return np.broadcast_to(dout[:, :, None, None] / h, self.shape).copy()


class UpsampleFirstOnly(nl.Layer):  # takes one of the four copies
    def forward(self, x):
        return x.repeat(2, axis=2).repeat(2, axis=3)

    def backward(self, dout):
        return dout[:, :, ::2, ::2].copy()


class PixelShuffleOrder(nl.Layer):  # the axes are put back in the wrong order
    def forward(self, x):
        n, c, h, w = x.shape
        return x.reshape(n, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)

    def backward(self, dout):
        n, c, h, w = dout.shape
        return dout.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 5, 3, 2, 4).reshape(n, 4 * c, h // 2, w // 2)


def img(rng, c=2, h=4, w=6):
    return (rng.normal(size=(3, c, h, w)),)


def line(rng, c=2):
    return (rng.normal(size=(3, c, 7)),)


BROKEN = {
    "ConvKernelNotReversed": (
        lambda rng: (ConvKernelNotReversed(rng, 2, 4, 3), line(rng)),
        {"wrong-formula", "wrong-axis", "missing-transpose"},
        "input 0",
    ),
    "ConvAssignsTaps": (
        lambda rng: (ConvAssignsTaps(rng, 2, 4, 3), line(rng)),
        {"missing-term", "not-accumulated", "wrong-formula"},
        "input 0",
    ),
    "ConvBiasMean": (lambda rng: (ConvBiasMean(rng, 2, 4, 3), line(rng)), {"wrong-scale"}, "b"),
    "ConvWeightOneSample": (lambda rng: (ConvWeightOneSample(rng, 2, 4, 3), line(rng)), {"missing-batch-sum", "missing-term"}, "w"),
    "ConvWeightReversed": (lambda rng: (ConvWeightReversed(rng, 2, 4, 3), line(rng)), {"wrong-formula", "wrong-axis"}, "w"),
    "ConvChannelsTransposed": (lambda rng: (ConvChannelsTransposed(rng, 3, 3, 3), line(rng, 3)), {"missing-transpose"}, "input 0"),
    "DepthwisePadded": (lambda rng: (DepthwisePadded(rng, 2), line(rng)), {"wrong-formula", "wrong-axis"}, "input 0"),
    "MaxPoolAllElements": (lambda rng: (MaxPoolAllElements(), img(rng)), {"missing-mask"}, "input 0"),
    "MaxPoolMinimum": (lambda rng: (MaxPoolMinimum(), img(rng)), {"inverted-mask"}, "input 0"),
    "AvgPoolNoShare": (lambda rng: (AvgPoolNoShare(), img(rng)), {"wrong-scale"}, "input 0"),
    "GlobalAvgPoolHeightOnly": (lambda rng: (GlobalAvgPoolHeightOnly(), img(rng)), {"wrong-scale"}, "input 0"),
    "UpsampleFirstOnly": (lambda rng: (UpsampleFirstOnly(), img(rng, h=2, w=3)), {"missing-term"}, "input 0"),
    "PixelShuffleOrder": (
        lambda rng: (PixelShuffleOrder(), img(rng, c=4, h=2, w=2)),
        {"wrong-axis", "missing-transpose", "wrong-formula"},
        "input 0",
    ),
}
