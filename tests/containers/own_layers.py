"""Layers as users write them, and what the tests of containers compare with."""

import numpy as np
from numeric import numeric_gradient

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
    """Returns the very arrays that it is given."""

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
    """Raises an error in one of its passes, while `armed`."""

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


def affine(n_in, n_out, seed):
    """Return a float64 Affine whose bias is not zero."""
    rng = np.random.default_rng(seed)
    return nl.Affine.from_arrays(rng.normal(size=(n_in, n_out)), rng.normal(size=n_out))


def grads(model):
    """Return a copy of every gradient by path."""
    return {path: parameter.grad.copy() for path, parameter in model.parameters().items()}


def by_hand(layers, x, dout):
    """Return y and dL/dx of layers called one after the other, without a container."""
    for layer in layers:
        x = layer.forward(x)
    for layer in reversed(layers):
        dout = layer.backward(dout)
    return x, dout


def assert_gradients_are_differences(model, x, weights, tolerance=1e-8):
    """Assert that the gradients of Σ weights · y are central differences: x's and parameters'."""

    def loss():
        return float((model.forward(x) * weights).sum())

    loss()
    dx = model.backward(weights)
    found = grads(model)
    np.testing.assert_allclose(dx, numeric_gradient(loss, x), rtol=0, atol=tolerance)
    for path, parameter in model.parameters().items():
        np.testing.assert_allclose(found[path], numeric_gradient(loss, parameter.value), rtol=0, atol=tolerance)
