"""JAX judges backpropagation through time: the textbook's step in a scan, differentiated by jax.grad."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import netlib as nl

N, T, IN, HIDDEN = 3, 7, 4, 5


def lstm_step(p, state, x):
    h, c = state
    i, f, g, o = jnp.split(x @ p["weight_x"] + h @ p["weight_h"] + p["bias"], 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def gru_step(p, state, x):
    (h,) = state
    a_r, a_z, a_n = jnp.split(x @ p["weight_x"] + p["bias"], 3, axis=1)
    u_r, u_z, u_n = jnp.split(h @ p["weight_h"], 3, axis=1)
    z = jax.nn.sigmoid(a_z + u_z)
    n = jnp.tanh(a_n + jax.nn.sigmoid(a_r + u_r) * (u_n + p["bias_h"]))
    h = (1 - z) * n + z * h
    return (h,), h


def cell_step(p, state, x):
    h, m = state
    m = 0.9 * m + x @ p["layer.0.weight"]
    h = jnp.tanh(h * p["decay"] + m)
    return (h, m), h


class Cell(nl.Layer):
    """A user's cell with two states, a layer inside, and caches in plain attributes."""

    n_outputs = 2
    hidden_features = HIDDEN, HIDDEN

    def __init__(self):
        self.layer = nl.Sequential(nl.Affine(IN, HIDDEN, bias=False, rng=0, dtype="float64"))
        self.decay = nl.Parameter(np.linspace(-1, 1, HIDDEN))

    def forward(self, x, h, m):
        m = 0.9 * m + self.layer.forward(x)
        self.before, self.h = h, np.tanh(h * self.decay.value + m)
        return self.h, m

    def backward(self, dout):
        dh, dm = dout
        da = dh * (1 - self.h**2)
        self.decay.grad += (da * self.before).sum(axis=0)
        dm = dm + da
        return self.layer.backward(dm), da * self.decay.value, 0.9 * dm


CASES = {
    "LSTM": (lstm_step, 2, lambda: nl.LSTM(IN, HIDDEN, return_state=True, dtype="float64", rng=0)),
    "GRU": (gru_step, 1, lambda: nl.GRU(IN, HIDDEN, return_state=True, dtype="float64", rng=0)),
    "cell": (cell_step, 2, lambda: nl.Recurrent(Cell(), return_state=True)),
}


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_all_gradients_equal_those_of_a_scan(name):
    step, n_states, make = CASES[name]
    layer, rng = make(), np.random.default_rng(1)
    x, states = rng.normal(size=(N, T, IN)), tuple(rng.normal(size=(n_states, N, HIDDEN)))
    douts = tuple(rng.normal(size=shape) for shape in [(N, T, HIDDEN), *[(N, HIDDEN)] * n_states])
    values = {path.removeprefix("cell."): p.value for path, p in layer.parameters().items()}

    def loss(p, x, states):
        final, y = jax.lax.scan(lambda state, x: step(p, state, x), states, x.swapaxes(0, 1))
        outputs = y.swapaxes(0, 1), *final
        return sum((a * b).sum() for a, b in zip(outputs, douts, strict=True)), outputs

    with jax.enable_x64(True):
        (dp, dx, dstates), expected = jax.grad(loss, argnums=(0, 1, 2), has_aux=True)(values, x, states)
    outputs = layer.forward(x, *states)
    gradients = layer.backward(douts)
    grads = {path.removeprefix("cell."): p.grad for path, p in layer.parameters().items()}
    pairs = [*zip(outputs, expected, strict=True), *zip(gradients, (dx, *dstates), strict=True)]
    pairs += [(grads[path], dp[path]) for path in values]
    for ours, theirs in pairs:
        assert ours.shape == theirs.shape
        assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-12)
