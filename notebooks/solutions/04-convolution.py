"""Solutions of notebook 4."""

import numpy as np

import netlib as nl


class MyConvolution(nl.Layer):
    def __init__(self, kernel_size, rng=None):
        self.weight = nl.Parameter(np.random.default_rng(rng).normal(size=kernel_size))

    def forward(self, x):
        self.x = np.array(x)
        n = x.shape[1] - len(self.weight.value) + 1
        return sum(self.x[:, k : k + n] * weight for k, weight in enumerate(self.weight.value))

    def backward(self, dout):
        n = dout.shape[1]
        dx = np.zeros_like(self.x)
        for k, weight in enumerate(self.weight.value):
            self.weight.grad[k] += (dout * self.x[:, k : k + n]).sum()
            dx[:, k : k + n] += dout * weight
        return dx


class MyMaxPool(nl.Layer):
    def forward(self, x):
        pairs = x.reshape(len(x), -1, 2)
        self.winner = pairs == pairs.max(axis=2, keepdims=True)
        return pairs.max(axis=2)

    def backward(self, dout):
        return (dout[:, :, None] * self.winner).reshape(len(dout), -1)
