import numpy as np

import netlib as nl


class Dropout(nl.Layer):
    def __init__(self, p=0.4, axes=None):
        self.p = p
        self.rng = np.random.default_rng(3)

    def forward(self, x):
        self.mask = None
        if not self.training:
            return x.copy()
        self.mask = (self.rng.random(x.shape) >= self.p).astype(x.dtype) / (1 - self.p)
        return x * self.mask

    def backward(self, dout):
        return dout.copy() if self.mask is None else dout * self.mask


class RunningScale(nl.Layer):
    def __init__(self, n):
        self.scale = nl.Buffer(np.linspace(0.5, 1.5, n))

    def forward(self, x):
        self.batch = self.training
        s = self.scale.value.astype(x.dtype)
        self.s = np.abs(x).mean(axis=0) if self.batch else s
        self.x = x.copy()
        if self.batch:
            self.scale.value = 0.9 * s + 0.1 * self.s
        return x / self.s

    def backward(self, dout):
        if not self.batch:
            return dout / self.s
        m = (dout * self.x).sum(axis=0) / self.s**2 / len(self.x)
        return dout / self.s - m * np.sign(self.x)


class TwoModes(nl.Layer):
    def forward(self, x):
        self.x, self.mode = x.copy(), self.training
        return np.sin(x) if self.mode else np.cos(x)

    def backward(self, dout):
        return dout * np.cos(self.x) if self.mode else -dout * np.sin(self.x)


class CountsCalls(nl.Layer):
    """A buffer that forward changes and that the gradient does not depend on."""

    def __init__(self):
        self.calls = nl.Buffer(np.zeros(()))

    def forward(self, x):
        self.calls.value = self.calls.value + 1
        self.x = x.copy()
        return x**2

    def backward(self, dout):
        return 2 * dout * self.x


class MovingAverageGain(nl.Layer):
    """The buffer follows the weight's gain; the output is by the weight alone."""

    def __init__(self, rng, n):
        self.w = nl.Parameter(rng.normal(size=n))
        self.shadow = nl.Buffer(np.zeros(n))

    def forward(self, x):
        self.x = x.copy()
        if self.training:
            self.shadow.value = 0.99 * self.shadow.value + 0.01 * self.w.value
        return x * self.w.value

    def backward(self, dout):
        self.w.grad += (dout * self.x).sum(axis=0)
        return dout * self.w.value


class FixedMask(nl.Layer):
    def __init__(self, mask):
        self.mask = nl.Buffer(np.array(mask, float))

    def forward(self, x):
        self.m = self.mask.value.astype(x.dtype)
        return x * self.m

    def backward(self, dout):
        return dout * self.m


class NoiseTrain(nl.Layer):
    def __init__(self):
        self.rng = np.random.default_rng(1)

    def forward(self, x):
        if self.training:
            return x + 0.1 * self.rng.normal(size=x.shape).astype(x.dtype)
        return x.copy()

    def backward(self, dout):
        return dout.copy()


class FrozenScale(nl.Layer):
    def __init__(self, rng, n):
        self.w = nl.Parameter(rng.normal(size=n), trainable=False)

    def forward(self, x):
        self.x = x.copy()
        return x * self.w.value

    def backward(self, dout):
        self.w.grad += (dout * self.x).sum(axis=0)
        return dout * self.w.value


def x(rng):
    return (rng.normal(size=(5, 4)),)


CORRECT = {
    "DropoutTrain": lambda rng: (Dropout(), x(rng)),
    "DropoutEval": lambda rng: (Dropout().eval(), x(rng)),
    "RunningScaleTrain": lambda rng: (RunningScale(4), x(rng)),
    "RunningScaleEval": lambda rng: (RunningScale(4).eval(), x(rng)),
    "TwoModesTrain": lambda rng: (TwoModes(), x(rng)),
    "TwoModesEval": lambda rng: (TwoModes().eval(), x(rng)),
    "CountsCalls": lambda rng: (CountsCalls(), x(rng)),
    "MovingAverageGain": lambda rng: (MovingAverageGain(rng, 4), x(rng)),
    "FixedMask": lambda rng: (FixedMask([1, 0, 1, 1]), x(rng)),
    "NoiseTrain": lambda rng: (NoiseTrain(), x(rng)),
    "FrozenScale": lambda rng: (FrozenScale(rng, 4), x(rng)),
}
