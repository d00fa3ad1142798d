import numpy as np

import netlib as nl


class CumsumForward(nl.Layer):  # cumsum in the same direction
    def forward(self, x):
        return np.cumsum(x, axis=1)

    def backward(self, dout):
        return np.cumsum(dout, axis=1)


class DifferenceOneSide(nl.Layer):  # y_t = x_{t+1} - x_t: the subtracted side is lost
    def forward(self, x):
        self.shape = x.shape
        return np.diff(x, axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, 1:] += dout
        return dx


class ExponentialMovingAverage(nl.Layer):
    def __init__(self):
        self.logit = nl.Parameter(np.array(0.3))

    def forward(self, x):
        self.a = 1 / (1 + np.exp(-self.logit.value))
        self.x = x.copy()
        s = np.empty_like(x)
        s[:, 0] = x[:, 0]
        for t in range(1, x.shape[1]):
            s[:, t] = self.a * s[:, t - 1] + (1 - self.a) * x[:, t]
        self.s = s
        return s.copy()


class EmaNoSigmoid(ExponentialMovingAverage):  # the parameter's sigmoid is not derived
    def backward(self, dout):
        g, dx = dout.copy(), np.empty_like(dout)
        for t in range(g.shape[1] - 1, 0, -1):
            self.logit.grad += (g[:, t] * (self.s[:, t - 1] - self.x[:, t])).sum()
            dx[:, t] = (1 - self.a) * g[:, t]
            g[:, t - 1] += self.a * g[:, t]
        dx[:, 0] = g[:, 0]
        return dx


class EmaFirstStep(ExponentialMovingAverage):  # the first step as all others
    def backward(self, dout):
        g, dx = dout.copy(), np.empty_like(dout)
        for t in range(g.shape[1] - 1, 0, -1):
            self.logit.grad += (g[:, t] * (self.s[:, t - 1] - self.x[:, t])).sum() * self.a * (1 - self.a)
            dx[:, t] = (1 - self.a) * g[:, t]
            g[:, t - 1] += self.a * g[:, t]
        dx[:, 0] = (1 - self.a) * g[:, 0]
        return dx


class EmaNoCarry(ExponentialMovingAverage):  # nothing flows to the earlier steps
    def backward(self, dout):
        g, dx = dout.copy(), np.empty_like(dout)
        for t in range(g.shape[1] - 1, 0, -1):
            self.logit.grad += (g[:, t] * (self.s[:, t - 1] - self.x[:, t])).sum() * self.a * (1 - self.a)
            dx[:, t] = (1 - self.a) * g[:, t]
        dx[:, 0] = g[:, 0]
        return dx


class LagExchanged(nl.Layer):  # w0 x_t + w1 x_{t-1}: weights exchanged in dx
    def __init__(self, rng):
        self.w = nl.Parameter(rng.normal(size=2))

    def forward(self, x):
        self.x = x.copy()
        return self.w.value[0] * x[:, 1:] + self.w.value[1] * x[:, :-1]

    def backward(self, dout):
        self.w.grad += np.array([(dout * self.x[:, 1:]).sum(), (dout * self.x[:, :-1]).sum()])
        dx = np.zeros_like(self.x)
        dx[:, 1:] += self.w.value[1] * dout
        dx[:, :-1] += self.w.value[0] * dout
        return dx


class LagWeightExchanged(LagExchanged):  # the gradients of the two weights exchanged
    def backward(self, dout):
        self.w.grad += np.array([(dout * self.x[:, :-1]).sum(), (dout * self.x[:, 1:]).sum()])
        dx = np.zeros_like(self.x)
        dx[:, 1:] += self.w.value[0] * dout
        dx[:, :-1] += self.w.value[1] * dout
        return dx


class LengthsUnmasked(nl.Layer):  # mean over the valid steps; the padding receives gradient, too
    n_nondifferentiable_inputs = 1

    def forward(self, x, lengths):
        self.m = (np.arange(x.shape[1]) < lengths[:, None]).astype(x.dtype)[:, :, None]
        self.n = self.m.sum(axis=1)
        return (x * self.m).sum(axis=1) / self.n

    def backward(self, dout):
        return np.repeat((dout / self.n)[:, None], self.m.shape[1], axis=1)


class LengthsInverted(LengthsUnmasked):  # only the padding receives gradient
    def backward(self, dout):
        return (dout / self.n)[:, None] * (1 - self.m)


class LengthsByT(LengthsUnmasked):  # divided by the full length
    def backward(self, dout):
        return dout[:, None] * self.m / self.m.shape[1]


class LastValidStep(nl.Layer):  # gradient goes to the last step of all
    n_nondifferentiable_inputs = 1

    def forward(self, x, lengths):
        self.shape = x.shape
        return x[np.arange(len(x)), lengths - 1]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, -1] = dout
        return dx


class CausalShift(nl.Layer):  # y_t = x_{t-1}; shifts on instead of back
    def forward(self, x):
        y = np.zeros_like(x)
        y[:, 1:] = x[:, :-1]
        return y

    def backward(self, dout):
        dx = np.zeros_like(dout)
        dx[:, 1:] = dout[:, :-1]
        return dx


class DetrendWrong(nl.Layer):  # x minus its running mean up to t; the mean's path is dropped
    def forward(self, x):
        self.n = np.arange(1, x.shape[1] + 1).astype(x.dtype)
        return x - np.cumsum(x, axis=1) / self.n

    def backward(self, dout):
        return dout.copy()


class SeasonMean(nl.Layer):  # mean over whole periods; tiled where it must be repeated
    def forward(self, x):
        n, t = x.shape
        return x.reshape(n, t // 3, 3).mean(axis=2)

    def backward(self, dout):
        return np.tile(dout, (1, 3)) / 3


def s(rng, n=3, t=6):
    return (rng.normal(size=(n, t)),)


def lens(rng):
    return rng.normal(size=(3, 5, 2)), np.array([2, 4, 3])


BROKEN = {
    "CumsumForward": (lambda rng: (CumsumForward(), s(rng)), {"missing-transpose", "wrong-axis", "wrong-formula"}, "input 0"),
    "DifferenceOneSide": (lambda rng: (DifferenceOneSide(), s(rng)), {"missing-term"}, "input 0"),
    "EmaNoSigmoid": (lambda rng: (EmaNoSigmoid(), s(rng)), {"wrong-scale", "wrong-formula"}, "logit"),
    "EmaFirstStep": (lambda rng: (EmaFirstStep(), s(rng)), {"wrong-formula", "wrong-scale"}, "input 0"),
    "EmaNoCarry": (lambda rng: (EmaNoCarry(), s(rng)), {"missing-term"}, None),
    "LagExchanged": (lambda rng: (LagExchanged(rng), s(rng)), {"wrong-formula", "swapped"}, "input 0"),
    "LagWeightExchanged": (lambda rng: (LagWeightExchanged(rng), s(rng)), {"wrong-formula", "swapped", "wrong-axis"}, "w"),
    "LengthsUnmasked": (lambda rng: (LengthsUnmasked(), lens(rng)), {"missing-mask"}, "input 0"),
    "LengthsInverted": (lambda rng: (LengthsInverted(), lens(rng)), {"inverted-mask"}, "input 0"),
    "LengthsByT": (lambda rng: (LengthsByT(), lens(rng)), {"wrong-scale", "wrong-formula"}, "input 0"),
    "LastValidStep": (lambda rng: (LastValidStep(), lens(rng)), {"wrong-formula", "wrong-axis"}, "input 0"),
    "CausalShift": (lambda rng: (CausalShift(), s(rng)), {"wrong-formula", "missing-transpose"}, "input 0"),
    "DetrendWrong": (lambda rng: (DetrendWrong(), s(rng)), {"missing-term"}, "input 0"),
    "SeasonMean": (lambda rng: (SeasonMean(), s(rng)), {"wrong-axis", "wrong-formula"}, "input 0"),
}
