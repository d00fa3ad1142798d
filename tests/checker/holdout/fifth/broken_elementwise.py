import numpy as np

import netlib as nl


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class X(nl.Layer):
    def forward(self, x):
        self.x = x.copy()
        return self.f(x)

    def backward(self, dout):
        return dout * self.slope(self.x)


class SiluSigmoidOnly(X):  # x times sigmoid's slope is left out
    def f(self, x):
        return x * sigmoid(x)

    def slope(self, x):
        return sigmoid(x)


class TanhOfOutputSquared(X):  # 1 - x²
    def f(self, x):
        return np.tanh(x)

    def slope(self, x):
        return 1 - x**2


class SoftplusTanh(X):  # tanh where the sigmoid belongs
    def f(self, x):
        return np.log1p(np.exp(x))

    def slope(self, x):
        return np.tanh(x)


class GeluTanhInner(X):  # tanh GELU without the inner derivative
    def f(self, x):
        return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))

    def slope(self, x):
        t = np.tanh(0.7978845608 * (x + 0.044715 * x**3))
        return 0.5 * (1 + t) + 0.5 * x * (1 - t**2)


class LeakyExchanged(X):  # slopes exchanged
    def f(self, x):
        return np.where(x > 0, x, 0.1 * x)

    def slope(self, x):
        return np.where(x > 0, np.asarray(0.1, x.dtype), np.asarray(1.0, x.dtype))


class LeakyAsRelu(X):  # zero on the negative side
    def f(self, x):
        return np.where(x > 0, x, 0.1 * x)

    def slope(self, x):
        return (x > 0).astype(x.dtype)


class EluNegativeSign(X):  # alpha e^x with the wrong sign on the negative side
    def f(self, x):
        return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)

    def slope(self, x):
        return np.where(x > 0, np.ones_like(x), -np.exp(np.minimum(x, 0)))


class SqrtForgetsTwo(X):  # 1/w for 1/(2 w)
    def f(self, x):
        return np.sqrt(x * x + 1)

    def slope(self, x):
        return 2 * x / np.sqrt(x * x + 1)


class ReciprocalSign(X):  # +1/x²
    def f(self, x):
        return 1 / x

    def slope(self, x):
        return 1 / x**2


class PowerExponent(X):  # 3 x³
    def f(self, x):
        return x**3

    def slope(self, x):
        return 3 * x**3


class LogOfBaseTen(X):  # 1/x for the decimal logarithm
    def f(self, x):
        return np.log10(x)

    def slope(self, x):
        return 1 / x


class ClipPassesAll(X):  # the gradient also outside the bounds
    def f(self, x):
        return np.clip(x, -0.5, 0.5)

    def slope(self, x):
        return np.ones_like(x)


class ClipsGradient(nl.Layer):  # the gradient itself is clipped
    def forward(self, x):
        self.x = x.copy()
        return 3 * x**2

    def backward(self, dout):
        return np.clip(6 * self.x * dout, -1, 1)


class ISRLUNoDout(nl.Layer):  # x / sqrt(1 + x²) for x < 0; backward leaves dout out
    def forward(self, x):
        self.r = 1 / np.sqrt(1 + np.minimum(x, 0) ** 2)
        return x * self.r

    def backward(self, dout):
        return self.r**3


class ReluByDout(nl.Layer):  # mask of dout
    def forward(self, x):
        return np.maximum(x, 0)

    def backward(self, dout):
        return dout * (dout > 0)


class SwishBeta(nl.Layer):  # beta's gradient without the factor x of the inner function
    def __init__(self):
        self.beta = nl.Parameter(np.array(1.3))

    def forward(self, x):
        self.x = x.copy()
        self.s = sigmoid(self.beta.value * x)
        return x * self.s

    def backward(self, dout):
        k = self.s * (1 - self.s)
        self.beta.grad += (dout * self.x * k).sum()
        return dout * (self.s + self.beta.value * self.x * k)


def x(rng, n=4, d=5):
    return (rng.normal(size=(n, d)),)


BROKEN = {
    "SiluSigmoidOnly": (lambda rng: (SiluSigmoidOnly(), x(rng)), {"missing-term"}, "input 0"),
    "TanhOfOutputSquared": (lambda rng: (TanhOfOutputSquared(), x(rng)), {"wrong-formula"}, "input 0"),
    "SoftplusTanh": (lambda rng: (SoftplusTanh(), x(rng)), {"wrong-formula"}, "input 0"),
    "GeluTanhInner": (lambda rng: (GeluTanhInner(), x(rng)), {"wrong-formula", "missing-term"}, "input 0"),
    "LeakyExchanged": (lambda rng: (LeakyExchanged(), x(rng)), {"inverted-mask"}, "input 0"),
    "LeakyAsRelu": (lambda rng: (LeakyAsRelu(), x(rng)), {"wrong-formula", "missing-term"}, "input 0"),
    "EluNegativeSign": (lambda rng: (EluNegativeSign(), x(rng)), {"wrong-sign", "wrong-formula"}, "input 0"),
    "SqrtForgetsTwo": (lambda rng: (SqrtForgetsTwo(), x(rng)), {"wrong-scale"}, "input 0"),
    "ReciprocalSign": (lambda rng: (ReciprocalSign(), (rng.uniform(0.5, 2, size=(3, 4)),)), {"wrong-sign"}, "input 0"),
    "PowerExponent": (lambda rng: (PowerExponent(), x(rng)), {"wrong-formula"}, "input 0"),
    "LogOfBaseTen": (lambda rng: (LogOfBaseTen(), (rng.uniform(0.5, 2, size=(3, 4)),)), {"wrong-scale"}, "input 0"),
    "ClipPassesAll": (lambda rng: (ClipPassesAll(), x(rng)), {"missing-mask"}, "input 0"),
    "ClipsGradient": (lambda rng: (ClipsGradient(), x(rng)), {"wrong-formula"}, "input 0"),
    "ISRLUNoDout": (lambda rng: (ISRLUNoDout(), x(rng)), {"ignores-upstream"}, "input 0"),
    "ReluByDout": (lambda rng: (ReluByDout(), x(rng)), {"wrong-formula", "missing-mask"}, "input 0"),
    "SwishBeta": (lambda rng: (SwishBeta(), x(rng)), {"wrong-formula", "missing-term"}, "beta"),
}
