import numpy as np

import netlib as nl


class SubtractSign(nl.Layer):  # a - b: b's sign
    def forward(self, a, b):
        return a - b

    def backward(self, dout):
        return dout.copy(), dout.copy()


class DivideExchanged(nl.Layer):  # (db, da)
    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return a / b

    def backward(self, dout):
        return -dout * self.a / self.b**2, dout / self.b


class DivideNoSquare(DivideExchanged):  # a / b in place of a / b²
    def backward(self, dout):
        return dout / self.b, -dout * self.a / self.b


class MaximumBoth(nl.Layer):  # both receive all
    def forward(self, a, b):
        self.m = a > b
        return np.maximum(a, b)

    def backward(self, dout):
        return dout.copy(), dout.copy()


class WhereInverted(nl.Layer):  # branches exchanged
    n_nondifferentiable_inputs = 1

    def forward(self, a, b, c):
        self.c = c.copy()
        return np.where(c, a, b)

    def backward(self, dout):
        return dout * ~self.c, dout * self.c


class ReturnsList(nl.Layer):  # only one gradient comes back
    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return a * b

    def backward(self, dout):
        return dout * self.b


class SecondIsNone(ReturnsList):  # None for the second input
    def backward(self, dout):
        return dout * self.b, None


class ThreeRotated(nl.Layer):  # the gradients of three inputs, rotated by one
    def forward(self, a, b, c):
        self.a, self.b, self.c = a.copy(), b.copy(), c.copy()
        return a * b + c**2

    def backward(self, dout):
        return 2 * dout * self.c, dout * self.b, dout * self.a


class LerpWeight(nl.Layer):  # a + w (b - a): w's gradient with the sign of a - b
    def forward(self, a, b, w):
        self.a, self.b, self.w = a.copy(), b.copy(), w.copy()
        return a + w * (b - a)

    def backward(self, dout):
        return dout * (1 - self.w), dout * self.w, dout * (self.a - self.b)


class SinCosOneOutput(nl.Layer):  # only the first output's gradient
    n_outputs = 2

    def forward(self, x):
        self.s, self.c = np.sin(x), np.cos(x)
        return self.s.copy(), self.c.copy()

    def backward(self, dout):
        return dout[0] * self.c


class SinCosExchanged(SinCosOneOutput):  # the two upstream gradients exchanged
    def backward(self, dout):
        dc, ds = dout
        return ds * self.c - dc * self.s


class SplitMean(nl.Layer):  # two outputs; the mean's gradient is not spread by 1/n
    n_outputs = 2

    def forward(self, x):
        self.n = x.shape[1]
        m = x.mean(axis=1, keepdims=True)
        return x - m, m

    def backward(self, dout):
        dc, dm = dout
        return dc - dc.mean(axis=1, keepdims=True) + dm


class PolarAngleLost(nl.Layer):  # (r, angle) -> (x, y); the radius' gradient takes x alone
    n_outputs = 2

    def forward(self, r, t):
        self.r, self.s, self.c = r.copy(), np.sin(t), np.cos(t)
        return r * self.c, r * self.s

    def backward(self, dout):
        dx, dy = dout
        return dx * self.c, self.r * (dy * self.c - dx * self.s)


def r(rng, k):
    return tuple(rng.normal(size=(4, 3)) for _ in range(k))


def pos(rng):
    return rng.normal(size=(4, 3)), rng.uniform(0.5, 2, size=(4, 3))


BROKEN = {
    "SubtractSign": (lambda rng: (SubtractSign(), r(rng, 2)), {"wrong-sign"}, "input 1"),
    "DivideExchanged": (lambda rng: (DivideExchanged(), pos(rng)), {"swapped"}, None),
    "DivideNoSquare": (lambda rng: (DivideNoSquare(), pos(rng)), {"wrong-formula", "missing-term"}, "input 1"),
    "MaximumBoth": (lambda rng: (MaximumBoth(), r(rng, 2)), {"missing-mask"}, None),
    "WhereInverted": (lambda rng: (WhereInverted(), (*r(rng, 2), rng.normal(size=(4, 3)) > 0)), {"inverted-mask", "swapped"}, None),
    "ReturnsOne": (lambda rng: (ReturnsList(), r(rng, 2)), {"missing-gradient"}, "input 1"),
    "SecondIsNone": (lambda rng: (SecondIsNone(), r(rng, 2)), {"missing-gradient"}, "input 1"),
    "ThreeRotated": (lambda rng: (ThreeRotated(), r(rng, 3)), {"swapped"}, None),
    "LerpWeight": (lambda rng: (LerpWeight(), r(rng, 3)), {"wrong-sign"}, "input 2"),
    "SinCosOneOutput": (lambda rng: (SinCosOneOutput(), r(rng, 1)), {"missing-term", "ignores-upstream"}, "input 0"),
    "SinCosExchanged": (lambda rng: (SinCosExchanged(), r(rng, 1)), {"swapped", "wrong-formula"}, "input 0"),
    "SplitMean": (lambda rng: (SplitMean(), r(rng, 1)), {"wrong-scale", "wrong-formula"}, "input 0"),
    "PolarAngleLost": (lambda rng: (PolarAngleLost(), pos(rng)[::-1]), {"missing-term"}, "input 0"),
}
