"""Spectra, complex numbers as pairs of reals, even and odd lengths, decibels, symmetric filters, phases."""

import numpy as np

import netlib as nl


class PowerSpectrum(nl.Layer):
    """|rfft|² of real signals of even length."""

    def forward(self, x):
        if x.shape[-1] % 2:
            raise ValueError("length must be even")
        self.n = x.shape[-1]
        self.X = np.fft.rfft(x)
        return (self.X.real**2 + self.X.imag**2).astype(x.dtype)

    def backward(self, dout):
        G = 2 * dout * self.X
        G[..., 1:-1] /= 2  # irfft counts these twice
        return (np.fft.irfft(G, self.n) * self.n).astype(dout.dtype)


class PowerSpectrumOdd(nl.Layer):
    """The same for odd lengths, where there is no Nyquist bin."""

    def forward(self, x):
        assert x.shape[-1] % 2 == 1
        self.n = x.shape[-1]
        self.X = np.fft.rfft(x)
        return np.abs(self.X) ** 2

    def backward(self, dout):
        G = dout * self.X
        G[..., 0] *= 2
        return np.fft.irfft(G, self.n) * self.n


class LogSpectrum(nl.Layer):
    """10 log10 of a spectrum that is positive, floored at 1e-10."""

    def forward(self, S):
        self.S = np.maximum(S, 1e-10)
        return 10 * np.log10(self.S)

    def backward(self, dout):
        return dout * 10 / (np.log(10) * self.S)


class SpectralFlatness(nl.Layer):
    """Geometric over arithmetic mean of a positive spectrum."""

    def forward(self, S):
        self.S = S
        self.n = S.shape[-1]
        self.m = S.mean(-1)
        self.y = np.exp(np.log(S).mean(-1)) / self.m
        return self.y

    def backward(self, dout):
        k = (dout * self.y / self.n)[..., None]
        return k * (1 / self.S - 1 / self.m[..., None])


class SpectralCentroid(nl.Layer):
    """Mean frequency of a spectrum >= 0 that may contain exact zeros."""

    def forward(self, S):
        if (S < 0).any():
            raise ValueError("spectrum must not be negative")
        self.f = np.linspace(0, 0.5, S.shape[-1])
        self.s = S.sum(-1, keepdims=True)
        self.c = (S * self.f).sum(-1, keepdims=True) / self.s
        return self.c[..., 0]

    def backward(self, dout):
        return dout[..., None] * (self.f - self.c) / self.s


class RealCepstrum(nl.Layer):
    """irfft of the log of half a power spectrum (positive)."""

    def forward(self, S):
        self.S = S
        self.n = 2 * (S.shape[-1] - 1)
        return np.fft.irfft(np.log(S), self.n)

    def backward(self, dout):
        G = np.fft.rfft(dout).real / self.n
        G[..., 1:-1] *= 2
        return G / self.S


class ComplexMultiply(nl.Layer):
    """Pairs (re, im) in the last axis."""

    def forward(self, a, b):
        self.a, self.b = a[..., 0] + 1j * a[..., 1], b[..., 0] + 1j * b[..., 1]
        return self._pair(self.a * self.b)

    @staticmethod
    def _pair(z):
        return np.stack([z.real, z.imag], axis=-1)

    def backward(self, dout):
        d = dout[..., 0] + 1j * dout[..., 1]
        return self._pair(d * self.b.conj()), self._pair(d * self.a.conj())


class ComplexReciprocal(nl.Layer):
    """1/z for z away from zero."""

    def forward(self, z):
        c = z[..., 0] + 1j * z[..., 1]
        if (c == 0).any():
            raise ZeroDivisionError("z must not be zero")
        self.w = 1 / c
        return np.stack([self.w.real, self.w.imag], -1)

    def backward(self, dout):
        d = -(dout[..., 0] + 1j * dout[..., 1]) * np.conj(self.w**2)
        return np.stack([d.real, d.imag], -1)


class ComplexLog(nl.Layer):
    """log|z| and phase in (-π, π)."""

    def forward(self, re, im):
        self.re, self.im = re, im
        return np.log(np.hypot(re, im)), np.arctan2(im, re)

    n_outputs = 2

    def backward(self, douts):
        dl, da = douts
        r2 = self.re**2 + self.im**2
        return (dl * self.re - da * self.im) / r2, (dl * self.im + da * self.re) / r2


class UnitPhasor(nl.Layer):
    """Angle from cos and sin, a point on the unit circle: r² = 1 is used in backward."""

    def forward(self, cs):
        self.cs = cs
        return np.arctan2(cs[..., 1], cs[..., 0])

    def backward(self, dout):
        return dout[..., None] * np.stack([-self.cs[..., 1], self.cs[..., 0]], axis=-1)


class DemodulateUnit(nl.Layer):
    """Divides by a phasor of modulus one, that is, multiplies by its conjugate."""

    n_nondifferentiable_inputs = 1

    def forward(self, z, w):
        if not np.allclose((w**2).sum(-1), 1):
            raise ValueError("carrier must have modulus one")
        c = (z[..., 0] + 1j * z[..., 1]) / (w[..., 0] + 1j * w[..., 1])
        self.w = w[..., 0] + 1j * w[..., 1]
        return np.stack([c.real, c.imag], -1)

    def backward(self, dout):
        d = (dout[..., 0] + 1j * dout[..., 1]) * self.w
        return np.stack([d.real, d.imag], -1)


class CircularConvolution(nl.Layer):
    """FFT convolution with a learned kernel that starts as a delta."""

    def __init__(self, n):
        self.kernel = nl.Parameter(np.eye(n)[0])

    def forward(self, x):
        self.n = x.shape[-1]
        self.X, self.K = np.fft.rfft(x), np.fft.rfft(self.kernel.value)
        return np.fft.irfft(self.X * self.K, self.n)

    def backward(self, dout):
        D = np.fft.rfft(dout)
        self.kernel.grad += np.fft.irfft((D * self.X.conj()), self.n).reshape(-1, self.n).sum(0)
        return np.fft.irfft(D * self.K.conj(), self.n)


class EvenKernelConvolution(nl.Layer):
    """Circular convolution with an even kernel h[n] = h[-n]: correlation and convolution are the same."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, h):
        self.H = np.fft.rfft(h)
        self.n = len(h)
        return np.fft.irfft(np.fft.rfft(x) * self.H, self.n)

    def backward(self, dout):
        return np.fft.irfft(np.fft.rfft(dout) * self.H, self.n)


class EvenSpectrum(nl.Layer):
    """Real DFT of an even sequence x[n] = x[-n]; the DFT matrix of cosines is symmetric."""

    def forward(self, x):
        X = np.fft.fft(x)
        if np.abs(X.imag).max() > 1e-3:
            raise ValueError("sequence is not even")
        return X.real

    def backward(self, dout):
        return np.fft.fft(dout).real


class LinearPhaseGain(nl.Layer):
    """DC gain of a symmetric FIR filter of odd length: centre tap plus twice the first half."""

    def forward(self, h):
        self.shape, self.m = h.shape, h.shape[-1] // 2
        return h[..., self.m] + 2 * h[..., : self.m].sum(-1)

    def backward(self, dout):
        d = np.zeros(self.shape)
        d[..., self.m] = dout
        d[..., : self.m] = 2 * dout[..., None]
        return d


class Autocorrelation(nl.Layer):
    """Wiener-Khinchin, circular; r[k] = r[-k], so backward may use the even part of dout."""

    def forward(self, x):
        self.X = np.fft.fft(x)
        return np.fft.ifft(np.abs(self.X) ** 2).real

    def backward(self, dout):
        D = np.fft.fft(dout).real
        return 2 * np.fft.ifft(D * self.X).real


class OnePoleFilter(nl.Layer):
    """y[t] = a y[t-1] + (1-a) x[t], learned 0 <= a < 1 at 0.5."""

    def __init__(self):
        self.a = nl.Parameter(np.array([0.5]))

    def forward(self, x):
        a = self.a.value[0]
        if not 0 <= a < 1:
            raise ValueError("unstable filter")
        y = np.zeros_like(x)
        s = np.zeros_like(x[..., 0])
        for t in range(x.shape[-1]):
            s = a * s + (1 - a) * x[..., t]
            y[..., t] = s
        self.x, self.y = x, y
        return y.copy()

    def backward(self, dout):
        a = self.a.value[0]
        dx, g, da = np.zeros_like(dout), np.zeros_like(dout[..., 0]), 0.0
        for t in reversed(range(dout.shape[-1])):
            g = dout[..., t] + a * g
            dx[..., t] = (1 - a) * g
            before = self.y[..., t - 1] if t else 0
            da += np.sum(g * (before - self.x[..., t]))
        self.a.grad += da
        return dx


class MuLaw(nl.Layer):
    """Companding of samples in (-1, 1); the sign is constant away from 0."""

    def __init__(self, mu=255):
        self.mu = mu

    def forward(self, x):
        self.x = np.abs(x)
        return np.sign(x) * np.log1p(self.mu * self.x) / np.log1p(self.mu)

    def backward(self, dout):
        return dout * self.mu / (1 + self.mu * self.x) / np.log1p(self.mu)


class RMSLevel(nl.Layer):
    """Level in dB of signals that are not silent."""

    def forward(self, x):
        self.x = x
        self.p = np.mean(x * x, axis=-1)
        return 10 * np.log10(self.p)

    def backward(self, dout):
        k = 20 * dout / (np.log(10) * self.p * self.x.shape[-1])
        return k[..., None] * self.x


class DecibelToAmplitude(nl.Layer):
    def forward(self, db):
        if db.max() > 0:
            raise ValueError("levels are at most 0 dBFS")
        self.y = np.exp(db * (np.log(10) / 20))
        return self.y

    def backward(self, dout):
        return dout * self.y * (np.log(10) / 20)


class ScaleInvariantSNR(nl.Layer):
    """Zero-mean signals; returns no gradient for the reference."""

    n_nondifferentiable_inputs = 1

    def forward(self, y, s):
        self.s, self.ss = s, (s * s).sum(-1, keepdims=True)
        self.a = (y * s).sum(-1, keepdims=True) / self.ss
        self.e = y - self.a * s
        self.ee = (self.e**2).sum(-1, keepdims=True)
        return (np.log(self.a**2 * self.ss) - np.log(self.ee))[..., 0]

    def backward(self, dout):
        return dout[..., None] * (2 * self.s / (self.a * self.ss) - 2 * self.e / self.ee)


class Preemphasis(nl.Layer):
    """Periodic differences of one period, where the last sample is the first of the next."""

    def forward(self, x):
        return x - 0.97 * np.roll(x, 1, axis=-1)

    def backward(self, dout):
        return dout - 0.97 * np.roll(dout, -1, axis=-1)


class ParsevalEnergy(nl.Layer):
    """Energy by Parseval's theorem, as mean of |X|², with the time domain gradient 2x."""

    def forward(self, x):
        self.x = x
        X = np.fft.fft(x, axis=-1)
        return (X * X.conj()).real.mean(-1)

    def backward(self, dout):
        return 2 * dout[..., None] * self.x


class HermitianToReal(nl.Layer):
    """irfft of (N, n/2+1, 2) pairs; the imaginary parts of the first and last bin are zero by contract."""

    def forward(self, z):
        self.n = 2 * (z.shape[1] - 1)
        return np.fft.irfft(z[..., 0] + 1j * z[..., 1], self.n)

    def backward(self, dout):
        G = np.fft.rfft(dout) / self.n
        G[:, 1:-1] *= 2
        G.imag[:, [0, -1]] = 0
        return np.stack([G.real, G.imag], axis=-1)


class UnwrapPhase(nl.Layer):
    """np.unwrap adds constants: increments within (-π, π), gradient of the identity."""

    def forward(self, phase):
        return np.unwrap(phase, axis=-1)

    def backward(self, dout):
        return 1.0 * dout


class WindowedMean(nl.Layer):
    """Non-negative window as an input, normalised by its sum."""

    def forward(self, x, w):
        self.x, self.w, self.s = x, w, w.sum()
        self.y = x @ w / self.s
        return self.y

    def backward(self, dout):
        dw = (dout[:, None] * (self.x - self.y[:, None])).sum(0) / self.s
        return dout[:, None] * self.w / self.s, dw


def spectrum(rng, *shape):
    return rng.gamma(2.0, 1.0, shape) + 0.1


def sparse_spectrum(rng):
    return spectrum(rng, 3, 6) * np.array([1, 0, 1, 1, 0, 1.0])


def phasors(rng, *shape):
    a = rng.uniform(-3.1, 3.1, shape)
    return np.stack([np.cos(a), np.sin(a)], -1)


def even(rng, *shape):
    x = rng.normal(size=shape)
    return (x + np.roll(x[..., ::-1], 1, -1)) / 2


def palindrome(rng, *shape):
    x = rng.normal(size=shape)
    return (x + x[..., ::-1]) / 2


def hermitian(rng, n, k):
    z = rng.normal(size=(n, k, 2))
    z[:, [0, -1], 1] = 0
    return z


def zero_mean(rng, *shape):
    x = rng.normal(size=shape)
    return x - x.mean(-1, keepdims=True)


def wrapped(rng, n, k):
    steps = rng.uniform(-2.8, 2.8, (n, k))
    return (np.cumsum(steps, 1) + np.pi) % (2 * np.pi) - np.pi


LAYERS = {
    "PowerSpectrum": lambda rng: (PowerSpectrum(), (rng.normal(size=(2, 8)),)),
    "PowerSpectrum32": lambda rng: (PowerSpectrum(), (rng.normal(size=(2, 6)).astype(np.float32),)),
    "PowerSpectrumOdd": lambda rng: (PowerSpectrumOdd(), (rng.normal(size=(2, 7)),)),
    "LogSpectrum": lambda rng: (LogSpectrum(), (spectrum(rng, 3, 5),)),
    "SpectralFlatness": lambda rng: (SpectralFlatness(), (spectrum(rng, 3, 5),)),
    "SpectralCentroid": lambda rng: (SpectralCentroid(), (sparse_spectrum(rng),)),
    "RealCepstrum": lambda rng: (RealCepstrum(), (spectrum(rng, 2, 5),)),
    "ComplexMultiply": lambda rng: (ComplexMultiply(), (rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 4, 2)))),
    "ComplexReciprocal": lambda rng: (ComplexReciprocal(), (phasors(rng, 5) * rng.uniform(0.5, 2, (5, 1)),)),
    "ComplexLog": lambda rng: (ComplexLog(), (rng.normal(size=5), rng.normal(size=5))),
    "UnitPhasor": lambda rng: (UnitPhasor(), (phasors(rng, 3, 4),)),
    "DemodulateUnit": lambda rng: (DemodulateUnit(), (rng.normal(size=(6, 2)), phasors(rng, 6))),
    "CircularConvolution": lambda rng: (CircularConvolution(6), (rng.normal(size=(3, 6)),)),
    "EvenKernelConvolution": lambda rng: (EvenKernelConvolution(), (rng.normal(size=(3, 6)), even(rng, 6))),
    "EvenSpectrum": lambda rng: (EvenSpectrum(), (even(rng, 8),)),
    "LinearPhaseGain": lambda rng: (LinearPhaseGain(), (palindrome(rng, 3, 7),)),
    "Autocorrelation": lambda rng: (Autocorrelation(), (rng.normal(size=(3, 6)),)),
    "OnePoleFilter": lambda rng: (OnePoleFilter(), (rng.normal(size=(2, 6)),)),
    "MuLaw": lambda rng: (MuLaw(), (rng.uniform(0.01, 0.99, (3, 4)) * rng.choice([-1.0, 1.0], (3, 4)),)),
    "RMSLevel": lambda rng: (RMSLevel(), (rng.normal(size=(3, 6)),)),
    "DecibelToAmplitude": lambda rng: (DecibelToAmplitude(), (rng.uniform(-40, -1, (3, 4)),)),
    "ScaleInvariantSNR": lambda rng: (ScaleInvariantSNR(), (zero_mean(rng, 3, 8), zero_mean(rng, 3, 8))),
    "Preemphasis": lambda rng: (Preemphasis(), (rng.normal(size=(2, 6)),)),
    "ParsevalEnergy": lambda rng: (ParsevalEnergy(), (rng.normal(size=(2, 6)),)),
    "HermitianToReal": lambda rng: (HermitianToReal(), (hermitian(rng, 2, 5),)),
    "UnwrapPhase": lambda rng: (UnwrapPhase(), (wrapped(rng, 2, 6),)),
    "WindowedMean": lambda rng: (WindowedMean(), (rng.normal(size=(3, 6)), np.hanning(6) + 0.0)),
}
MOVES = {
    "SpectralCentroid": ("nz",),
    "UnitPhasor": ("unit",),
    "EvenSpectrum": ("even",),
    "LinearPhaseGain": ("palindrome",),
    "HermitianToReal": ("nz",),
    "WindowedMean": ("free", "nz"),
}
