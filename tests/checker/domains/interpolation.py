"""Interpolation on sorted knots, lookups, resampling, numerical integration on a grid."""

import numpy as np

import netlib as nl


class LinearInterpolation(nl.Layer):
    """Like np.interp: sorted knots, queries inside them; gradient for queries, knots and values."""

    def forward(self, x, knots, values):
        i = np.clip(np.searchsorted(knots, x) - 1, 0, len(knots) - 2)
        self.i = i
        self.h = knots[i + 1] - knots[i]
        self.w = (x - knots[i]) / self.h
        self.slope = (values[i + 1] - values[i]) / self.h
        self.n = len(knots)
        return values[i] + self.w * (values[i + 1] - values[i])

    def backward(self, dout):
        dk, dv = np.zeros(self.n, dout.dtype), np.zeros(self.n, dout.dtype)
        np.add.at(dk, self.i, -dout * self.slope * (1 - self.w))
        np.add.at(dk, self.i + 1, -dout * self.slope * self.w)
        np.add.at(dv, self.i, dout * (1 - self.w))
        np.add.at(dv, self.i + 1, dout * self.w)
        return dout * self.slope, dk, dv


class InterpFixedGrid(nl.Layer):
    """np.interp with a grid that is not trained, and values as parameters (zeros at first)."""

    def __init__(self, grid):
        if np.any(np.diff(grid) <= 0):
            raise ValueError("grid must increase")
        self.grid = grid
        self.values = nl.Parameter(np.zeros(len(grid)))

    def forward(self, x):
        self.x = x
        return np.interp(x, self.grid, self.values.value)

    def backward(self, dout):
        g, v = self.grid, self.values.value
        i = np.clip(np.searchsorted(g, self.x) - 1, 0, len(g) - 2)
        h = g[i + 1] - g[i]
        w = (self.x - g[i]) / h
        np.add.at(self.values.grad, i, dout * (1 - w))
        np.add.at(self.values.grad, i + 1, dout * w)
        return dout * (v[i + 1] - v[i]) / h


class CalibrationTable(nl.Layer):
    """A calibrated curve: learned sorted knots, fixed outputs 0, 1, 2, …"""

    def __init__(self, n):
        self.knots = nl.Parameter(np.linspace(0, 1, n))

    def forward(self, x):
        k = self.knots.value
        if np.any(np.diff(k) <= 0):
            raise ValueError("knots must stay sorted")
        self.i = np.clip(np.searchsorted(k, x) - 1, 0, len(k) - 2)
        self.h = k[self.i + 1] - k[self.i]
        self.w = (x - k[self.i]) / self.h
        return self.i + self.w

    def backward(self, dout):
        d = dout / self.h
        np.add.at(self.knots.grad, self.i, -d * (1 - self.w))
        np.add.at(self.knots.grad, self.i + 1, -d * self.w)
        return d


class LagrangeInterpolation(nl.Layer):
    """Interpolating polynomial through distinct nodes; gradient for query and values."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, values, nodes):
        d = nodes[:, None] - nodes[None] + np.eye(len(nodes))
        e = x[:, None] - nodes
        self.L = np.stack([np.prod(np.delete(e, j, 1), 1) / np.prod(d[j]) for j in range(len(nodes))], 1)
        self.dL = np.stack(
            [sum(np.prod(np.delete(e, [j, k], 1), 1) for k in range(len(nodes)) if k != j) / np.prod(d[j]) for j in range(len(nodes))], 1
        )
        self.values = values
        return self.L @ values

    def backward(self, dout):
        return dout * (self.dL @ self.values), self.L.T @ dout


class CubicHermite(nl.Layer):
    """Cubic Hermite segment for t in [0, 1]."""

    def forward(self, t, p0, p1, m0, m1):
        if np.any((t < 0) | (t > 1)):
            raise ValueError("t must lie in [0, 1]")
        self.t, self.p = t, (p0, p1, m0, m1)
        self.b = 2 * t**3 - 3 * t**2 + 1, 3 * t**2 - 2 * t**3, t**3 - 2 * t**2 + t, t**3 - t**2
        return sum(b * p for b, p in zip(self.b, self.p, strict=False))

    def backward(self, dout):
        t = self.t
        db = 6 * t**2 - 6 * t, 6 * t - 6 * t**2, 3 * t**2 - 4 * t + 1, 3 * t**2 - 2 * t
        return (dout * sum(b * p for b, p in zip(db, self.p, strict=False)), *(dout * b for b in self.b))


class BilinearSample(nl.Layer):
    """Samples an image (H, W) at positions inside it, in pixels."""

    def forward(self, image, yx):
        _H, _W = image.shape
        i = np.floor(yx).astype(int)
        self.f = yx - i
        self.i, self.image = i, image
        fy, fx = self.f.T
        a, b, c, d = self._corners(image)
        return a * (1 - fy) * (1 - fx) + b * (1 - fy) * fx + c * fy * (1 - fx) + d * fy * fx

    def _corners(self, im):
        y, x = self.i.T
        return im[y, x], im[y, x + 1], im[y + 1, x], im[y + 1, x + 1]

    def backward(self, dout):
        fy, fx = self.f.T
        y, x = self.i.T
        a, b, c, d = self._corners(self.image)
        di = np.zeros_like(self.image)
        np.add.at(di, (y, x), dout * (1 - fy) * (1 - fx))
        np.add.at(di, (y, x + 1), dout * (1 - fy) * fx)
        np.add.at(di, (y + 1, x), dout * fy * (1 - fx))
        np.add.at(di, (y + 1, x + 1), dout * fy * fx)
        dy = dout * ((c - a) * (1 - fx) + (d - b) * fx)
        dx = dout * ((b - a) * (1 - fy) + (d - c) * fy)
        return di, np.stack([dy, dx], axis=1)


class GatherAtFloatIndex(nl.Layer):
    """Nearest lookup; positions are whole numbers stored as floats."""

    n_nondifferentiable_inputs = 1

    def forward(self, table, index):
        self.shape, self.i = table.shape, index.astype(int)
        return table[self.i]

    def backward(self, dout):
        d = np.zeros(self.shape, dout.dtype)
        np.add.at(d, self.i, dout)
        return d


class NearestSample(nl.Layer):
    """Nearest neighbour at real positions: piecewise constant in the positions, so zeros for them."""

    def forward(self, signal, position):
        self.i = np.clip(np.rint(position).astype(int), 0, len(signal) - 1)
        self.n, self.p = len(signal), position
        return signal[self.i]

    def backward(self, dout):
        return np.bincount(self.i, dout, self.n).astype(dout.dtype), np.zeros_like(self.p)


class TrapezoidIntegral(nl.Layer):
    """∫ y dx on sorted x."""

    def forward(self, y, x):
        assert np.all(np.diff(x) > 0), "x must be sorted"
        self.y, self.h = y, np.diff(x)
        return ((y[..., 1:] + y[..., :-1]) / 2 * self.h).sum(-1)

    def backward(self, dout):
        d = dout[..., None]
        dy = np.zeros_like(self.y)
        dy[..., 1:] += d * self.h / 2
        dy[..., :-1] += d * self.h / 2
        dh = (d * (self.y[..., 1:] + self.y[..., :-1]) / 2).reshape(-1, len(self.h)).sum(0)
        dx = np.zeros(len(self.h) + 1, dh.dtype)
        dx[1:] += dh
        dx[:-1] -= dh
        return dy, dx


class NonuniformDerivative(nl.Layer):
    """dy/dt by differences; times increase."""

    def forward(self, y, t):
        self.dt = t[1:] - t[:-1]
        if self.dt.min() <= 0:
            raise ValueError("times must increase")
        self.v = (y[1:] - y[:-1]) / self.dt
        return self.v

    def backward(self, dout):
        g = dout / self.dt

        def pad(a):
            return np.concatenate([[0], a, [0]]).astype(a.dtype)

        return -np.diff(pad(g)), np.diff(pad(g * self.v))


class LogLogInterpolation(nl.Layer):
    """Power-law interpolation between (x0, y0) and (x1, y1), all positive, x0 < x1."""

    def forward(self, x, x0, y0, x1, y1):
        self.c = x, x0, y0, x1, y1
        self.L = np.log(x1 / x0)
        self.w = np.log(x / x0) / self.L
        self.y = y0 * (y1 / y0) ** self.w
        return self.y

    def backward(self, dout):
        x, x0, y0, x1, y1 = self.c
        d, s = dout * self.y, np.log(y1 / y0)
        dw = d * s / self.L
        return dw / x, -dw * (1 - self.w) / x0, d * (1 - self.w) / y0, -dw * self.w / x1, d * self.w / y1


class InverseDistanceWeighting(nl.Layer):
    """Shepard's method away from the data points; stations are fixed."""

    n_nondifferentiable_inputs = 1

    def forward(self, q, values, stations):
        self.diff = q[:, None] - stations
        self.d2 = (self.diff**2).sum(-1)
        self.w = 1 / self.d2
        self.s = self.w.sum(1)
        self.y = self.w @ values / self.s
        self.values = values
        return self.y

    def backward(self, dout):
        k = (dout / self.s)[:, None]
        dw = k * (self.values - self.y[:, None])
        dq = (-2 * dw * self.w**2)[..., None] * self.diff
        return dq.sum(1), (k * self.w).sum(0)


class HatBasis(nl.Layer):
    """Linear B-splines on sorted knots: weights that sum to one, for x within the knots."""

    def __init__(self, knots):
        self.knots = np.asarray(knots, float)

    def forward(self, x):
        k = self.knots
        self.i = np.searchsorted(k, x, side="right") - 1
        self.h = (k[self.i + 1] - k[self.i]).astype(x.dtype)
        w = (x - k[self.i].astype(x.dtype)) / self.h
        y = np.zeros((len(x), len(k)), x.dtype)
        r = np.arange(len(x))
        y[r, self.i], y[r, self.i + 1] = 1 - w, w
        return y

    def backward(self, dout):
        r = np.arange(len(dout))
        return (dout[r, self.i + 1] - dout[r, self.i]) / self.h


class ClipBetween(nl.Layer):
    """Clips x between two inputs with low <= high."""

    def forward(self, x, low, high):
        self.below, self.above = x < low, x > high
        return np.minimum(np.maximum(x, low), high)

    def backward(self, dout):
        return dout * ~(self.below | self.above), dout * self.below, dout * self.above


class WhereBetween(nl.Layer):
    """The same with np.where, written for low < high."""

    def forward(self, x, low, high):
        if (low > high).any():
            raise ValueError("low must not exceed high")
        self.low, self.high = x <= low, x >= high
        return np.where(self.low, low, np.where(self.high, high, x))

    def backward(self, dout):
        zero = np.zeros_like(dout)
        return (
            np.where(self.low | self.high, zero, dout),
            np.where(self.low, dout, zero),
            np.where(self.high, dout, zero),
        )


class InverseLerp(nl.Layer):
    """Position of x between low and high (low < x < high)."""

    def forward(self, x, low, high):
        self.r = 1 / np.maximum(high - low, 1e-6)
        self.u = (x - low) * self.r
        return np.clip(self.u, 0, 1)

    def backward(self, dout):
        d = dout * self.r
        return d, -d * (1 - self.u), -d * self.u


class Bucketize(nl.Layer):
    """A histogram-style step function on sorted edges: levels are learned, x has zero gradient."""

    def __init__(self, edges):
        self.edges = np.sort(edges)
        self.levels = nl.Parameter(np.zeros(len(edges) + 1))

    def forward(self, x):
        self.i = np.digitize(x, self.edges)
        return self.levels.value[self.i]

    def backward(self, dout):
        np.add.at(self.levels.grad, self.i, dout)
        return np.zeros_like(dout)


class InverseCDFSample(nl.Layer):
    """Sample a piecewise-linear cdf at u: bin widths are equal, p are bin probabilities (Σp = 1)."""

    def forward(self, p, u):
        c = np.concatenate([[0], np.cumsum(p)])
        self.i = np.searchsorted(c[1:-1], u, side="right")
        self.p, self.w = p, (u - c[self.i]) / p[self.i]
        return (self.i + self.w) / len(p)

    def backward(self, dout):
        d = dout / len(self.p) / self.p[self.i]
        dp = np.zeros_like(self.p)
        for i, w, g in zip(self.i, self.w, d, strict=False):
            dp[:i] -= g
            dp[i] -= g * w
        return dp, d


class MonotoneFromIncrements(nl.Layer):
    """Inverse of a cumulative sum, log of increments of a strictly increasing sequence."""

    def forward(self, x):
        self.step = np.diff(x, axis=-1)
        return np.log(self.step)

    def backward(self, dout):
        g = dout / self.step
        zero = np.zeros_like(g[..., :1])
        return np.concatenate([zero, g], -1) - np.concatenate([g, zero], -1)


def knots(rng, n, lo=0.0):
    return lo + np.cumsum(rng.uniform(0.3, 1.2, n))


def inside(rng, k, n):
    return rng.uniform(k[0] + 0.01, k[-1] - 0.01, n)


def _interp(rng, dtype=float):
    k = knots(rng, 6)
    return inside(rng, k, 7).astype(dtype), k.astype(dtype), rng.normal(size=6).astype(dtype)


def _loglog(rng):
    x0 = rng.uniform(0.5, 1, 4)
    x1 = x0 * rng.uniform(1.5, 3, 4)
    return x0 * (x1 / x0) ** rng.uniform(0.1, 0.9, 4), x0, rng.uniform(0.5, 3, 4), x1, rng.uniform(0.5, 3, 4)


def _between(rng, shape=(3, 5)):
    low = rng.normal(size=shape) - 0.3
    return rng.normal(size=shape) * 1.5, low, low + rng.uniform(0.2, 1.5, shape)


def _lerp(rng):
    low = rng.normal(size=6)
    high = low + rng.uniform(0.5, 2, 6)
    return low + rng.uniform(0.1, 0.9, 6) * (high - low), low, high


def _basis(rng):
    k = knots(rng, 5)
    return HatBasis(k), (inside(rng, k, 6),)


LAYERS = {
    "LinearInterpolation": lambda rng: (LinearInterpolation(), _interp(rng)),
    "LinearInterpolation32": lambda rng: (LinearInterpolation(), _interp(rng, np.float32)),
    "InterpFixedGrid": lambda rng: (InterpFixedGrid(np.linspace(-1, 1, 7)), (rng.uniform(-0.99, 0.99, (3, 4)),)),
    "CalibrationTable": lambda rng: (CalibrationTable(6), (rng.uniform(0.01, 0.99, 8),)),
    "LagrangeInterpolation": lambda rng: (LagrangeInterpolation(), (rng.uniform(0, 1, 4), rng.normal(size=4), np.linspace(0, 1, 4))),
    "CubicHermite": lambda rng: (CubicHermite(), (rng.uniform(0.01, 0.99, 5), *rng.normal(size=(4, 5)))),
    "BilinearSample": lambda rng: (BilinearSample(), (rng.uniform(0, 1, (5, 6)), rng.uniform(0.05, 3.95, (6, 2)))),
    "GatherAtFloatIndex": lambda rng: (GatherAtFloatIndex(), (rng.normal(size=(6, 2)), rng.integers(0, 6, 5).astype(float))),
    "GatherAtIntIndex": lambda rng: (GatherAtFloatIndex(), (rng.normal(size=(6,)), rng.integers(0, 6, (2, 5)))),
    "NearestSample": lambda rng: (NearestSample(), (rng.normal(size=8), rng.integers(0, 8, 6) + rng.uniform(-0.4, 0.4, 6))),
    "TrapezoidIntegral": lambda rng: (TrapezoidIntegral(), (rng.normal(size=(3, 6)), knots(rng, 6))),
    "NonuniformDerivative": lambda rng: (NonuniformDerivative(), (rng.normal(size=6), knots(rng, 6))),
    "LogLogInterpolation": lambda rng: (LogLogInterpolation(), _loglog(rng)),
    "InverseDistanceWeighting": lambda rng: (
        InverseDistanceWeighting(),
        (rng.normal(size=(4, 2)) + 3, rng.normal(size=5), rng.uniform(-1, 1, (5, 2))),
    ),
    "HatBasis": _basis,
    "ClipBetween": lambda rng: (ClipBetween(), _between(rng)),
    "WhereBetween": lambda rng: (WhereBetween(), _between(rng, (8,))),
    "InverseLerp": lambda rng: (InverseLerp(), _lerp(rng)),
    "Bucketize": lambda rng: (Bucketize([-1.0, 0.0, 0.5]), (rng.normal(size=(4, 3)),)),
    "InverseCDFSample": lambda rng: (InverseCDFSample(), (rng.dirichlet(np.full(5, 5.0)), rng.uniform(0.02, 0.98, 6))),
    "MonotoneFromIncrements": lambda rng: (MonotoneFromIncrements(), (np.cumsum(rng.uniform(0.2, 1, (3, 5)), axis=1),)),
}
MOVES = {"InverseCDFSample": ("simplex", "free")}
