"""Every row of the table against PyTorch: forward, input gradients, parameter gradients."""

import math

import numpy as np
import pytest
import table
import torch
from layouts import LAYOUTS
from torch.nn import functional

import netlib as nl

THEIRS = {  # a layer of ours and tensors to a tensor
    nl.Identity: lambda layer, x: x.clone(),
    nl.ReLU: lambda layer, x: torch.relu(x),
    nl.LeakyReLU: lambda layer, x: functional.leaky_relu(x, layer.negative_slope),
    nl.ELU: lambda layer, x: functional.elu(x, layer.alpha),
    nl.GELU: lambda layer, x: functional.gelu(x),
    nl.SiLU: lambda layer, x: functional.silu(x),
    nl.Sigmoid: lambda layer, x: torch.sigmoid(x),
    nl.Tanh: lambda layer, x: torch.tanh(x),
    nl.Softplus: lambda layer, x: torch.logaddexp(x, torch.zeros_like(x)),  # theirs turns into x above a threshold
    nl.Dropout: lambda layer, x: functional.dropout(x, layer.p, training=layer.training),
    nl.Softmax: lambda layer, x: torch.softmax(x, layer.axis),
    nl.LogSoftmax: lambda layer, x: torch.log_softmax(x, layer.axis),
    nl.Sum: lambda layer, x: x.clone() if layer.axis == () else torch.sum(x, layer.axis, layer.keepdims),
    nl.Mean: lambda layer, x: x.clone() if layer.axis == () else torch.mean(x, layer.axis, layer.keepdims),
    nl.Reshape: lambda layer, x: x.reshape(layer.shape),
    nl.Flatten: lambda layer, x: torch.flatten(x, layer.start_axis),
    nl.Transpose: lambda layer, x: x.permute(layer.axes or tuple(range(x.ndim))[::-1]),
    nl.Concatenate: lambda layer, *xs: torch.cat(xs, layer.axis),
    nl.Add: lambda layer, *xs: sum(xs[1:], start=xs[0]),
    nl.Subtract: lambda layer, a, b: a - b,
    nl.Multiply: lambda layer, a, b: a * b,
    nl.Divide: lambda layer, a, b: a / b,
    nl.MatMul: lambda layer, a, b: torch.matmul(a, b),
    nl.Affine: lambda layer, x, weight, bias=None: functional.linear(x, weight.T, bias),
}
CONTAINERS = {  # the containers of the table, written out; parameters come in the order of ours
    table._network: lambda x, w, b, v, c: functional.linear(torch.tanh(functional.linear(x, w.T, b)), v.T, c),
    table._joined: lambda x, z, w, b: functional.silu(functional.linear(torch.cat((x, z), -1), w.T, b)),
    table._block: lambda x, w, b: x + torch.sigmoid(functional.linear(x, w.T, b)),
    table._recomputed: lambda x, w, b: torch.tanh(functional.linear(x, w.T, b)),
    table._square: lambda x: x @ x,
    table._diamond: lambda x, w, v, b: (
        torch.tanh(x @ w) ** 2 + functional.linear(x, v.T, b) - torch.tanh(x @ w) / torch.tensor([0.5, -2.0]).double()
    ),
    table._two_in_two_out: lambda x, z, w, b: (functional.linear(x, w.T, b) * z, functional.softplus(functional.linear(x, w.T, b))),
}
ACTIVATIONS = [nl.Identity, nl.ReLU, nl.LeakyReLU, nl.ELU, nl.GELU, nl.SiLU, nl.Sigmoid, nl.Tanh, nl.Softplus]
ROWS = [row for row in table.ROWS if row.shapes != ((4, 0),)]  # PyTorch warns at no features
every_row = pytest.mark.parametrize("row", ROWS, ids=str)


def as_tuple(y):
    return y if isinstance(y, tuple) else (y,)


def assert_equal_pytorch(layer, function, inputs, relaid=np.array):
    """Assert that y, dx and the parameters' gradients are `function`'s to 1e-9."""
    parameters = list(layer.parameters().values())
    tensors = [torch.tensor(np.array(a), requires_grad=True) for a in (*inputs, *(p.value for p in parameters))]
    theirs = as_tuple(function(*tensors))
    ours = as_tuple(layer.forward(*map(relaid, inputs)))
    rng = np.random.default_rng(3)
    douts = [np.array(rng.normal(size=np.shape(y))) for y in ours]
    torch.autograd.backward(theirs, [torch.tensor(d) for d in douts])
    dx = as_tuple(layer.backward(tuple(map(relaid, douts)) if len(douts) > 1 else relaid(douts[0])))
    got = [*ours, *dx, *(p.grad for p in parameters)]
    wanted = [y.detach() for y in theirs] + [t.grad for t in tensors]
    for a, b in zip(got, wanted, strict=True):
        assert np.shape(a) == tuple(b.shape)
        assert np.allclose(a, b.numpy(), rtol=1e-9, atol=1e-12)


def referee(row, layer):
    return CONTAINERS.get(row.make) or (lambda *tensors: THEIRS[type(layer)](layer, *tensors))


def made(row):
    """Return the row's layer in evaluation mode, with parameters that are all away from zero."""
    layer = row.make(np.float64)
    rng = np.random.default_rng(4)
    for parameter in layer.parameters().values():
        parameter.value = rng.normal(size=parameter.shape)
    return layer.eval()


def test_every_layer_has_a_referee():
    public = {thing for name in nl.__all__ if isinstance(thing := getattr(nl, name), type) and issubclass(thing, nl.Layer)}
    containers = {nl.Layer, nl.Sequential, nl.Residual, nl.Recompute, nl.Graph}
    assert {kind for kind in public if not issubclass(kind, nl.Loss)} - THEIRS.keys() == containers
    assert {row.make for row in ROWS if row.make in CONTAINERS} == CONTAINERS.keys()


@every_row
def test_forward_and_all_gradients_equal_pytorchs_for_inputs_of_any_size(row):
    for scale in (1.0, 1e-4, 30.0, 1e4):
        layer = made(row)
        assert_equal_pytorch(layer, referee(row, layer), [scale * x for x in row.inputs])


@pytest.mark.parametrize("row", {type(row.make(np.float64)): row for row in ROWS}.values(), ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_in_every_memory_layout_forward_and_all_gradients_equal_pytorchs(row, layout):
    layer = made(row)
    assert_equal_pytorch(layer, referee(row, layer), row.inputs, LAYOUTS[layout])


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_at_plus_and_minus_10000_an_activation_equals_pytorchs(kind, dtype):
    layer, x = kind(), np.array([-1e4, -1e3, -100.0, -20.0, 0.0, 20.0, 100.0, 1e3, 1e4], dtype)
    theirs = torch.tensor(x, requires_grad=True)
    y = THEIRS[kind](layer, theirs)
    y.sum().backward()
    tolerance = 1e-12 if dtype == np.float64 else 1e-6
    assert np.allclose(layer.forward(x), y.detach().numpy(), rtol=tolerance, atol=tolerance)
    assert np.allclose(layer.backward(np.ones_like(x)), theirs.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", [nl.Softmax, nl.LogSoftmax])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_at_plus_and_minus_10000_softmax_equals_pytorchs(kind, dtype):
    layer, x = kind(), np.array([[-1e4, 1e4, 0], [1e4, 1e4, -1e4], [-1000, 1, 0], [-1e4, -1e4, -1e4]], dtype)
    theirs = torch.tensor(x, requires_grad=True)
    y = THEIRS[kind](layer, theirs)
    dout = np.random.default_rng(0).normal(size=x.shape).astype(dtype)
    y.backward(torch.tensor(dout))
    tolerance = 1e-12 if dtype == np.float64 else 1e-6
    assert np.allclose(layer.forward(x), y.detach().numpy(), rtol=tolerance, atol=tolerance)
    assert np.allclose(layer.backward(dout), theirs.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("seed", range(30))
def test_affine_equals_pytorchs_linear_for_any_leading_axes_and_widths(seed):
    rng = np.random.default_rng(seed)
    lead, (n, m) = tuple(rng.integers(1, 6, rng.integers(0, 4))), rng.integers(1, 9, 2)
    layer = nl.Affine.from_arrays(rng.normal(size=(n, m)), rng.normal(size=m) if seed % 3 else None)
    assert_equal_pytorch(
        layer, lambda *tensors: THEIRS[nl.Affine](layer, *tensors), [rng.normal(size=(*lead, n)) * 10.0 ** rng.integers(-3, 4)]
    )


@pytest.mark.parametrize("kind", [nl.Add, nl.Subtract, nl.Multiply, nl.Divide])
@pytest.mark.parametrize("seed", range(20))
def test_arithmetic_equals_pytorchs_for_any_shapes_that_broadcast(kind, seed):
    rng = np.random.default_rng(seed)
    full = rng.integers(1, 5, rng.integers(1, 5))
    shapes = [np.where(rng.random(len(full)) < 0.4, 1, full)[rng.integers(0, len(full)) :] for _ in range(2)]
    a, b = (rng.choice([-1, 1], shape) * rng.uniform(0.5, 2, shape) for shape in shapes)
    assert_equal_pytorch(kind(), lambda *tensors: THEIRS[kind](None, *tensors), [a, b])


@pytest.mark.parametrize("seed", range(30))
def test_matmul_equals_pytorchs_for_any_batch_axes_that_broadcast(seed):
    rng = np.random.default_rng(seed)
    batch, (i, j, k) = rng.integers(1, 4, rng.integers(0, 4)), rng.integers(1, 6, 3)
    a_batch, b_batch = (np.where(rng.random(len(batch)) < 0.4, 1, batch)[rng.integers(0, len(batch) + 1) :] for _ in range(2))
    assert_equal_pytorch(nl.MatMul(), torch.matmul, [rng.normal(size=(*a_batch, i, j)), rng.normal(size=(*b_batch, j, k))])


def test_gelu_is_pytorchs_exact_one_over_its_whole_range():
    assert_equal_pytorch(nl.GELU(), functional.gelu, [np.linspace(-40, 40, 8001)])


@pytest.mark.parametrize("n", [1023, 1024, 1025])
@pytest.mark.parametrize("scale", [1e10, 1.0, 2.0**-52])
def test_affine_equals_pytorchs_linear_for_wide_layers_and_weights_of_any_size(n, scale):
    rng = np.random.default_rng(n)
    layer = nl.Affine.from_arrays(rng.uniform(1, 2, (n, 3)) * scale)
    assert_equal_pytorch(layer, lambda *tensors: THEIRS[nl.Affine](layer, *tensors), [rng.uniform(1, 2, (5, n))])


def test_accumulated_gradients_equal_pytorchs():
    rng = np.random.default_rng(0)
    layer = nl.Affine(4, 3, rng=0, dtype=np.float64)
    weight, bias = (torch.tensor(p.value.copy(), requires_grad=True) for p in (layer.weight, layer.bias))
    for _ in range(3):
        x, dout = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
        functional.linear(torch.tensor(x), weight.T, bias).backward(torch.tensor(dout))
        layer.forward(x)
        layer.backward(dout)
    assert np.allclose(layer.weight.grad, weight.grad.numpy(), rtol=1e-12)
    assert np.allclose(layer.bias.grad, bias.grad.numpy(), rtol=1e-12)


def test_in_float32_a_layer_is_as_close_to_pytorchs_float64_as_pytorchs_float32_is():
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(256, 64)), rng.normal(size=(128, 256))
    exact = torch.tensor(x) @ torch.tensor(w)
    theirs = (torch.tensor(x).float() @ torch.tensor(w).float() - exact).abs().max()
    ours = np.abs(nl.Affine.from_arrays(w.astype(np.float32)).forward(x.astype(np.float32)) - exact.numpy()).max()
    assert ours < 4 * max(float(theirs), math.ulp(1.0))
