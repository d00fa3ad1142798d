import numpy as np

import netlib as nl


class WeightMean(nl.Layer):  # dw / N
    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))
        self.b = nl.Parameter(rng.normal(size=m))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.w.value + self.b.value

    def backward(self, dout):
        self.w.grad += self.x.T @ dout / len(self.x)
        self.b.grad += dout.sum(axis=0)
        return dout @ self.w.value.T


class AllMean(WeightMean):  # dw / N and db / N
    def backward(self, dout):
        self.w.grad += self.x.T @ dout / len(self.x)
        self.b.grad += dout.mean(axis=0)
        return dout @ self.w.value.T


class InputMean(WeightMean):  # dx / N
    def backward(self, dout):
        self.w.grad += self.x.T @ dout
        self.b.grad += dout.sum(axis=0)
        return dout @ self.w.value.T / len(self.x)


class DecayInLayer(WeightMean):  # weight decay is added to the gradient
    def backward(self, dout):
        self.w.grad += self.x.T @ dout + 0.1 * self.w.value
        self.b.grad += dout.sum(axis=0)
        return dout @ self.w.value.T


class LearningRateInLayer(WeightMean):  # gradients times a learning rate
    def backward(self, dout):
        self.w.grad += 0.01 * (self.x.T @ dout)
        self.b.grad += 0.01 * dout.sum(axis=0)
        return dout @ self.w.value.T


class PixelBias(nl.Layer):  # 1/(H W) in the bias of an image
    def __init__(self, rng, c):
        self.b = nl.Parameter(rng.normal(size=c))

    def forward(self, x):
        return x + self.b.value[:, None, None]

    def backward(self, dout):
        self.b.grad += dout.sum(axis=0).mean(axis=(1, 2))
        return dout.copy()


class PixelBiasAll(PixelBias):  # 1/(N H W)
    def backward(self, dout):
        self.b.grad += dout.mean(axis=(0, 2, 3))
        return dout.copy()


class ImageMeanElements(nl.Layer):  # mean over H W; backward divides by N H W
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dout):
        n, c, h, w = self.shape
        return np.broadcast_to(dout[:, :, None, None], self.shape) / (n * h * w)


class HalfSquare(nl.Layer):  # x²/2 with 2 x
    def forward(self, x):
        self.x = x.copy()
        return x**2 / 2

    def backward(self, dout):
        return 2 * dout * self.x


class EqualizedLR(nl.Layer):  # w sqrt(2/n) in forward; dw without it
    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))
        self.c = float(np.sqrt(2.0 / n))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.w.value * self.c

    def backward(self, dout):
        self.w.grad += self.x.T @ dout
        return dout @ self.w.value.T * self.c


class EmbeddingSqrtD(nl.Layer):  # x sqrt(d); backward divides
    def forward(self, x):
        self.c = float(x.shape[1]) ** 0.5
        return x * self.c

    def backward(self, dout):
        return dout / self.c


class TemperatureSquared(nl.Layer):  # softmax(x/T): 1/T² in backward
    def forward(self, x):
        e = np.exp(x / 2.5)
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p.copy()

    def backward(self, dout):
        return self.p * (dout - (dout * self.p).sum(axis=1, keepdims=True)) / 2.5**2


class GradientReversal(nl.Layer):  # identity forward, -lambda dout backward
    def forward(self, x):
        return x.copy()

    def backward(self, dout):
        return -0.5 * dout


class BesselLost(nl.Layer):  # ddof = 1 forward, n in backward
    def forward(self, x):
        self.c = x - x.mean(axis=0)
        return x.var(axis=0, ddof=1)

    def backward(self, dout):
        return 2 * dout * self.c / len(self.c)


def x(rng, n=5, d=3):
    return (rng.normal(size=(n, d)),)


def img(rng):
    return (rng.normal(size=(3, 2, 4, 5)),)


W = lambda c: lambda rng: (c(rng, 3, 2), x(rng))

BROKEN = {
    "WeightMean": (W(WeightMean), {"wrong-scale"}, "w"),
    "AllMean": (W(AllMean), {"wrong-scale"}, None),
    "InputMean": (W(InputMean), {"wrong-scale"}, "input 0"),
    "DecayInLayer": (W(DecayInLayer), {"wrong-formula", "double-counted"}, "w"),
    "LearningRateInLayer": (W(LearningRateInLayer), {"wrong-scale"}, None),
    "PixelBias": (lambda rng: (PixelBias(rng, 2), img(rng)), {"wrong-scale"}, "b"),
    "PixelBiasAll": (lambda rng: (PixelBiasAll(rng, 2), img(rng)), {"wrong-scale"}, "b"),
    "ImageMeanElements": (lambda rng: (ImageMeanElements(), img(rng)), {"wrong-scale"}, "input 0"),
    "HalfSquare": (lambda rng: (HalfSquare(), x(rng)), {"wrong-scale"}, "input 0"),
    "EqualizedLR": (W(EqualizedLR), {"wrong-scale"}, "w"),
    "EmbeddingSqrtD": (lambda rng: (EmbeddingSqrtD(), x(rng)), {"wrong-scale"}, "input 0"),
    "TemperatureSquared": (lambda rng: (TemperatureSquared(), x(rng, d=4)), {"wrong-scale"}, "input 0"),
    "GradientReversal": (lambda rng: (GradientReversal(), x(rng)), {"wrong-sign", "wrong-scale"}, "input 0"),
    "BesselLost": (lambda rng: (BesselLost(), x(rng)), {"wrong-scale"}, "input 0"),
}
