"""Every row of the table against PyTorch: forward, input gradients, parameter gradients."""

import math
from functools import reduce

import numpy as np
import pytest
import table
import torch
from layouts import LAYOUTS
from torch.nn import functional

import netlib as nl


def per_axis(layer, value):
    return value if isinstance(value, tuple) else (value,) * layer.axes


def border(layer, lengths):
    """Return the widths before and after each axis, for images with these lengths."""
    if layer.padding == "same":
        axes = zip(lengths, per_axis(layer, layer.kernel_size), per_axis(layer, layer.stride or layer.kernel_size),
                   per_axis(layer, layer.dilation), strict=True)  # fmt: skip
        totals = [max((math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0) for n, k, s, d in axes]
        return [(total // 2, total - total // 2) for total in totals]
    padding = per_axis(layer, 0 if layer.padding == "valid" else layer.padding)
    return [each if isinstance(each, tuple) else (each, each) for each in padding]


def with_border(layer, x, value):
    return functional.pad(x, [n for pair in border(layer, x.shape[2:])[::-1] for n in pair], value=value)


def convolution(layer, x, weight, bias=None):
    conv = getattr(functional, f"conv{layer.axes}d")
    return conv(with_border(layer, x, 0.0), weight, bias, layer.stride, 0, layer.dilation, layer.groups)


def transposed_convolution(layer, x, weight, bias=None):
    conv, extra = getattr(functional, f"conv_transpose{layer.axes}d"), layer.output_padding
    lengths, kernel, strides = (per_axis(layer, each) for each in (tuple(x.shape[2:]), layer.kernel_size, layer.stride))
    if layer.padding == "same":
        lengths = tuple(n * s for n, s in zip(lengths, strides, strict=True))
        extra = tuple(max(s - k, 0) for k, s in zip(kernel, strides, strict=True))
    whole = conv(x, weight, bias, layer.stride, 0, extra, layer.groups, layer.dilation)
    inside = [slice(b, n - a) for (b, a), n in zip(border(layer, lengths), whole.shape[2:], strict=True)]
    return whole[:, :, *inside]


def max_pool(layer, x):
    pool = getattr(functional, f"max_pool{layer.axes}d")
    if layer.padding == "same":
        return pool(with_border(layer, x, -math.inf), layer.kernel_size, layer.stride, 0, layer.dilation)
    return pool(x, layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode)


def avg_pool(layer, x):
    padding = [before for before, after in border(layer, x.shape[2:])]  # the same on both sides
    pool = getattr(functional, f"avg_pool{layer.axes}d")
    return pool(x, layer.kernel_size, layer.stride, padding, layer.ceil_mode, layer.count_include_pad)


def pad(layer, x):
    widths = layer.widths if isinstance(layer.widths, tuple) else ((layer.widths, layer.widths),) * (x.ndim - 2)
    for axis, (before, after) in enumerate(widths, start=x.ndim - len(widths)):
        n = x.shape[axis]
        index = np.pad(np.arange(n), (before, after), layer.mode, **({"constant_values": n} if layer.mode == "constant" else {}))
        one = torch.full_like(x.narrow(axis, 0, 1), layer.value)
        x = torch.cat([x, one], axis).index_select(axis, torch.tensor(index))
    return x


def upsample(layer, x):
    mode = "nearest" if layer.mode == "nearest" else {3: "linear", 4: "bilinear"}[x.ndim]
    return functional.interpolate(x, scale_factor=layer.scale, mode=mode)


def norm(layer, x, weight=None, bias=None):
    """Return any norm but that of batches."""
    if isinstance(layer, nl.GroupNorm):
        return functional.group_norm(x, layer.groups, weight, bias, layer.eps)
    if isinstance(layer, nl.RMSNorm):
        return functional.rms_norm(x, layer.shape, weight, layer.eps)
    return functional.layer_norm(x, layer.shape, weight, bias, layer.eps)


def batch_norm(layer, x, weight=None, bias=None):
    mean, variance = torch.tensor(layer.running_mean.value), torch.tensor(layer.running_var.value)
    return functional.batch_norm(x, mean, variance, weight, bias, layer.training, layer.momentum, layer.eps)


def attention(layer, q, k, v, mask=None):
    if mask is None:
        return functional.scaled_dot_product_attention(q, k, v, is_causal=layer.causal)
    allowed = mask & (torch.ones(q.shape[-2], k.shape[-2]).tril() > 0) if layer.causal else mask
    scores = (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(~allowed & allowed.any(-1, keepdim=True), -torch.inf)
    return torch.softmax(scores, -1) * allowed @ v  # without NaN for a query that may look nowhere


def multi_head_attention(layer, *tensors):
    *xs, wq, bq, wk, bk, wv, bv, w, b = tensors
    masks = [xs.pop()] if layer.mask else []
    projected = [functional.linear(x, v.T, c) for x, v, c in zip(xs * (3 // len(xs)), (wq, wk, wv), (bq, bk, bv), strict=True)]
    heads = [x.unflatten(-1, (layer.heads, -1)).transpose(-2, -3) for x in projected]
    y = attention(layer, *heads, *masks)
    return functional.linear(y.transpose(-2, -3).flatten(-2), w.T, b)


def transformer_block(layer, x, *tensors):
    masks, tensors = ([tensors[0]], tensors[1:]) if layer.mask else ([], tensors)
    (g, c), parameters, (h, d, v, s, w, b) = tensors[:2], tensors[2:10], tensors[10:]
    norm1, norm2 = (lambda x, w=w, b=b: functional.layer_norm(x, (layer.features,), w, b) for w, b in [(g, c), (h, d)])
    activation = THEIRS[type(layer.activation)]

    def feedforward(x):
        return functional.linear(activation(layer.activation, functional.linear(x, v.T, s)), w.T, b)

    if layer.norm_first:
        x = x + multi_head_attention(layer, norm1(x), *masks, *parameters)
        return x + feedforward(norm2(x))
    x = norm1(x + multi_head_attention(layer, x, *masks, *parameters))
    return norm2(x + feedforward(x))


def axes_of(x):
    return tuple(range(x.ndim))


def sliced(layer, x):
    """Return the part of x by indices, since PyTorch's slices know no negative steps."""
    places = np.arange(x.numel()).reshape(x.shape)[layer.key]
    return x.flatten()[torch.as_tensor(np.array(places))]


def embedding(layer, ids, weight):
    """Return rows of the weight, of which ours has zeros for the padding."""
    rows = functional.embedding(ids, weight, layer.padding)
    return rows if layer.padding is None else rows * (ids != layer.padding)[..., None]


def waves(layer, x):
    """Return the waves of sinusoidal encoding from complex numbers: cosine and sine are the parts of one."""
    rates = 10000.0 ** (-torch.arange(0, layer.features, 2).double() / layer.features)
    pairs = torch.exp(1j * torch.arange(x.shape[-2]).double()[:, None] * rates)
    return torch.stack((pairs.imag, pairs.real), -1).flatten(1)[:, : layer.features]


def turned(layer, x):
    """Return products of complex numbers, whose parts are the pairs of features."""
    pairs = x.unflatten(-1, (-1, 2)) if layer.interleaved else x.unflatten(-1, (2, -1)).transpose(-1, -2)
    rates = layer.base ** (-torch.arange(0, layer.features, 2).double() / layer.features)
    angle = torch.arange(x.shape[-2]).double()[:, None] * rates
    y = torch.view_as_real(torch.view_as_complex(pairs.contiguous()) * torch.polar(torch.ones_like(angle), angle))
    return y.flatten(-2) if layer.interleaved else y.transpose(-1, -2).flatten(-2)


IMAGES = {
    **dict.fromkeys((nl.Conv1d, nl.Conv2d, nl.Conv3d), convolution),
    **dict.fromkeys((nl.ConvTranspose1d, nl.ConvTranspose2d, nl.ConvTranspose3d), transposed_convolution),
    **dict.fromkeys((nl.MaxPool1d, nl.MaxPool2d, nl.MaxPool3d), max_pool),
    **dict.fromkeys((nl.AvgPool1d, nl.AvgPool2d, nl.AvgPool3d), avg_pool),
    nl.AdaptiveAvgPool1d: lambda layer, x: functional.adaptive_avg_pool1d(x, layer.output_size),
    nl.AdaptiveAvgPool2d: lambda layer, x: functional.adaptive_avg_pool2d(x, layer.output_size),
    nl.AdaptiveAvgPool3d: lambda layer, x: functional.adaptive_avg_pool3d(x, layer.output_size),
    nl.AdaptiveMaxPool1d: lambda layer, x: functional.adaptive_max_pool1d(x, layer.output_size),
    nl.AdaptiveMaxPool2d: lambda layer, x: functional.adaptive_max_pool2d(x, layer.output_size),
    nl.AdaptiveMaxPool3d: lambda layer, x: functional.adaptive_max_pool3d(x, layer.output_size),
    nl.GlobalAvgPool: lambda layer, x: x.flatten(2).mean(2),
    nl.GlobalMaxPool: lambda layer, x: x.flatten(2).max(2).values,
    nl.Pad: pad,
    nl.Upsample: upsample,
    nl.PixelShuffle: lambda layer, x: functional.pixel_shuffle(x, layer.factor),
    **dict.fromkeys((nl.LayerNorm, nl.RMSNorm, nl.GroupNorm, nl.InstanceNorm), norm),
    nl.BatchNorm: batch_norm,
}


def prelu(layer, x, weight):
    """Return theirs, which sees no channels in a single number."""
    return functional.prelu(x[None], weight)[0] if x.ndim == 0 else functional.prelu(x, weight)


def swiglu(layer, x):
    a, b = x.chunk(2, layer.axis)
    return functional.silu(a) * b


THEIRS = (
    IMAGES
    | {  # a layer of ours and tensors to a tensor
        nl.Identity: lambda layer, x: x.clone(),
        nl.ReLU: lambda layer, x: torch.relu(x),
        nl.LeakyReLU: lambda layer, x: functional.leaky_relu(x, layer.negative_slope),
        nl.ELU: lambda layer, x: functional.elu(x, layer.alpha),
        nl.GELU: lambda layer, x: functional.gelu(x, approximate=layer.approximate),
        nl.SiLU: lambda layer, x: functional.silu(x),
        nl.Sigmoid: lambda layer, x: torch.sigmoid(x),
        nl.Tanh: lambda layer, x: torch.tanh(x),
        nl.Softplus: lambda layer, x: torch.logaddexp(x, torch.zeros_like(x)),  # theirs turns into x above a threshold
        nl.Negative: lambda layer, x: -x,
        nl.Exp: lambda layer, x: torch.exp(x),
        nl.Log: lambda layer, x: torch.log(x),
        nl.Scalar: lambda layer, x: torch.full_like(x.sum(), layer.value),
        nl.Sqrt: lambda layer, x: torch.sqrt(x),
        nl.Abs: lambda layer, x: torch.abs(x),
        nl.Clip: lambda layer, x: torch.clamp(x, layer.low, layer.high),
        nl.Maximum: lambda layer, *xs: reduce(torch.maximum, xs),
        nl.Minimum: lambda layer, *xs: reduce(torch.minimum, xs),
        nl.Where: lambda layer, a, b, condition: torch.where(condition, a, b),
        nl.Power: lambda layer, x, p=None: x ** (layer.exponent if p is None else p),
        nl.Take: lambda layer, x, i: x.index_select(layer.axis, i.ravel()).unflatten(layer.axis, i.shape),
        nl.LogSigmoid: lambda layer, x: functional.logsigmoid(x),
        nl.Softsign: lambda layer, x: functional.softsign(x),
        nl.Mish: lambda layer, x: functional.mish(x),
        nl.Hardtanh: lambda layer, x: functional.hardtanh(x, layer.low, layer.high),
        nl.ReLU6: lambda layer, x: functional.relu6(x),
        nl.Hardsigmoid: lambda layer, x: functional.relu6(x + 3) / 6,  # the slope of theirs has the digits of float32
        nl.Hardswish: lambda layer, x: functional.hardswish(x),
        nl.PReLU: prelu,
        nl.SELU: lambda layer, x: functional.selu(x),
        nl.CELU: lambda layer, x: functional.celu(x, layer.alpha),
        nl.Threshold: lambda layer, x: functional.threshold(x, layer.threshold, layer.value),
        nl.Dropout: lambda layer, x: functional.dropout(x, layer.p, training=layer.training),
        nl.Softmax: lambda layer, x: torch.softmax(x, layer.axis),
        nl.LogSoftmax: lambda layer, x: torch.log_softmax(x, layer.axis),
        nl.Softmin: lambda layer, x: functional.softmin(x, layer.axis),
        nl.GLU: lambda layer, x: functional.glu(x, layer.axis),
        nl.SwiGLU: swiglu,
        nl.Sum: lambda layer, x: x.clone() if layer.axis == () else torch.sum(x, layer.axis, layer.keepdims),
        nl.Mean: lambda layer, x: x.clone() if layer.axis == () else torch.mean(x, layer.axis, layer.keepdims),
        nl.Max: lambda layer, x: torch.amax(x, layer.axis or axes_of(x), layer.keepdims),
        nl.Min: lambda layer, x: torch.amin(x, layer.axis or axes_of(x), layer.keepdims),
        nl.Norm: lambda layer, x: torch.linalg.vector_norm(x, layer.ord, layer.axis, layer.keepdims),
        nl.LogSumExp: lambda layer, x: torch.logsumexp(x, layer.axis or axes_of(x), layer.keepdims),
        nl.CumulativeSum: lambda layer, x: torch.cumsum(x, layer.axis),
        nl.Einsum: lambda layer, *xs: torch.einsum(layer.equation, *xs),
        nl.Squeeze: lambda layer, x: x.squeeze() if layer.axis is None else x.squeeze(layer.axis),
        nl.Expand: lambda layer, x: x[None, :, None] if layer.axis == (0, -1) else x.unsqueeze(layer.axis),
        nl.BroadcastTo: lambda layer, x: x.expand(layer.shape),
        nl.Split: lambda layer, x: torch.tensor_split(x, layer.sections, layer.axis) if layer.n_outputs > 1 else x.clone(),
        nl.Reshape: lambda layer, x: x.reshape(layer.shape),
        nl.Flatten: lambda layer, x: torch.flatten(x, layer.start_axis),
        nl.Transpose: lambda layer, x: x.permute(layer.axes or tuple(range(x.ndim))[::-1]),
        nl.Concatenate: lambda layer, *xs: torch.cat(xs, layer.axis),
        nl.Add: lambda layer, *xs: sum(xs[1:], start=xs[0]),
        nl.Subtract: lambda layer, a, b: a - b,
        nl.Multiply: lambda layer, a, b: a * b,
        nl.Divide: lambda layer, a, b: a / b,
        nl.MatMul: lambda layer, a, b: torch.matmul(a, b),
        nl.Slice: sliced,
        nl.Stack: lambda layer, *xs: torch.stack(xs, layer.axis),
        nl.Embedding: embedding,
        nl.PositionalEmbedding: lambda layer, x, weight: x + weight[: x.shape[-2]],
        nl.SinusoidalEncoding: lambda layer, x: x + waves(layer, x),
        nl.RotaryEncoding: turned,
        nl.Affine: lambda layer, x, weight, bias=None: functional.linear(x, weight.T, bias),
        nl.ScaledDotProductAttention: attention,
        nl.MultiHeadAttention: multi_head_attention,
        nl.TransformerBlock: transformer_block,
    }
)


def _residual_image_network(x, w, b, v, c, weight, bias):
    """Return the output in evaluation mode, before any training."""
    h = torch.relu(functional.conv2d(x, w, b, padding=1))
    normalized = functional.conv2d(h, v, c, padding="same") / math.sqrt(1 + 1e-5) * weight[:, None, None] + bias[:, None, None]
    return functional.max_pool2d(h + torch.relu(normalized), 2).flatten(1)


def _language_network(ids, weight, w, b):
    return functional.silu(functional.linear(embedding(nl.Embedding(5, 3, 1), ids, weight), w.T, b))


def _network_of_ids_and_numbers(ids, x, one, other, v, c, w, b):
    other = embedding(nl.Embedding(5, 3, 2), ids, other) * functional.linear(x, v.T, c)
    return torch.relu(functional.linear(functional.embedding(ids, one) + other, w.T, b))


CONTAINERS = {  # the containers of the table, written out; parameters come in the order of ours
    table._network: lambda x, w, b, v, c: functional.linear(torch.tanh(functional.linear(x, w.T, b)), v.T, c),
    table._joined: lambda x, z, w, b: functional.silu(functional.linear(torch.cat((x, z), -1), w.T, b)),
    table._block: lambda x, w, b: x + torch.sigmoid(functional.linear(x, w.T, b)),
    table._recomputed: lambda x, w, b: torch.tanh(functional.linear(x, w.T, b)),
    table._square: lambda x: x @ x,
    table._formula: lambda x: 2 * torch.tanh(1 - x) + (x + 0.5) ** 2 / 3,
    table._diamond: lambda x, w, v, b: (
        torch.tanh(x @ w) ** 2 + functional.linear(x, v.T, b) - torch.tanh(x @ w) / torch.tensor([0.5, -2.0]).double()
    ),
    table._image_network: _residual_image_network,
    table._language_network: _language_network,
    table._network_of_ids_and_numbers: _network_of_ids_and_numbers,
    table._two_in_two_out: lambda x, z, w, b: (functional.linear(x, w.T, b) * z, functional.softplus(functional.linear(x, w.T, b))),
}
ACTIVATIONS = [
    nl.Identity, nl.ReLU, nl.LeakyReLU, nl.ELU, nl.GELU, nl.SiLU, nl.Sigmoid, nl.Tanh, nl.Softplus, nl.LogSigmoid, nl.Softsign, nl.Mish,
    nl.Hardtanh, nl.ReLU6, nl.Hardsigmoid, nl.Hardswish, nl.SELU, nl.CELU,
]  # fmt: skip
RECURRENT = {nl.RNN, nl.LSTM, nl.GRU, nl.Recurrent}
"""Layers with referees of their own, in test_recurrent_layers_against_torch.py."""


def is_compared_here(row):
    """Return whether its layer has no referee of its own. PyTorch warns at no features."""
    return row.shapes != ((4, 0),) and type(row.make(np.float64)) not in RECURRENT


ROWS = [row for row in table.ROWS if is_compared_here(row)]
every_row = pytest.mark.parametrize("row", ROWS, ids=str)


def as_tuple(y):
    return y if isinstance(y, tuple) else (y,)


def assert_equal_pytorch(layer, function, inputs, relaid=np.array):
    """Assert that y, dx and the parameters' gradients are `function`'s to 1e-9."""
    parameters = list(layer.parameters().values())
    arrays = [np.array(a) for a in (*inputs, *(p.value for p in parameters))]
    tensors = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    theirs = as_tuple(function(*tensors))
    ours = as_tuple(layer.forward(*map(relaid, inputs)))
    rng = np.random.default_rng(3)
    douts = [np.array(rng.normal(size=np.shape(y))) for y in ours]
    torch.autograd.backward(theirs, [torch.tensor(d) for d in douts])
    dx = as_tuple(layer.backward(tuple(map(relaid, douts)) if len(douts) > 1 else relaid(douts[0])))
    got = [*ours, *(d for d in dx if d is not None), *(p.grad for p in parameters)]
    wanted = [y.detach() for y in theirs] + [t.grad for t in tensors if t.requires_grad]
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
    assert {kind for kind in public if not issubclass(kind, nl.Loss)} - THEIRS.keys() == {*containers, *RECURRENT}
    assert {row.make for row in ROWS if row.make in CONTAINERS} == CONTAINERS.keys()


@every_row
def test_forward_and_all_gradients_equal_pytorchs_for_inputs_of_any_size(row):
    for scale in (1.0, 1e-4, 30.0, 1e4):
        layer = made(row)
        if scale == 1e4 and isinstance(layer, nl.Exp | nl.Power):
            continue  # overflows, with NumPy's warning
        assert_equal_pytorch(layer, referee(row, layer), row.with_numbers(lambda x, scale=scale: scale * x))


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


@pytest.mark.parametrize(
    ("layer", "kinks"),
    [
        (nl.ReLU(), [0]),
        (nl.LeakyReLU(), [0]),
        (nl.ELU(0.5), [0]),
        (nl.CELU(0.5), [0]),
        (nl.SELU(), [0]),
        (nl.Softsign(), [0]),
        (nl.Hardtanh(-2, 3), [-2, 3]),
        (nl.ReLU6(), [0, 6]),
        (nl.Hardswish(), [-3, 3]),
        (nl.Threshold(0.5, 2.0), [0.5]),
    ],
    ids=str,
)
def test_at_a_kink_and_at_the_numbers_nearest_to_it_an_activation_equals_pytorchs(layer, kinks):
    near = [np.nextafter(kink, kink + side) for kink in kinks for side in (-1, 0, 1)]
    assert_equal_pytorch(layer, lambda x: THEIRS[type(layer)](layer, x), [np.array([*near, 5e-324, -5e-324])])


def test_hardsigmoid_equals_pytorchs_at_and_near_its_kinks_to_the_digits_of_theirs():
    layer, near = nl.Hardsigmoid(), np.array([np.nextafter(kink, kink + side) for kink in (-3, 3) for side in (-1, 0, 1)])
    x = torch.tensor(near, requires_grad=True)
    functional.hardsigmoid(x).sum().backward()
    layer.forward(near)
    assert np.allclose(layer.backward(np.ones(6)), x.grad, rtol=1e-7, atol=0)


@pytest.mark.parametrize("kind", [nl.Softmax, nl.LogSoftmax, nl.Softmin])
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
