import numpy as np

import netlib as nl


class DropoutBase(nl.Layer):
    def __init__(self, p=0.4):
        self.p = p
        self.rng = np.random.default_rng(3)

    def forward(self, x):
        self.on = self.training
        if not self.on:
            return x.copy()
        self.mask = (self.rng.random(x.shape) >= self.p).astype(x.dtype)
        return x * self.mask / (1 - self.p)


class DropoutEvalMask(DropoutBase):  # evaluation: still the scale of training
    def backward(self, dout):
        if not self.on:
            return dout / (1 - self.p)
        return dout * self.mask / (1 - self.p)


class DropoutNoScale(DropoutBase):  # training: the factor is missing
    def backward(self, dout):
        return dout * self.mask if self.on else dout.copy()


class DropoutInverted(DropoutBase):  # the dropped ones receive the gradient
    def backward(self, dout):
        return dout * (1 - self.mask) / (1 - self.p) if self.on else dout.copy()


class DropoutRedraws(DropoutBase):  # a new mask in backward
    def backward(self, dout):
        if not self.on:
            return dout.copy()
        return dout * (self.rng.random(dout.shape) >= self.p) / (1 - self.p)


class GlobalNoise(nl.Layer):  # multiplicative noise of a generator nobody can seed; drawn anew in eval, too
    def forward(self, x):
        self.n = np.random.default_rng().normal(1, 0.5, size=x.shape).astype(x.dtype)
        return x * self.n

    def backward(self, dout):
        return dout * self.n


class RunningScale(nl.Layer):
    def __init__(self, n):
        self.scale = nl.Buffer(np.linspace(0.5, 1.5, n))

    def forward(self, x):
        s = self.scale.value.astype(x.dtype)
        self.s = np.abs(x).mean(axis=0) if self.training else s
        self.x = x.copy()
        if self.training:
            self.scale.value = 0.9 * s + 0.1 * self.s
        return x / self.s


class RunningScaleNewBuffer(RunningScale):  # evaluation: squared; divides by s²
    def backward(self, dout):
        if not self.training:
            return dout / self.s**2
        m = (dout * self.x).sum(axis=0) / self.s**2 / len(self.x)
        return dout / self.s - m * np.sign(self.x)


class RunningScaleTrainConstant(RunningScale):  # training: the statistic's path is missing
    def backward(self, dout):
        return dout / self.s


class RunningScaleBufferInBackward(RunningScale):  # training: backward reads the buffer, already updated
    def backward(self, dout):
        s = self.scale.value.astype(self.x.dtype)
        if not self.training:
            return dout / s
        m = (dout * self.x).sum(axis=0) / s**2 / len(self.x)
        return dout / s - m * np.sign(self.x)


class EvalSign(nl.Layer):  # evaluation: sign
    def forward(self, x):
        self.x = x.copy()
        return np.sin(x) if self.training else np.cos(x)

    def backward(self, dout):
        return dout * np.cos(self.x) if self.training else dout * np.sin(self.x)


class EvalNoWeight(nl.Layer):  # evaluation: the weight gets no gradient
    def __init__(self, rng, n):
        self.w = nl.Parameter(rng.normal(size=n))

    def forward(self, x):
        self.x = x.copy()
        return x * self.w.value

    def backward(self, dout):
        if self.training:
            self.w.grad += (dout * self.x).sum(axis=0)
        return dout * self.w.value


class GradientInBuffer(nl.Layer):  # dw accumulates in a buffer, which is added at each call
    def __init__(self, rng, n):
        self.w = nl.Parameter(rng.normal(size=n))
        self.dw = nl.Buffer(np.zeros(n))

    def forward(self, x):
        self.x = x.copy()
        return x * self.w.value

    def backward(self, dout):
        self.dw.value = self.dw.value + (dout * self.x).sum(axis=0)
        self.w.grad += self.dw.value
        return dout * self.w.value


class StochasticDepthKeep(nl.Layer):  # evaluation scales f by the probability; backward does not
    def __init__(self, keep=0.7):
        self.keep = keep

    def forward(self, x):
        self.t = np.tanh(x)
        return x + self.keep * self.t

    def backward(self, dout):
        return dout + dout * (1 - self.t**2)


def x(rng):
    return (rng.normal(size=(5, 4)),)


BROKEN = {
    "DropoutEvalMask": (lambda rng: (DropoutEvalMask().eval(), x(rng)), {"wrong-scale"}, "input 0"),
    "DropoutNoScale": (lambda rng: (DropoutNoScale(), x(rng)), {"wrong-scale"}, "input 0"),
    "DropoutInverted": (lambda rng: (DropoutInverted(), x(rng)), {"inverted-mask"}, "input 0"),
    "DropoutRedraws": (lambda rng: (DropoutRedraws(), x(rng)), {"nondeterministic", "wrong-formula", "stale-cache"}, "input 0"),
    "GlobalNoise": (lambda rng: (GlobalNoise().eval(), x(rng)), {"nondeterministic"}, None),
    "RunningScaleNewBuffer": (lambda rng: (RunningScaleNewBuffer(4).eval(), x(rng)), {"wrong-formula", "wrong-scale"}, "input 0"),
    "RunningScaleTrainConstant": (lambda rng: (RunningScaleTrainConstant(4), x(rng)), {"missing-term", "diagonal-only"}, "input 0"),
    "RunningScaleBufferInBackward": (lambda rng: (RunningScaleBufferInBackward(4), x(rng)), {"wrong-formula", "stale-cache"}, "input 0"),
    "EvalSign": (lambda rng: (EvalSign().eval(), x(rng)), {"wrong-sign"}, "input 0"),
    "EvalNoWeight": (lambda rng: (EvalNoWeight(rng, 4).eval(), x(rng)), {"zero-gradient", "missing-gradient"}, "w"),
    "GradientInBuffer": (lambda rng: (GradientInBuffer(rng, 4), x(rng)), {"double-counted", "stale-cache", "not-accumulated"}, "w"),
    "StochasticDepthKeep": (lambda rng: (StochasticDepthKeep().eval(), x(rng)), {"wrong-formula", "wrong-scale"}, "input 0"),
}
