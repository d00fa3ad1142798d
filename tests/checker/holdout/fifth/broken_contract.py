import numpy as np

import netlib as nl


class ReluWritesDout(nl.Layer):  # dout[mask] = 0
    def forward(self, x):
        self.mask = x <= 0
        return np.maximum(x, 0)

    def backward(self, dout):
        dout[self.mask] = 0
        return dout.copy()


class ScaleInPlaceDout(nl.Layer):  # dout *= 3
    def forward(self, x):
        return 3 * x

    def backward(self, dout):
        dout *= 3
        return dout.copy()


class ForwardWritesInput(nl.Layer):  # x -= mean in the caller's array
    def forward(self, x):
        x -= x.mean(axis=0)
        return x.copy()

    def backward(self, dout):
        return dout - dout.mean(axis=0)


class BackwardWritesInput(nl.Layer):  # keeps x itself and squares it in backward
    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dout):
        self.x *= self.x
        return 3 * dout * self.x


class StepsInBackward(nl.Layer):  # a step of gradient descent in backward
    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.w.value

    def backward(self, dout):
        dw = self.x.T @ dout
        dx = dout @ self.w.value.T
        self.w.grad += dw
        self.w.value -= 0.01 * dw
        return dx


class NormalizesWeight(StepsInBackward):  # forward rescales the weight itself
    def forward(self, x):
        self.x = x.copy()
        self.w.value /= 1.0 + np.abs(self.w.value).max()
        return x @ self.w.value

    def backward(self, dout):
        self.w.grad += self.x.T @ dout
        return dout @ self.w.value.T


class ReplacesGrad(StepsInBackward):  # =
    def backward(self, dout):
        self.w.grad = self.x.T @ dout
        return dout @ self.w.value.T


class ReplacesGradInPlace(StepsInBackward):  # [...] =
    def backward(self, dout):
        np.matmul(self.x.T, dout, out=self.w.grad)
        return dout @ self.w.value.T


class SubtractsGrad(StepsInBackward):  # -=
    def backward(self, dout):
        self.w.grad -= self.x.T @ dout
        return dout @ self.w.value.T


class NoReturn(StepsInBackward):  # nothing is returned
    def backward(self, dout):
        self.w.grad += self.x.T @ dout


class ReturnsWeightGradient(StepsInBackward):  # dw in place of dx
    def backward(self, dout):
        dw = self.x.T @ dout
        self.w.grad += dw
        return dw


class ReturnsBuffer(nl.Layer):  # y lives in an array of the layer that the next forward writes
    def forward(self, x):
        if not hasattr(self, "y") or self.y.shape != x.shape or self.y.dtype != x.dtype:
            self.y = np.empty_like(x)
        np.tanh(x, out=self.y)
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


class BackwardInOutput(nl.Layer):  # dx is computed in the array that forward returned
    def forward(self, x):
        self.y = np.exp(x)
        return self.y

    def backward(self, dout):
        self.y *= dout
        return self.y.copy()


class ReturnsGradientBuffer(nl.Layer):  # dx in one array for ever
    def forward(self, x):
        self.c = np.cos(x)
        return np.sin(x)

    def backward(self, dout):
        if not hasattr(self, "d") or self.d.shape != dout.shape or self.d.dtype != dout.dtype:
            self.d = np.empty_like(dout)
        np.multiply(dout, self.c, out=self.d)
        return self.d


class SumsGradientBuffer(nl.Layer):  # dx accumulates over calls
    def forward(self, x):
        self.c = np.cos(x)
        return np.sin(x)

    def backward(self, dout):
        self.d = getattr(self, "d", 0.0) + dout * self.c
        return self.d.copy()


class CachesOnce(nl.Layer):  # x of the first forward
    def forward(self, x):
        if not hasattr(self, "x"):
            self.x = x.copy()
        return x**2

    def backward(self, dout):
        return 2 * dout * self.x


class Float64Constant(nl.Layer):  # y is float64 for float32
    def forward(self, x):
        self.c = np.linspace(1, 2, x.shape[1])
        return x * self.c

    def backward(self, dout):
        return dout * self.c


class Float64Gradient(nl.Layer):  # only dx is float64
    def forward(self, x):
        self.x = x.copy()
        return x * x

    def backward(self, dout):
        return dout.astype(np.float64) * 2 * self.x


class TransposedReturn(nl.Layer):  # dx has the shape of dx.T
    def forward(self, x):
        return x.T.copy()

    def backward(self, dout):
        return dout.copy()


class FlattenStaysFlat(nl.Layer):  # dx is not reshaped
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1).copy()

    def backward(self, dout):
        return dout.copy()


class NaNAtNothing(nl.Layer):  # x / |x| in backward divides by zero where x is 0 (a padded column)
    def forward(self, x):
        self.x = x.copy()
        return x * np.abs(x)

    def backward(self, dout):
        return 2 * dout * self.x * self.x / np.abs(self.x)


def x(rng):
    return (rng.normal(size=(4, 3)),)


def padded(rng):
    a = rng.normal(size=(4, 3))
    a[:, 2] = 0
    return (a,)


S = lambda c: lambda rng: (c(rng, 3, 2), x(rng))
B = lambda c: lambda rng: (c(), x(rng))

BROKEN = {
    "ReluWritesDout": (B(ReluWritesDout), {"mutates-upstream"}, None),
    "ScaleInPlaceDout": (B(ScaleInPlaceDout), {"mutates-upstream"}, None),
    "ForwardWritesInput": (B(ForwardWritesInput), {"mutates-input"}, "input 0"),
    "BackwardWritesInput": (B(BackwardWritesInput), {"mutates-input"}, "input 0"),
    "StepsInBackward": (S(StepsInBackward), {"mutates-parameters"}, "w"),
    "NormalizesWeight": (S(NormalizesWeight), {"mutates-parameters"}, "w"),
    "ReplacesGrad": (S(ReplacesGrad), {"not-accumulated"}, "w"),
    "ReplacesGradInPlace": (S(ReplacesGradInPlace), {"not-accumulated"}, "w"),
    "SubtractsGrad": (S(SubtractsGrad), {"wrong-sign"}, "w"),
    "NoReturn": (S(NoReturn), {"missing-gradient"}, "input 0"),
    "ReturnsWeightGradient": (S(ReturnsWeightGradient), {"wrong-shape"}, "input 0"),
    "ReturnsBuffer": (B(ReturnsBuffer), {"aliases-output"}, None),
    "BackwardInOutput": (B(BackwardInOutput), {"aliases-output", "stale-cache"}, None),
    "ReturnsGradientBuffer": (B(ReturnsGradientBuffer), {"aliases-output"}, None),
    "SumsGradientBuffer": (B(SumsGradientBuffer), {"stale-cache", "double-counted"}, "input 0"),
    "CachesOnce": (B(CachesOnce), {"stale-cache"}, "input 0"),
    "Float64Constant": (B(Float64Constant), {"dtype-changed"}, None),
    "Float64Gradient": (B(Float64Gradient), {"dtype-changed"}, "input 0"),
    "TransposedReturn": (B(TransposedReturn), {"wrong-shape", "missing-transpose"}, "input 0"),
    "FlattenStaysFlat": (lambda rng: (FlattenStaysFlat(), (rng.normal(size=(3, 2, 2)),)), {"wrong-shape"}, "input 0"),
    "NaNAtNothing": (lambda rng: (NaNAtNothing(), padded(rng)), {"non-finite"}, "input 0"),
}
