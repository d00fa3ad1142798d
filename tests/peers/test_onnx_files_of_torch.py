"""Files that PyTorch's exporters write open: onnxruntime judges the values, and PyTorch the gradients."""

import numpy as np
import onnx_networks
import onnxruntime
import pytest
import torch

import netlib as nl

SLOW = pytest.mark.exhaustive
"""The newer exporter takes three seconds for each file."""
FILES = [(name, False) for name in ("lenet", "resnet", "vit", "lstm_tagger")]
FILES += [pytest.param(name, True, marks=() if name == "vit" else SLOW) for name in ("lenet", "resnet", "vit", "lstm_tagger")]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Return a function that exports a network in float32, once, and opens it."""
    folder, files = tmp_path_factory.mktemp("files"), {}

    def open_file(name, dynamo):
        if (name, dynamo) not in files:
            module, inputs = onnx_networks.network(name)
            path = folder / f"{name}_{dynamo}.onnx"
            onnx_networks.export(module, inputs(2), path, dynamo)
            files[name, dynamo] = path, inputs
        path, inputs = files[name, dynamo]
        return path, nl.onnx.load(path), inputs

    return open_file


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("name", "dynamo"), FILES)
def test_a_file_gives_the_values_of_onnxruntime_whatever_the_batch(opened, name, dynamo):
    path, graph, inputs = opened(name, dynamo)
    session = onnxruntime.InferenceSession(path)
    for n in (2, 5):
        x = inputs(n).numpy()
        (expected,) = session.run(None, {session.get_inputs()[0].name: x})
        assert np.allclose(graph.predict(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "dynamo"), FILES)
def test_ten_steps_lower_the_loss(opened, name, dynamo):
    _, graph, inputs = opened(name, dynamo)
    x = inputs(6).numpy()
    shape = graph.predict(x).shape
    t = np.random.default_rng(0).integers(0, shape[-1], shape[:-1])
    loss, optimizer = nl.SoftmaxCrossEntropy(), nl.Adam(graph, lr=1e-3)
    losses = []
    for _ in range(10):
        losses.append(loss.forward(graph.forward(x), t))
        graph.backward(loss.backward(), input_gradient=False)
        optimizer.step()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["lenet", "vit", "lstm_tagger"])
def test_a_file_is_drawn_with_its_gradients(opened, name):
    _, graph, inputs = opened(name, False)
    picture = nl.draw(graph, inputs(2).numpy())
    assert "Affine" in picture.dot


@pytest.mark.parametrize("name", onnx_networks.NETWORKS)
def test_gradients_are_those_of_pytorch(tmp_path, name):
    module, inputs = onnx_networks.network(name, torch.float64)
    onnx_networks.export(module, inputs(2), tmp_path / "model.onnx")
    graph = nl.onnx.load(tmp_path / "model.onnx").eval()
    x = inputs(3).requires_grad_(inputs(3).is_floating_point())
    expected = module(x)
    dout = torch.randn(expected.shape, dtype=torch.float64)
    expected.backward(dout)
    y = graph.forward(x.detach().numpy())
    dx = graph.backward(dout.numpy())
    assert np.allclose(y, expected.detach().numpy(), rtol=1e-9, atol=1e-9)
    if x.requires_grad:
        assert np.allclose(dx, x.grad.numpy(), rtol=1e-9, atol=1e-9)
    parameters = {path.replace("/", "."): parameter for path, parameter in graph.parameters().items()}
    compared = sum(compare(name, each, parameters, module) for name, each in module.named_parameters())
    assert compared == sum(1 for _ in module.parameters())


def compare(name, of_torch, parameters, module):
    """Compare the gradient of a parameter of PyTorch with that of the same name, or of the same values."""
    value, grad = of_torch.detach().numpy(), of_torch.grad.numpy()
    if ".bias_ih" in name or ".bias_hh" in name:  # netlib has their sum, but for the candidate of a GRU
        return compare_recurrent_bias(name, grad, parameters, module)
    for parameter in [parameters[name]] if name in parameters else parameters.values():
        for mine, its in [(parameter.value, parameter.grad), (parameter.value.T, parameter.grad.T)]:
            if mine.size == value.size and np.array_equal(mine.ravel(), value.ravel()):
                assert np.allclose(its.reshape(grad.shape), grad, rtol=1e-9, atol=1e-9), name
                return True
    return False


def compare_recurrent_bias(name, grad, parameters, module):
    of_x = dict(module.named_parameters())[name.replace("bias_hh", "bias_ih")].detach().numpy()
    of_h = dict(module.named_parameters())[name.replace("bias_ih", "bias_hh")].detach().numpy()
    is_gru = len(of_x) == 3 * 5
    kept = np.r_[of_x[:10] + of_h[:10], of_x[10:]] if is_gru else of_x + of_h
    found = [each for each in parameters.values() if each.shape == kept.shape and np.allclose(each.value, kept, rtol=1e-12)]
    (parameter,) = found
    both = slice(10 if is_gru else None)
    assert np.allclose(parameter.grad[both], grad[both], rtol=1e-9, atol=1e-9), name
    if is_gru and ".bias_ih" in name:
        assert np.allclose(parameter.grad[10:], grad[10:], rtol=1e-9, atol=1e-9), name
    if is_gru and ".bias_hh" in name:
        (apart,) = [each for each in parameters.values() if np.array_equal(each.value, of_h[10:])]
        assert np.allclose(apart.grad, grad[10:], rtol=1e-9, atol=1e-9), name
    return True
