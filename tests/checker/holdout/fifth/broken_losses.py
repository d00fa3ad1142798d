import numpy as np

import netlib as nl


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class CrossEntropy(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, z, t):
        self.p, self.t = softmax(z), t.copy()
        return -np.log(self.p[np.arange(len(t)), t]).mean()

    def onehot(self):
        return np.eye(self.p.shape[1], dtype=self.p.dtype)[self.t]


class CrossEntropySign(CrossEntropy):  # t - p
    def backward(self, dout):
        return dout * (self.onehot() - self.p) / len(self.t)


class CrossEntropyNoMean(CrossEntropy):  # not divided by N
    def backward(self, dout):
        return dout * (self.p - self.onehot())


class CrossEntropyDropsDout(CrossEntropy):  # dout is not used
    def backward(self, dout):
        return (self.p - self.onehot()) / len(self.t)


class CrossEntropyDividesByElements(CrossEntropy):  # divided by N classes
    def backward(self, dout):
        return dout * (self.p - self.onehot()) / self.p.size


class CrossEntropyTwice(CrossEntropy):  # softmax's Jacobian once more, after p - t
    def backward(self, dout):
        d = dout * (self.p - self.onehot()) / len(self.t)
        return self.p * (d - (d * self.p).sum(axis=1, keepdims=True))


class CrossEntropyWritesP(CrossEntropy):  # p[arange, t] -= 1 in the cache itself
    def backward(self, dout):
        self.p[np.arange(len(self.t)), self.t] -= 1
        return dout * self.p / len(self.t)


class LabelSmoothingHard(nl.Layer):  # smoothed forward, hard targets in backward
    n_nondifferentiable_inputs = 1

    def forward(self, z, t):
        self.p = softmax(z)
        k = z.shape[1]
        self.hard = np.eye(k, dtype=z.dtype)[t]
        self.soft = 0.9 * self.hard + 0.1 / k
        return -(self.soft * np.log(self.p)).sum(axis=1).mean()

    def backward(self, dout):
        return dout * (self.p - self.hard) / len(self.p)


class SquaredHalf(nl.Layer):  # half the square in forward, 2 (y - t) in backward
    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.e = y - t
        return 0.5 * (self.e**2).mean()

    def backward(self, dout):
        return dout * 2 * self.e / self.e.size


class SquaredByRows(SquaredHalf):  # divided by N where the mean is over N D
    def backward(self, dout):
        return dout * self.e / len(self.e)


class SquaredTargetToo(nl.Layer):  # both inputs differentiable; the second with the first's sign
    def forward(self, a, b):
        self.e = a - b
        return (self.e**2).sum()

    def backward(self, dout):
        d = 2 * dout * self.e
        return d, d.copy()


class BinaryCE(nl.Layer):  # d log(1 - p) without the minus of the inner function
    n_nondifferentiable_inputs = 1

    def forward(self, p, t):
        self.p, self.t = p.copy(), t.copy()
        return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()

    def backward(self, dout):
        return -dout * (self.t / self.p + (1 - self.t) / (1 - self.p)) / self.p.size


class HuberInverted(nl.Layer):  # the two branches exchanged
    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.e = y - t
        a = np.abs(self.e)
        return np.where(a < 1, 0.5 * self.e**2, a - 0.5).sum()

    def backward(self, dout):
        return dout * np.where(np.abs(self.e) < 1, np.sign(self.e), self.e)


class HingeNoMask(nl.Layer):  # -t also where the margin is kept
    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.t = t.copy()
        self.m = 1 - t * y
        return np.maximum(self.m, 0).mean()

    def backward(self, dout):
        return -dout * self.t / self.t.size


class TripletPositiveOnly(nl.Layer):  # the anchor receives only the positive pair's gradient
    def forward(self, a, p, n):
        self.ap, self.an = a - p, a - n
        m = (self.ap**2).sum(axis=1) - (self.an**2).sum(axis=1) + 5.0
        self.mask = (m > 0)[:, None]
        return np.maximum(m, 0).sum()

    def backward(self, dout):
        g = 2 * dout * self.mask
        return g * self.ap, -g * self.ap, g * self.an


class KLMissingLog(nl.Layer):  # d(p log(p/q))/dp = log(p/q) + 1: the 1 is missing
    def forward(self, p, q):
        self.p, self.q = p.copy(), q.copy()
        return (p * np.log(p / q)).sum(axis=1)

    def backward(self, dout):
        d = dout[:, None]
        return d * np.log(self.p / self.q), -d * self.p / self.q


def cls(rng, n=5, k=4):
    return rng.normal(size=(n, k)), rng.integers(0, k, size=n)


def reg(rng, n=4, d=3):
    return rng.normal(size=(n, d)), rng.normal(size=(n, d))


def prob(rng, n=4, k=3):
    p = rng.uniform(0.2, 1, size=(n, k))
    return p / p.sum(axis=1, keepdims=True)


BROKEN = {
    "CrossEntropySign": (lambda rng: (CrossEntropySign(), cls(rng)), {"wrong-sign"}, "input 0"),
    "CrossEntropyNoMean": (lambda rng: (CrossEntropyNoMean(), cls(rng)), {"wrong-scale"}, "input 0"),
    "CrossEntropyDropsDout": (lambda rng: (CrossEntropyDropsDout(), cls(rng)), {"ignores-upstream"}, "input 0"),
    "CrossEntropyDividesByElements": (lambda rng: (CrossEntropyDividesByElements(), cls(rng)), {"wrong-scale"}, "input 0"),
    "CrossEntropyTwice": (lambda rng: (CrossEntropyTwice(), cls(rng)), {"wrong-formula", "double-counted"}, "input 0"),
    "CrossEntropyWritesP": (lambda rng: (CrossEntropyWritesP(), cls(rng)), {"stale-cache"}, "input 0"),
    "LabelSmoothingHard": (lambda rng: (LabelSmoothingHard(), cls(rng)), {"wrong-formula", "missing-term"}, "input 0"),
    "SquaredHalf": (lambda rng: (SquaredHalf(), reg(rng)), {"wrong-scale"}, "input 0"),
    "SquaredByRows": (lambda rng: (SquaredByRows(), reg(rng)), {"wrong-scale"}, "input 0"),
    "SquaredTargetToo": (lambda rng: (SquaredTargetToo(), reg(rng)), {"wrong-sign"}, "input 1"),
    "BinaryCE": (
        lambda rng: (BinaryCE(), (rng.uniform(0.1, 0.9, size=(5, 3)), np.tile([0.0, 1.0, 0.0], (5, 1)))),
        {"wrong-sign", "wrong-formula"},
        "input 0",
    ),
    "HuberInverted": (
        lambda rng: (HuberInverted(), (3 * rng.normal(size=(6, 3)), np.zeros((6, 3)))),
        {"inverted-mask", "wrong-formula"},
        "input 0",
    ),
    "HingeNoMask": (
        lambda rng: (HingeNoMask(), (2 * rng.normal(size=(6, 3)), np.sign(rng.normal(size=(6, 3))))),
        {"missing-mask"},
        "input 0",
    ),
    "TripletPositiveOnly": (lambda rng: (TripletPositiveOnly(), (*reg(rng), rng.normal(size=(4, 3)))), {"missing-term"}, "input 0"),
    "KLMissingLog": (lambda rng: (KLMissingLog(), (prob(rng), prob(rng))), {"missing-term"}, "input 0"),
}
