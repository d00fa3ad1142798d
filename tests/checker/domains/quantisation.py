"""Piecewise constant parts with honest gradients (zeros), learned steps, levels and clips. No straight-through estimators."""

import numpy as np

import netlib as nl


class Round(nl.Layer):
    """Rounding has zero slope wherever it has one."""

    def forward(self, x):
        return np.round(x)

    def backward(self, dout):
        return np.zeros_like(dout)


class SignBit(nl.Layer):
    def forward(self, x):
        if np.any(x == 0):
            raise ValueError("sign of zero")
        self.x = x
        return np.sign(x)

    def backward(self, dout):
        return 0 * dout


class StepQuantiser(nl.Layer):
    """s · floor(x / s): zero for x, floor(x / s) for the learned step s > 0."""

    def __init__(self, step=0.25):
        self.step = nl.Parameter(np.array([step]))

    def forward(self, x):
        if self.step.value[0] <= 0:
            raise ValueError("step must be positive")
        self.k = np.floor(x / self.step.value)
        return self.k * self.step.value

    def backward(self, dout):
        self.step.grad += (dout * self.k).sum()
        return np.zeros_like(dout)


class QuantisationError(nl.Layer):
    """x - round(x): slope one."""

    def forward(self, x):
        return x - np.rint(x)

    def backward(self, dout):
        return dout.copy()


class PACT(nl.Layer):
    """Clips to [0, alpha] with a learned alpha."""

    def __init__(self, alpha=1.0, dtype=np.float32):
        self.alpha = nl.Parameter(np.array([alpha], dtype))

    def forward(self, x):
        a = self.alpha.value
        self.inside, self.above = (x > 0) & (x < a), x >= a
        return np.clip(x, 0, a)

    def backward(self, dout):
        self.alpha.grad += (dout * self.above).sum()
        return dout * self.inside


class LearnedRange(nl.Layer):
    """Clip with learned low < high per channel, starting at -1 and 1."""

    def __init__(self, channels):
        self.low, self.high = nl.Parameter(-np.ones(channels)), nl.Parameter(np.ones(channels))

    def forward(self, x):
        if (self.low.value >= self.high.value).any():
            raise ValueError("empty range")
        self.below, self.above = x < self.low.value, x > self.high.value
        return np.clip(x, self.low.value, self.high.value)

    def backward(self, dout):
        self.low.grad += (dout * self.below).sum(axis=0)
        self.high.grad += (dout * self.above).sum(axis=0)
        return np.where(self.below | self.above, 0, dout)


class Codebook(nl.Layer):
    """Nearest learned code per row: gradient for codes, zeros for x."""

    def __init__(self, rng, codes, features):
        self.codes = nl.Parameter(rng.normal(size=(codes, features)))

    def forward(self, x):
        d = ((x[:, None] - self.codes.value) ** 2).sum(-1)
        self.k = d.argmin(axis=1)
        return self.codes.value[self.k]

    def backward(self, dout):
        np.add.at(self.codes.grad, self.k, dout)
        return np.zeros_like(dout)


class CommitmentLoss(nl.Layer):
    """Squared distance to the nearest code, with both true gradients."""

    def forward(self, x, codes):
        self.k = ((x[:, None] - codes) ** 2).sum(-1).argmin(1)
        self.d = x - codes[self.k]
        self.shape = codes.shape
        return (self.d**2).sum(1)

    def backward(self, dout):
        g = 2 * dout[:, None] * self.d
        dc = np.zeros(self.shape)
        np.subtract.at(dc, self.k, g)
        return g, dc


class TernaryScale(nl.Layer):
    """a · sign(w) for |w| > 0.3 else 0; learned a > 0."""

    def __init__(self):
        self.a = nl.Parameter(np.ones(1))

    def forward(self, w):
        self.t = np.sign(w) * (np.abs(w) > 0.3)
        return self.a.value * self.t

    def backward(self, dout):
        self.a.grad += (dout * self.t).sum()
        return np.zeros_like(dout)


class HardOneHot(nl.Layer):
    """One-hot of the largest score: constant around every score without ties."""

    def forward(self, x):
        return np.eye(x.shape[-1], dtype=x.dtype)[x.argmax(-1)]

    def backward(self, dout):
        return np.zeros_like(dout)


class TopKMask(nl.Layer):
    def __init__(self, k=2):
        self.k = k

    def forward(self, x):
        kth = np.partition(x, -self.k, axis=-1)[..., -self.k, None]
        self.m = (x >= kth).astype(x.dtype)
        return x * self.m

    def backward(self, dout):
        return dout * self.m


class GreaterThan(nl.Layer):
    """Comparison of two inputs as a float; zeros for both."""

    def forward(self, a, b):
        return (a > b).astype(a.dtype)

    def backward(self, dout):
        return np.zeros_like(dout), np.zeros_like(dout)


class GatedByThreshold(nl.Layer):
    """x where gate > 0.5: gradient for x alone, zeros for the gate."""

    def forward(self, x, gate):
        self.open = gate > 0.5
        return np.where(self.open, x, 0)

    def backward(self, dout):
        return dout * self.open, np.zeros_like(dout)


class DeadZone(nl.Layer):
    """Shrinks by a learned threshold, zero inside."""

    def __init__(self, t=0.2):
        self.t = nl.Parameter(np.array(t))

    def forward(self, x):
        self.sign = np.sign(x) * (np.abs(x) > self.t.value)
        return x * np.abs(self.sign) - self.t.value * self.sign

    def backward(self, dout):
        self.t.grad -= (dout * self.sign).sum()
        return dout * np.abs(self.sign)


class FixedPoint(nl.Layer):
    """Integers 0 … 255 stored as floats, to [0, 1] and a learned gamma; exact zeros occur."""

    def __init__(self):
        self.gain = nl.Parameter(np.ones(1))

    def forward(self, x):
        if np.any(x < 0) or np.any(x > 255):
            raise ValueError("pixels must be 0 … 255")
        self.x = x / 255
        return self.gain.value * self.x

    def backward(self, dout):
        self.gain.grad += (dout * self.x).sum()
        return dout * self.gain.value / 255


class BinCount(nl.Layer):
    """Histogram of x in [0, 1): counts do not change under small movements."""

    def forward(self, x):
        self.shape = x.shape
        return np.histogram(x, bins=4, range=(0, 1))[0].astype(x.dtype)

    def backward(self, dout):
        return np.zeros(self.shape, dout.dtype)


class SoftHistogram(nl.Layer):
    """Linear votes in two neighbouring bins, x in (0, 1)."""

    def forward(self, x):
        u = x * 3
        self.i = np.floor(u).astype(int)
        f = u - self.i
        y = np.zeros(4)
        np.add.at(y, self.i, 1 - f)
        np.add.at(y, self.i + 1, f)
        return y

    def backward(self, dout):
        return 3 * (dout[self.i + 1] - dout[self.i])


class IntegerPower(nl.Layer):
    """x ** n for whole n stored as floats, negative x allowed: n has no gradient."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, n):
        self.x, self.n = x, n
        return x**n

    def backward(self, dout):
        return dout * self.n * self.x ** (self.n - 1)


class ParityFlip(nl.Layer):
    """(-1)^n x for whole numbers n as floats; zeros for n."""

    def forward(self, x, n):
        self.s = 1.0 - 2.0 * (n % 2)
        self.n = n
        return x * self.s

    def backward(self, dout):
        return dout * self.s, np.zeros_like(self.n)


class Modulo(nl.Layer):
    """Wraps positions into a cell of learned length > 0: x - L floor(x / L)."""

    def __init__(self):
        self.length = nl.Parameter(np.ones(1))

    def forward(self, x):
        self.k = np.floor(x / self.length.value)
        return np.mod(x, self.length.value)

    def backward(self, dout):
        self.length.grad -= (dout * self.k).sum()
        return dout.copy()


class Staircase(nl.Layer):
    """Cost per started unit plus a slope: ceil(x) + 0.1 x."""

    def forward(self, x):
        return np.ceil(x) + 0.1 * x

    def backward(self, dout):
        return 0.1 * dout


class TaxBrackets(nl.Layer):
    """Progressive tax on income >= 0, with sorted brackets and learned rates."""

    def __init__(self):
        self.edges = np.array([0.0, 1.0, 2.5])
        self.rates = nl.Parameter(np.array([0.1, 0.25, 0.4]))

    def forward(self, income):
        if np.any(income < 0):
            raise ValueError("income must not be negative")
        width = np.append(np.diff(self.edges), np.inf)
        self.part = np.clip(income[:, None] - self.edges, 0, width)
        self.top = np.digitize(income, self.edges) - 1
        return self.part @ self.rates.value

    def backward(self, dout):
        self.rates.grad += dout @ self.part
        return dout * self.rates.value[self.top]


def halves(rng, *shape):
    """Away from the edges of rounding."""
    return rng.integers(-3, 4, shape) + rng.uniform(-0.45, 0.45, shape)


LAYERS = {
    "Round": lambda rng: (Round(), (halves(rng, 3, 4),)),
    "SignBit": lambda rng: (SignBit(), (rng.normal(size=(3, 4)),)),
    "StepQuantiser": lambda rng: (StepQuantiser(), ((rng.integers(-6, 6, (3, 4)) + rng.uniform(0.1, 0.9, (3, 4))) * 0.25,)),
    "QuantisationError": lambda rng: (QuantisationError(), (halves(rng, 8),)),
    "PACT": lambda rng: (PACT(), (rng.normal(size=(4, 3)).astype(np.float32),)),
    "LearnedRange": lambda rng: (LearnedRange(3), (1.5 * rng.normal(size=(6, 3)),)),
    "Codebook": lambda rng: (Codebook(rng, 4, 3), (rng.normal(size=(6, 3)),)),
    "CommitmentLoss": lambda rng: (CommitmentLoss(), (rng.normal(size=(6, 3)), rng.normal(size=(4, 3)))),
    "TernaryScale": lambda rng: (TernaryScale(), (rng.normal(size=(4, 4)),)),
    "HardOneHot": lambda rng: (HardOneHot(), (rng.normal(size=(4, 5)),)),
    "TopKMask": lambda rng: (TopKMask(), (rng.normal(size=(4, 6)),)),
    "GreaterThan": lambda rng: (GreaterThan(), (rng.normal(size=(3, 4)), rng.normal(size=(3, 4)))),
    "GatedByThreshold": lambda rng: (GatedByThreshold(), (rng.normal(size=(3, 4)), rng.uniform(0, 1, (3, 4)))),
    "GatedBy01": lambda rng: (GatedByThreshold(), (rng.normal(size=(3, 4)), rng.integers(0, 2, (3, 4)).astype(float))),
    "DeadZone": lambda rng: (DeadZone(), (rng.normal(size=(3, 4)),)),
    "FixedPoint": lambda rng: (FixedPoint(), (rng.integers(0, 255, (2, 5)).astype(float),)),
    "BinCount": lambda rng: (BinCount(), (rng.uniform(0.02, 0.98, 9),)),
    "SoftHistogram": lambda rng: (SoftHistogram(), (rng.uniform(0.02, 0.98, 9),)),
    "IntegerPower": lambda rng: (IntegerPower(), (rng.normal(size=(6,)), rng.integers(1, 5, 6).astype(float))),
    "ParityFlip": lambda rng: (ParityFlip(), (rng.normal(size=(3, 4)), rng.integers(0, 9, (3, 4)).astype(float))),
    "Modulo": lambda rng: (Modulo(), (rng.integers(-3, 4, (3, 4)) + rng.uniform(0.1, 0.9, (3, 4)),)),
    "Staircase": lambda rng: (Staircase(), (rng.integers(0, 6, 6) + rng.uniform(0.1, 0.9, 6),)),
    "TaxBrackets": lambda rng: (TaxBrackets(), (rng.gamma(2, 1, 7),)),
}
MOVES = {"FixedPoint": ("nz",), "ParityFlip": ("free", "fixed"), "SoftHistogram": ("free",)}
