"""JAX judges the nodes that broadcast, and activations that PyTorch defines otherwise or rounds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import table

import netlib as nl
from netlib.layers.head_attention import HeadAttention

ELEMENTWISE = {
    nl.ReLU: lambda layer: jax.nn.relu,
    nl.LeakyReLU: lambda layer: lambda x: jax.nn.leaky_relu(x, layer.negative_slope),
    nl.ELU: lambda layer: lambda x: jax.nn.elu(x, layer.alpha),
    nl.GELU: lambda layer: lambda x: jax.nn.gelu(x, approximate=layer.approximate == "tanh"),
    nl.SiLU: lambda layer: jax.nn.silu,
    nl.Sigmoid: lambda layer: jax.nn.sigmoid,
    nl.Tanh: lambda layer: jnp.tanh,
    nl.Softplus: lambda layer: jax.nn.softplus,
    nl.Hardsigmoid: lambda layer: jax.nn.hard_sigmoid,
}
THEIRS = ELEMENTWISE | {
    nl.Softmax: lambda layer: lambda x: jax.nn.softmax(x, layer.axis),
    nl.LogSoftmax: lambda layer: lambda x: jax.nn.log_softmax(x, layer.axis),
    nl.Add: lambda layer: lambda *xs: sum(xs[1:], start=xs[0]),
    nl.Subtract: lambda layer: jnp.subtract,
    nl.Multiply: lambda layer: jnp.multiply,
    nl.Divide: lambda layer: jnp.divide,
    nl.MatMul: lambda layer: jnp.matmul,
}
ROWS = [  # of an element-by-element activation, one shape tells as much as four
    row for row in table.ROWS if (kind := type(row.make(np.float64))) in THEIRS and (kind not in ELEMENTWISE or row.shapes == ((4, 3),))
]


def assert_equal_jax(layer, inputs):
    function = THEIRS[type(layer)](layer)
    with jax.enable_x64(True):
        y, pull_back = jax.vjp(function, *map(jnp.asarray, inputs))
        dout = np.array(np.random.default_rng(6).normal(size=y.shape))
        wanted = pull_back(jnp.asarray(dout))
    assert np.shape(layer.forward(*inputs)) == y.shape
    assert np.allclose(layer.forward(*inputs), y, rtol=1e-9, atol=1e-12)
    dx = layer.backward(dout)
    for ours, theirs in zip(dx if isinstance(dx, tuple) else (dx,), wanted, strict=True):
        assert np.shape(ours) == theirs.shape
        assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_forward_and_input_gradients_equal_jaxs(row):
    assert_equal_jax(row.make(np.float64), row.inputs)


@pytest.mark.parametrize("kind", [*ELEMENTWISE, nl.Softmax, nl.LogSoftmax])
def test_far_out_an_activation_equals_jaxs(kind):
    for scale in (10.0, 40.0, 1e3, 1e4):
        assert_equal_jax(kind(), [scale * np.linspace(-1, 1, 400)])


@pytest.mark.parametrize("causal", [False, True])
def test_heads_that_attend_under_a_mask_equal_jaxs_with_all_gradients(causal):
    rng = np.random.default_rng(7)
    heads, mask = 3, rng.random((2, 1, 4, 5)) < 0.7
    mask[..., 0] = True  # JAX's softmax over nothing is a mean of all values
    q, k, v = (rng.normal(size=shape) for shape in [(2, 4, 6), (2, 5, 6), (2, 5, 6)])

    def theirs(*qkv):
        cut = (x.reshape(*x.shape[:2], heads, -1) for x in qkv)
        return jax.nn.dot_product_attention(*cut, mask=jnp.asarray(mask), is_causal=causal).reshape(2, 4, 6)

    layer = HeadAttention(heads, causal=causal, mask=True)
    with jax.enable_x64(True):
        y, pull_back = jax.vjp(theirs, *map(jnp.asarray, (q, k, v)))
        dout = rng.normal(size=y.shape)
        wanted = pull_back(jnp.asarray(dout))
    # JAX computes scores and softmax in float32, whatever the inputs
    assert np.allclose(layer.forward(q, k, v, mask), y, rtol=1e-6, atol=1e-6)
    for ours, expected in zip(layer.backward(dout), wanted, strict=True):
        assert np.allclose(ours, expected, rtol=1e-6, atol=1e-6)


def test_softplus_has_no_threshold_above_which_it_would_be_x():
    x = np.linspace(15, 32, 500)  # PyTorch's turns into x at 20
    assert_equal_jax(nl.Softplus(), [x])
    assert (nl.Softplus().forward(x) > x).all()
