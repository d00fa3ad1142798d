"""Forward by an approximation, backward by the derivative of the function that it approximates."""

import numpy as np

import netlib as nl


class ErfAbramowitzStegun(nl.Layer):
    """erf by formula 7.1.26 (error up to 1.5e-7), with the exact derivative."""

    def forward(self, x):
        self.x = x
        a = np.abs(x)
        t = 1 / (1 + 0.3275911 * a)
        p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
        return np.sign(x) * (1 - p * np.exp(-a * a))

    def backward(self, dout):
        return dout * (2 / np.sqrt(np.pi)) * np.exp(-(self.x**2))


class GELUByErfFormula(nl.Layer):
    """Exact GELU up to the erf formula of Abramowitz and Stegun."""

    def forward(self, x):
        self.x = x
        a = np.abs(x) / np.sqrt(2)
        t = 1 / (1 + 0.3275911 * a)
        p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
        erf = np.sign(x) * (1 - p * np.exp(-a * a))
        self.cdf = 0.5 * (1 + erf)
        return x * self.cdf

    def backward(self, dout):
        pdf = np.exp(-(self.x**2) / 2) / np.sqrt(2 * np.pi)
        return dout * (self.cdf + self.x * pdf)


class TanhTable(nl.Layer):
    """tanh by a table with linear interpolation, good to 1e-8, for |x| < 4."""

    grid = np.linspace(-4, 4, 40001)
    table = np.tanh(grid)

    def forward(self, x):
        self.y = np.interp(x, self.grid, self.table)
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


class SigmoidTable(nl.Layer):
    """A quadratic table: value, slope and curvature at the nearest knot."""

    def forward(self, x):
        k = np.round(x * 128) / 128
        s = 1 / (1 + np.exp(-k))
        d = x - k
        self.y = s + d * s * (1 - s) * (1 + d * (1 - 2 * s) / 2)
        return self.y

    def backward(self, dout):
        return dout * self.y * (1 - self.y)


class SineTaylor(nl.Layer):
    """sin on (-π, π) by a Taylor polynomial of degree 17; backward is cos."""

    def forward(self, x):
        if np.any(np.abs(x) > np.pi):
            raise ValueError("angles in (-π, π)")
        self.x = x
        y = term = x
        for k in range(1, 9):
            term = -term * x * x / ((2 * k) * (2 * k + 1))
            y = y + term
        return y

    def backward(self, dout):
        return dout * np.cos(self.x)


class LogGammaStirling(nl.Layer):
    """log Γ(x) by Stirling's series after a shift of 6; digamma by its own series. x > 0."""

    def forward(self, x):
        if np.any(x <= 0):
            raise ValueError("x must be positive")
        self.x = x
        z = x + 6
        shift = sum(np.log(x + k) for k in range(6))
        return (z - 0.5) * np.log(z) - z + 0.5 * np.log(2 * np.pi) + 1 / (12 * z) - 1 / (360 * z**3) - shift

    def backward(self, dout):
        z = self.x + 6
        psi = np.log(z) - 1 / (2 * z) - 1 / (12 * z**2) + 1 / (120 * z**4) - 1 / (252 * z**6)
        return dout * (psi - sum(1 / (self.x + k) for k in range(6)))


class ReciprocalSqrtNewton(nl.Layer):
    """1/sqrt(x) by Newton steps from a linear guess, x in (0.5, 2)."""

    def forward(self, x):
        y = 1.5 - 0.45 * x
        for _ in range(4):
            y = y * (1.5 - 0.5 * x * y * y)
        self.y = y
        return y

    def backward(self, dout):
        return -0.5 * dout * self.y**3


class NormalCDFSimpson(nl.Layer):
    """Normal cdf by numerical integration with Simpson's rule."""

    def forward(self, x):
        self.x = x
        t = np.linspace(0, 1, 41)
        w = np.ones(41)
        w[1:-1:2], w[2:-1:2] = 4, 2
        f = np.exp(-0.5 * (x[..., None] * t) ** 2)
        return 0.5 + x * (f @ w) / 120 / np.sqrt(2 * np.pi)

    def backward(self, dout):
        return dout * np.exp(-0.5 * self.x**2) / np.sqrt(2 * np.pi)


class SquareRootBisection(nl.Layer):
    """Solves y² = x by bisection to 1e-9; implicit derivative 1/(2y)."""

    def forward(self, x):
        lo, hi = np.zeros_like(x), np.maximum(x, 1)
        for _ in range(34):
            mid = (lo + hi) / 2
            low = mid * mid < x
            lo, hi = np.where(low, mid, lo), np.where(low, hi, mid)
        self.y = (lo + hi) / 2
        return self.y

    def backward(self, dout):
        return dout / (2 * self.y)


class SinkhornValue(nl.Layer):
    """Optimal value of entropic transport between uniform marginals, by many Sinkhorn steps.

    The gradient is the plan, by the envelope theorem.
    """

    def forward(self, C):
        n, m = C.shape
        K = np.exp(-C)
        v = np.ones(m)
        for _ in range(300):
            u = 1 / n / (K @ v)
            v = 1 / m / (K.T @ u)
        self.P = u[:, None] * K * v
        return (self.P * C).sum() + (self.P * (np.log(self.P) - 1)).sum()

    def backward(self, dout):
        return dout * self.P


class FixedPointEquilibrium(nl.Layer):
    """y = tanh(0.5 y + x), iterated to 1e-12; implicit derivative."""

    def forward(self, x):
        y = np.zeros_like(x)
        for _ in range(200):
            y = np.tanh(0.5 * y + x)
        self.y = y
        return y.copy()

    def backward(self, dout):
        s = 1 - self.y**2
        return dout * s / (1 - 0.5 * s)


class BesselJ0(nl.Layer):
    """J0 on (0, 3) by the polynomial of Abramowitz and Stegun 9.4.1 (5e-8), derivative -J1 by 9.4.4 (1.3e-8)."""

    def forward(self, x):
        assert np.all((x > 0) & (x < 3))
        self.x = x
        t = (x / 3) ** 2
        return 1 + t * (-2.2499997 + t * (1.2656208 + t * (-0.3163866 + t * (0.0444479 + t * (-0.0039444 + t * 0.00021)))))

    def backward(self, dout):
        t = (self.x / 3) ** 2
        j1 = 0.5 + t * (-0.56249985 + t * (0.21093573 + t * (-0.03954289 + t * (0.00443319 + t * (-0.00031761 + t * 0.00001109)))))
        return -dout * self.x * j1


class ExpLimit(nl.Layer):
    """exp(x) as (1 + x/2^k)^(2^k) with k = 26: eight digits."""

    def forward(self, x):
        n = 2.0**26
        self.y = np.exp(n * np.log1p(x / n))
        return self.y

    def backward(self, dout):
        return dout * self.y


LAYERS = {
    "ErfAbramowitzStegun": lambda rng: (ErfAbramowitzStegun(), (rng.normal(size=(3, 4)),)),
    "GELUByErfFormula": lambda rng: (GELUByErfFormula(), (rng.normal(size=(3, 4)),)),
    "TanhTable": lambda rng: (TanhTable(), (rng.uniform(-3, 3, (3, 4)),)),
    "SigmoidTable": lambda rng: (SigmoidTable(), (rng.normal(size=(3, 4)),)),
    "SineTaylor": lambda rng: (SineTaylor(), (rng.uniform(-3, 3, (3, 4)),)),
    "LogGammaStirling": lambda rng: (LogGammaStirling(), (rng.uniform(0.3, 4, 6),)),
    "ReciprocalSqrtNewton": lambda rng: (ReciprocalSqrtNewton(), (rng.uniform(0.5, 2, 6),)),
    "NormalCDFSimpson": lambda rng: (NormalCDFSimpson(), (rng.uniform(-2.5, 2.5, 6),)),
    "SquareRootBisection": lambda rng: (SquareRootBisection(), (rng.uniform(0.3, 3, 6),)),
    "SinkhornValue": lambda rng: (SinkhornValue(), (rng.uniform(0, 1, (3, 4)),)),
    "FixedPointEquilibrium": lambda rng: (FixedPointEquilibrium(), (rng.normal(size=(2, 4)),)),
    "BesselJ0": lambda rng: (BesselJ0(), (rng.uniform(0.2, 2.8, 6),)),
    "ExpLimit": lambda rng: (ExpLimit(), (rng.normal(size=6),)),
}
MOVES = {}
TOLERANCE = {
    "ErfAbramowitzStegun": 1e-4,
    "GELUByErfFormula": 1e-4,
    "TanhTable": 1e-3,
    "SigmoidTable": 1e-3,
    "SquareRootBisection": 1e-3,
    "BesselJ0": 1e-4,
    "SineTaylor": 1e-4,
    "ExpLimit": 1e-4,
    "LogGammaStirling": 1e-5,
    "NormalCDFSimpson": 1e-5,
}
