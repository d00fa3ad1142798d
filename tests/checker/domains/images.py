"""Images in [0, 1], colours, opacities, contrast, PSNR."""

import numpy as np

import netlib as nl


class GammaCorrection(nl.Layer):
    """x^γ for intensities in (0, 1], learned γ."""

    def __init__(self, gamma=2.2):
        self.gamma = nl.Parameter(np.array([gamma], np.float32))

    def forward(self, x):
        self.x = np.clip(x, 1e-4, 1)
        self.y = self.x**self.gamma.value
        return self.y

    def backward(self, dout):
        self.gamma.grad += (dout * self.y * np.log(self.x)).sum()
        return dout * self.gamma.value * self.y / self.x


class SRGBToLinear(nl.Layer):
    def forward(self, x):
        if x.min() < 0 or x.max() > 1:
            raise ValueError("sRGB values lie in [0, 1]")
        self.low, self.b = x <= 0.04045, (x + 0.055) / 1.055
        return np.where(self.low, x / 12.92, self.b**2.4)

    def backward(self, dout):
        return dout * np.where(self.low, 1 / 12.92, 2.4 / 1.055 * self.b**1.4)


class LinearToSRGB(nl.Layer):
    def forward(self, x):
        self.low = x <= 0.0031308
        self.x = np.maximum(x, 0.0031308)
        return np.where(self.low, 12.92 * x, 1.055 * self.x ** (1 / 2.4) - 0.055)

    def backward(self, dout):
        return dout * np.where(self.low, 12.92, 1.055 / 2.4 * self.x ** (1 / 2.4 - 1))


class SaturateImage(nl.Layer):
    """Output clipped to [0, 1] after a gain below one, so that nothing is cut for valid images."""

    def forward(self, x):
        return np.clip(0.9 * x + 0.05, 0, 1)

    def backward(self, dout):
        return 0.9 * dout


class AlphaOver(nl.Layer):
    """Foreground over background with an opacity map in [0, 1]."""

    def forward(self, fg, bg, alpha):
        if np.any((alpha < 0) | (alpha > 1)):
            raise ValueError("alpha must lie in [0, 1]")
        self.fg, self.bg, self.a = fg, bg, alpha
        return alpha * fg + (1 - alpha) * bg

    def backward(self, dout):
        return dout * self.a, dout * (1 - self.a), (dout * (self.fg - self.bg)).sum(axis=1, keepdims=True)


class VolumeTransmittance(nl.Layer):
    """Log transmittance along rays with opacities in [0, 1): Σ log(1 - α)."""

    def forward(self, alpha):
        self.t = np.maximum(1 - alpha, 1e-10)
        return np.cumsum(np.log(self.t), axis=-1)

    def backward(self, dout):
        return -np.cumsum(dout[..., ::-1], -1)[..., ::-1] / self.t


class PSNR(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, x, ref):
        self.d = np.clip(x, 0, 1) - ref
        self.mse = np.mean(self.d**2)
        return -10 * np.log10(self.mse)

    def backward(self, dout=1.0):
        return -dout * 20 * self.d / (np.log(10) * self.mse * self.d.size)


class MichelsonContrast(nl.Layer):
    """(max - min) / (max + min) of positive images."""

    def forward(self, x):
        f = x.reshape(len(x), -1)
        self.shape, self.i, self.j = x.shape, f.argmax(1), f.argmin(1)
        self.hi, self.lo = f.max(1), f.min(1)
        return (self.hi - self.lo) / (self.hi + self.lo)

    def backward(self, dout):
        d = np.zeros((self.shape[0], int(np.prod(self.shape[1:]))))
        k, r = 2 * dout / (self.hi + self.lo) ** 2, np.arange(len(d))
        d[r, self.i] += k * self.lo
        d[r, self.j] -= k * self.hi
        return d.reshape(self.shape)


class ColourRatio(nl.Layer):
    """Chromaticity r/(r+g+b), channels first, not black."""

    def forward(self, x):
        self.s = x.sum(axis=1, keepdims=True)
        if np.any(self.s <= 0):
            raise ValueError("black pixel")
        self.y = x / self.s
        return self.y

    def backward(self, dout):
        return (dout - (dout * self.y).sum(axis=1, keepdims=True)) / self.s


class SaturationHSV(nl.Layer):
    """1 - min / max over channels."""

    def forward(self, x):
        self.x = x
        self.hi, self.lo = x.max(1, keepdims=True), x.min(1, keepdims=True)
        return 1 - self.lo / np.maximum(self.hi, 1e-6)

    def backward(self, dout):
        return dout * ((self.x == self.hi) * self.lo / self.hi**2 - (self.x == self.lo) / self.hi)


class BeerLambert(nl.Layer):
    """Transmitted light in (0, 1] to optical density."""

    def forward(self, i):
        i = np.clip(i, 1 / 255, 1)
        self.i = i
        return -np.log(i)

    def backward(self, dout):
        return -dout / self.i


class TotalVariationCharbonnier(nl.Layer):
    def forward(self, x):
        self.dx = x[..., 1:] - x[..., :-1]
        self.r = np.sqrt(self.dx**2 + 1e-4)
        return self.r.sum((-2, -1))

    def backward(self, dout):
        g = dout[..., None, None] * self.dx / self.r
        pad = np.zeros(g.shape[:-1] + (1,))
        return np.concatenate([pad, g], -1) - np.concatenate([g, pad], -1)


class BinaryMask(nl.Layer):
    """Keeps the pixels of a 0/1 mask; mask and background get gradients (zeros for the mask)."""

    def forward(self, x, mask):
        if not np.isin(mask, (0, 1)).all():
            raise ValueError("mask must be 0 or 1")
        self.mask = mask
        return x * mask

    def backward(self, dout):
        return dout * self.mask, np.zeros_like(self.mask)


class ScreenBlend(nl.Layer):
    def forward(self, a, b):
        assert a.max() <= 1
        assert b.max() <= 1
        self.a, self.b = a, b
        return 1 - (1 - a) * (1 - b)

    def backward(self, dout):
        return dout * (1 - self.b), dout * (1 - self.a)


class ArcsineStretch(nl.Layer):
    """2/π arcsin(sqrt(x)), the variance stabiliser of proportions in (0, 1)."""

    def forward(self, x):
        self.x = x
        return 2 / np.pi * np.arcsin(np.sqrt(x))

    def backward(self, dout):
        return dout / (np.pi * np.sqrt(self.x * (1 - self.x)))


class PixelCoordinates(nl.Layer):
    """Normalises coordinates (x, y) in pixels of a 32 x 24 image to (-1, 1), then arctanh."""

    def forward(self, xy):
        self.k = np.array([2 / 32, 2 / 24])
        self.u = np.clip(xy * self.k - 1, -0.9999, 0.9999)
        return np.arctanh(self.u)

    def backward(self, dout):
        return dout * self.k / (1 - self.u**2)


class SparseLogCounts(nl.Layer):
    """log1p of counts that are mostly zero, then a weight per channel (zeros at first)."""

    def __init__(self, n):
        self.weight = nl.Parameter(np.zeros(n))

    def forward(self, x):
        if np.any(x < 0):
            raise ValueError("negative counts")
        self.x, self.l = x, np.log1p(x)
        return self.l @ self.weight.value

    def backward(self, dout):
        self.weight.grad += dout @ self.l
        return dout[:, None] * self.weight.value / (1 + self.x)


class SqrtOfSparse(nl.Layer):
    """Square root with slope 0 at the exact zeros of sparse data, which never move."""

    def forward(self, x):
        self.y = np.sqrt(x)
        return self.y

    def backward(self, dout):
        return np.divide(0.5 * dout, self.y, out=np.zeros_like(dout), where=self.y > 0)


def image(rng, *shape):
    return rng.uniform(0.02, 0.98, shape)


def sparse(rng, *shape):
    return rng.uniform(0.2, 2, shape) * (rng.uniform(size=shape) < 0.4)


LAYERS = {
    "GammaCorrection": lambda rng: (GammaCorrection(), (image(rng, 2, 1, 4, 4).astype(np.float32),)),
    "SRGBToLinear": lambda rng: (SRGBToLinear(), (image(rng, 2, 3, 2, 2),)),
    "LinearToSRGB": lambda rng: (LinearToSRGB(), (image(rng, 2, 3, 2, 2) ** 3,)),
    "SaturateImage": lambda rng: (SaturateImage(), (image(rng, 1, 1, 4, 4),)),
    "AlphaOver": lambda rng: (AlphaOver(), (image(rng, 2, 3, 2, 2), image(rng, 2, 3, 2, 2), image(rng, 2, 1, 2, 2))),
    "VolumeTransmittance": lambda rng: (VolumeTransmittance(), (image(rng, 3, 5) * 0.9,)),
    "PSNR": lambda rng: (PSNR(), (image(rng, 1, 4, 4), image(rng, 1, 4, 4))),
    "MichelsonContrast": lambda rng: (MichelsonContrast(), (image(rng, 3, 3, 3),)),
    "ColourRatio": lambda rng: (ColourRatio(), (image(rng, 2, 3, 2, 2),)),
    "SaturationHSV": lambda rng: (SaturationHSV(), (image(rng, 2, 3, 2, 2),)),
    "BeerLambert": lambda rng: (BeerLambert(), (image(rng, 3, 4),)),
    "TotalVariationCharbonnier": lambda rng: (TotalVariationCharbonnier(), (image(rng, 2, 3, 4),)),
    "BinaryMask": lambda rng: (BinaryMask(), (image(rng, 3, 4), rng.integers(0, 2, (3, 4)).astype(float))),
    "ScreenBlend": lambda rng: (ScreenBlend(), (image(rng, 3, 4), image(rng, 3, 4))),
    "ArcsineStretch": lambda rng: (ArcsineStretch(), (image(rng, 3, 4),)),
    "PixelCoordinates": lambda rng: (PixelCoordinates(), (image(rng, 5, 2) * np.array([32, 24]),)),
    "SparseLogCounts": lambda rng: (SparseLogCounts(5), (rng.poisson(0.6, (4, 5)).astype(float),)),
    "SqrtOfSparse": lambda rng: (SqrtOfSparse(), (sparse(rng, 4, 5),)),
}
MOVES = {"BinaryMask": ("free", "fixed"), "SparseLogCounts": ("nz",), "SqrtOfSparse": ("nz",)}
