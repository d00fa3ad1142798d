import subprocess
import sys

import numpy as np

import netlib as nl


class MyAffine(nl.Layer):
    def __init__(self, n_in, n_out):
        rng = np.random.default_rng(1)
        self.weight, self.bias = nl.Parameter(rng.normal(size=(n_in, n_out))), nl.Parameter(rng.normal(size=n_out))

    def forward(self, x):
        self.x = np.array(x)
        return x @ self.weight.value + self.bias.value

    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


class MyReLU(nl.Layer):
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
