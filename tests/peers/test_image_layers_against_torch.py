"""PyTorch in float64 judges every option of the image layers: forward, dx, parameters and statistics."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

import netlib as nl

LENGTHS = (7, 6, 5)


def assert_equal(theirs, ours, x):
    """Assert that y, dx, gradients and statistics are PyTorch's to 1e-9."""
    tensor = torch.tensor(x, requires_grad=True)
    theirs_y, y = theirs(tensor), ours.forward(x)
    assert y.shape == tuple(theirs_y.shape)
    dout = np.random.default_rng(3).normal(size=y.shape)
    theirs_y.backward(torch.tensor(dout))
    pairs = [(y, theirs_y.detach()), (ours.backward(dout), tensor.grad)]
    pairs += [(p.grad, getattr(theirs, path).grad) for path, p in ours.parameters().items()]
    pairs += [(b.value, getattr(theirs, path)) for path, b in ours.buffers().items()]
    for a, b in pairs:
        assert a.shape == tuple(b.shape)
        assert np.allclose(a, b.numpy(), rtol=1e-9, atol=1e-11)


def double(module):
    """Return a module in float64 with random parameters."""
    rng = np.random.default_rng(1)
    for parameter in module.double().parameters():
        parameter.data = torch.tensor(rng.normal(size=parameter.shape))
    return module


def with_parameters(layer, module):
    """Return a layer with the parameters of a module."""
    for path, parameter in layer.parameters().items():
        parameter.value = getattr(module, path).detach().numpy()
    return layer


def numbers(*shape):
    return np.random.default_rng(2).normal(size=shape)


def ties(*shape):
    return np.random.default_rng(2).integers(-3, 4, shape).astype(float)


CONVOLUTIONS = [  # axes, transposed, kernel, stride, padding, dilation, groups, bias
    case
    for case in itertools.product((1, 2, 3), (False, True), (1, 3), (1, 2), (0, 1, "same"), (1, 2), (1, 2, 4), (True, False))
    if not (case[4] == "same" and (case[1] or case[3] == 2))  # PyTorch has "same" only without stride
]
POOLS = [  # axes, kernel, stride, padding, ceil_mode
    *itertools.product((1, 2, 3), (2, 3), (None, 1, 2, 3), (0, 1), (False, True))
]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("is_transposed", [False, True])
def test_convolutions_with_every_option(axes, is_transposed):
    name = f"ConvTranspose{axes}d" if is_transposed else f"Conv{axes}d"
    cases = [case[2:] for case in CONVOLUTIONS if case[:2] == (axes, is_transposed)]
    assert len(cases) == (96 if is_transposed else 120)
    for kernel, stride, padding, dilation, groups, bias in cases:
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        if is_transposed and stride == 2:
            options["output_padding"] = 1
        theirs = double(getattr(torch.nn, name)(4, 8, kernel, bias=bias, **options))
        ours = getattr(nl, name)(4, 8, kernel, bias=bias, **options, dtype="float64")
        assert_equal(theirs, with_parameters(ours, theirs), numbers(2, 4, *LENGTHS[:axes]))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_kernel_may_differ_from_axis_to_axis(axes):
    options = {"stride": (2, 1, 3)[:axes], "padding": (1, 0, 2)[:axes], "dilation": (1, 2, 1)[:axes]}
    for name in (f"Conv{axes}d", f"ConvTranspose{axes}d"):
        theirs = double(getattr(torch.nn, name)(4, 2, (3, 2, 1)[:axes], **options))
        ours = getattr(nl, name)(4, 2, (3, 2, 1)[:axes], **options, dtype="float64")
        assert_equal(theirs, with_parameters(ours, theirs), numbers(2, 4, *LENGTHS[:axes]))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_pooling_with_every_option(axes):
    x = ties(2, 3, *LENGTHS[:axes])
    for _, kernel, stride, padding, ceil_mode in (case for case in POOLS if case[0] == axes):
        for dilation in (1, 2):
            if dilation * (kernel - 1) < min(x.shape[2:]):
                arguments = kernel, stride, padding, dilation
                theirs = getattr(torch.nn, f"MaxPool{axes}d")(*arguments, ceil_mode=ceil_mode)
                assert_equal(theirs, getattr(nl, f"MaxPool{axes}d")(*arguments, ceil_mode), x)
        for includes in (True, False):
            arguments = kernel, stride, padding, ceil_mode, includes
            assert_equal(getattr(torch.nn, f"AvgPool{axes}d")(*arguments), getattr(nl, f"AvgPool{axes}d")(*arguments), x)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_adaptive_and_global_pooling(axes):
    x = ties(2, 3, *LENGTHS[:axes])
    sizes = [1, 2, 3, 4, 5, 8, (3, 5, 2)[:axes] if axes > 1 else 6]
    for size, kind in itertools.product(sizes, ("Avg", "Max")):
        name = f"Adaptive{kind}Pool{axes}d"
        assert_equal(getattr(torch.nn, name)(size), getattr(nl, name)(size), x)
    within = tuple(range(2, x.ndim))
    assert_equal(lambda t: t.mean(within), nl.GlobalAvgPool(), x)
    flat = lambda t: functional.adaptive_max_pool1d(t.flatten(2), 1)[..., 0]  # noqa: E731 - of ties, amax shares the gradient
    assert_equal(flat, nl.GlobalMaxPool(), x)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_upsampling_and_padding(axes):
    x = numbers(2, 3, *LENGTHS[:axes])
    for scale in (1, 2, 3, 1.5, 0.5, (2, 1.5, 3)[:axes]):
        for mode, theirs in [("nearest", "nearest"), ("linear", ("linear", "bilinear", "trilinear")[axes - 1])]:
            module = torch.nn.Upsample(scale_factor=scale, mode=theirs)
            assert_equal(module, nl.Upsample(scale, mode), x)
    widths = [(1, 2), (2, 0), (1, 1)][:axes]
    flat = [n for pair in widths[::-1] for n in pair]
    for ours, mode in [("constant", "constant"), ("reflect", "reflect"), ("edge", "replicate"), ("wrap", "circular")]:
        assert_equal(lambda t, mode=mode: functional.pad(t, flat, mode), nl.Pad(tuple(widths), ours), x)
    assert_equal(lambda t: functional.pad(t, flat, value=2.5), nl.Pad(tuple(widths), value=2.5), x)
    if axes == 2:
        for factor in (1, 2, 3):
            assert_equal(torch.nn.PixelShuffle(factor), nl.PixelShuffle(factor), numbers(2, 2 * factor**2, 3, 4))


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_norms_of_samples(affine, eps):
    for shape in [(5,), (4, 5), (3, 4, 5)]:
        for name in ("LayerNorm", "RMSNorm"):
            theirs = double(getattr(torch.nn, name)(shape, eps=eps, elementwise_affine=affine))
            ours = getattr(nl, name)(shape, eps, affine, dtype="float64")
            assert_equal(theirs, with_parameters(ours, theirs), numbers(2, 3, 4, 5))
    theirs = double(torch.nn.LayerNorm(5, bias=False))
    assert_equal(theirs, with_parameters(nl.LayerNorm(5, bias=False, dtype="float64"), theirs), numbers(2, 5))
    for groups, shape in itertools.product((1, 2, 4), [(3, 4), (3, 4, 5), (3, 4, 5, 2), (3, 4, 2, 3, 2)]):
        theirs = double(torch.nn.GroupNorm(groups, 4, eps, affine))
        assert_equal(theirs, with_parameters(nl.GroupNorm(groups, 4, eps, affine, dtype="float64"), theirs), numbers(*shape))
    for axes in (1, 2, 3):
        theirs = double(getattr(torch.nn, f"InstanceNorm{axes}d")(4, eps, affine=affine))
        assert_equal(theirs, with_parameters(nl.InstanceNorm(4, eps, affine, dtype="float64"), theirs), numbers(3, 4, *LENGTHS[:axes]))


def test_rms_norm_has_the_eps_of_its_type_by_default():
    for dtype in (np.float32, np.float64):
        x = (1e-4 * numbers(3, 5)).astype(dtype)
        y = torch.nn.RMSNorm(5, dtype=torch.float64 if dtype == np.float64 else torch.float32)(torch.tensor(x))
        assert np.allclose(nl.RMSNorm(5, dtype=dtype).forward(x), y.detach().numpy(), rtol=1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize(("name", "shape"), [("1d", (6, 4)), ("1d", (6, 4, 3)), ("2d", (3, 4, 5, 2)), ("3d", (3, 4, 5, 2, 2))])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("momentum", "eps"), [(0.1, 1e-5), (0.3, 0.1)])
def test_batch_norm_over_20_training_steps_and_in_evaluation(name, shape, affine, momentum, eps):
    theirs = double(getattr(torch.nn, f"BatchNorm{name}")(4, eps, momentum, affine))
    ours = with_parameters(nl.BatchNorm(4, eps, momentum, affine, dtype="float64"), theirs)
    rng = np.random.default_rng(0)
    optimizers = (torch.optim.SGD(theirs.parameters(), 0.1), nl.SGD(ours, 0.1)) if affine else ()
    for _ in range(20):
        assert_equal(theirs, ours, 3 * rng.normal(size=shape) + 1)
        for optimizer in optimizers:
            optimizer.step()
        theirs.zero_grad()
    theirs.eval()
    ours.eval()
    for _ in range(2):
        assert_equal(theirs, ours, rng.normal(size=shape))
        theirs.zero_grad()
        ours.zero_grad()


def test_a_residual_network_learns_as_pytorchs_does():
    def block(n):
        conv, norm = torch.nn.Conv2d(n, n, 3, padding=1), torch.nn.BatchNorm2d(n)
        ours = nl.Sequential(nl.Conv2d(n, n, 3, padding=1, dtype="float64"), nl.BatchNorm(n, dtype="float64"), nl.ReLU())
        return [double(conv), double(norm)], ours

    (conv, norm), inner = block(3)
    first, last = double(torch.nn.Conv2d(1, 3, 3, stride=2, padding=1)), double(torch.nn.Linear(3, 2))
    model = nl.Sequential(nl.Conv2d(1, 3, 3, stride=2, padding=1, dtype="float64"), nl.Residual(inner), nl.MaxPool2d(2),
                          nl.GlobalAvgPool(), nl.Affine(3, 2, dtype="float64"))  # fmt: skip
    for layer, module in [(model[0], first), (inner[0], conv), (inner[1], norm)]:
        with_parameters(layer, module)
    model[4].weight.value, model[4].bias.value = last.weight.detach().numpy().T, last.bias.detach().numpy()
    parameters = [p for module in (first, conv, norm, last) for p in module.parameters()]
    theirs, ours = torch.optim.Adam(parameters, lr=1e-2), nl.Adam(model, lr=1e-2)
    loss, rng = nl.SoftmaxCrossEntropy(), np.random.default_rng(0)
    for _ in range(10):
        x, t = rng.normal(size=(4, 1, 8, 8)), rng.integers(0, 2, 4)
        h = first(torch.tensor(x))
        h = functional.max_pool2d(h + torch.relu(norm(conv(h))), 2).mean((2, 3))
        expected = functional.cross_entropy(last(h), torch.tensor(t))
        theirs.zero_grad()
        expected.backward()
        theirs.step()
        value = loss.forward(model.forward(x), t)
        model.backward(loss.backward(), input_gradient=False)
        ours.step()
        assert np.isclose(value, expected.item(), rtol=1e-6)
    assert np.allclose(inner[1].running_var.value, norm.running_var.numpy(), rtol=1e-6)
