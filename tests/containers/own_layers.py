"""Layers as users write them, and a referee for gradients."""

import numpy as np

import netlib as nl


class Scale(nl.Layer):
    """y = x * weight, with nothing but what the documentation asks for."""

    def __init__(self, weight):
        self.weight = nl.Parameter(np.atleast_1d(weight))

    def forward(self, x):
        self.x = x
        return x * self.weight.value

    def backward(self, dout):
        self.weight.grad += (dout * self.x).reshape(-1, self.weight.value.size).sum(axis=0)
        return dout * self.weight.value


class Noop(nl.Layer):
    """Gives back the very arrays that it gets."""

    def forward(self, x):
        return x

    def backward(self, dout):
        return dout


class Halves(nl.Layer):
    """Two outputs: the left and the right half of the last axis."""

    n_outputs = 2

    def forward(self, x):
        left, right = np.split(x, 2, axis=-1)
        return left.copy(), right.copy()

    def backward(self, dout):
        self.dout = dout
        return np.concatenate(dout, axis=-1)


class Fails(nl.Layer):
    """Raises what it is told to, in the pass that it is told to, while `armed`."""

    def __init__(self, error, where="forward"):
        self.error, self.where, self.armed = error, where, True

    def forward(self, x):
        if self.armed and self.where == "forward":
            raise self.error
        return x

    def backward(self, dout):
        if self.armed and self.where == "backward":
            raise self.error
        return dout


def numeric_gradient(f, x, h=1e-6):
    """Return df/dx of a scalar f by central differences; `x` is an array that f reads, changed and put back."""
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + h
        above = f()
        x[i] = kept - h
        gradient[i] = (above - f()) / (2 * h)
        x[i] = kept
    return gradient


def affine(n_in, n_out, seed):
    """Return a float64 Affine whose bias is not zero."""
    rng = np.random.default_rng(seed)
    return nl.Affine.from_arrays(rng.normal(size=(n_in, n_out)), rng.normal(size=n_out))


def grads(model):
    """Return a copy of every gradient by path."""
    return {path: parameter.grad.copy() for path, parameter in model.parameters().items()}
