"""Layers as users write them that hold more than parameters: buffers, counters, lists, modes."""

import numpy as np

import netlib as nl


class Centre(nl.Layer):
    """y = x - mean, a buffer that then moves half of the way to the mean of each training batch."""

    def __init__(self, features=3, start=0.0):
        self.mean = nl.Buffer(np.full(features, float(start)))
        self.batches = nl.Buffer(0)

    def forward(self, x):
        x = np.asarray(x)
        x = x if x.dtype.kind == "f" else x.astype(np.float32)
        y = x - self.mean.value.astype(x.dtype)
        if self.training and x.size:
            self.mean.value = 0.5 * self.mean.value + 0.5 * x.reshape(-1, x.shape[-1]).mean(axis=0)
            self.batches.value = self.batches.value + 1
        return self.remember(y)

    def backward(self, dout):
        (dout,) = self.recall(dout)
        return dout.copy()


class Diary(nl.Layer):
    """y = x in training and 10 x in evaluation; notes every call in all kinds of attributes."""

    def __init__(self):
        self.calls = 0
        self.shapes = []
        self.modes = {"seen": []}
        self.last = np.zeros(2)

    def forward(self, x):
        self.x = x
        self.calls += 1
        self.shapes.append(x.shape)
        self.modes["seen"].append(self.training)
        self.last[0] = x.size
        return x * 1.0 if self.training else x * 10.0

    def backward(self, dout):
        assert dout.shape == self.x.shape
        return dout


class Square(nl.Layer):
    """y = x², with the public helpers."""

    def forward(self, x):
        return self.remember(x * x, x)

    def backward(self, dout):
        dout, x = self.recall(dout)
        return dout * 2 * x


class Exp(nl.Layer):
    """y = exp(x), which keeps its own output."""

    def forward(self, x):
        y = np.exp(x)
        return self.remember(y, y)

    def backward(self, dout):
        dout, y = self.recall(dout)
        return dout * y


class Doubles(nl.Layer):
    """Calls a layer of its own and writes into what that returned."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        y = self.inner.forward(x)
        y *= 2
        return y

    def backward(self, dout):
        return self.inner.backward(2 * dout)


class Overwrites(nl.Layer):
    """Writes into whatever it is handed."""

    def forward(self, x):
        x *= 2
        return x

    def backward(self, dout):
        dout *= 2
        return dout
