"""Modules of PyTorch as models of netlib: forward and gradients, modes, names, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn
from torch_compare import as_tuple, assert_same
from torch_models import MODELS, LeNet, ViT

import netlib as nl


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_a_network_of_ones_own_computes_the_same_in_both_modes_and_goes_back(kind):
    torch.manual_seed(0)
    module, x = kind().double(), MODELS[kind]()
    x = x.double() if x.is_floating_point() else x
    model = nl.torch.convert(module, x[:2])
    assert set(nl.torch.state_dict(model)) == set(module.state_dict())
    if kind is not LeNet:  # which drops elements
        assert_same(model, module, x)
    assert_same(model.eval(), module.eval(), x)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) / 10)
        if kind.__name__ == "Tagger":
            module.embed.weight[0] = 0
    nl.torch.load_state_dict(model, module.state_dict())
    back = nl.torch.module(model)
    assert set(back.state_dict()) == set(module.state_dict())
    for ours, theirs in zip(as_tuple(back(x)), as_tuple(module(x)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
    assert type(nl.torch.convert(back)) is nl.Graph


def test_sizes_that_forward_asks_for_need_an_example():
    with pytest.raises(nl.NetlibError, match=r"'blocks\.0\.attn\.reshape'.*Give an example of the input: convert\(module, x\)"):
        nl.torch.convert(ViT())


def test_types_modes_frozen_parameters_and_shared_ones_stay():
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3), nn.Dropout(0.3)).half()
    module[2].weight = module[0].weight
    module[0].bias.requires_grad_(False)
    module[1].eval()
    model = nl.torch.convert(module)
    assert {parameter.dtype.name for parameter in model.parameters().values()} == {"float16"}
    assert list(model.parameters()) == ["0.weight", "0.bias", "1.weight", "1.bias", "2.bias"]
    assert [path for path, parameter in model.parameters().items() if not parameter.trainable] == ["0.bias"]
    assert [layer.training for layer in model] == [True, False, True, True]
    back = nl.torch.module(model)
    assert back[0].weight is back[2].weight
    assert not back[0].bias.requires_grad
    assert [each.training for each in back] == [True, False, True, True]
    assert type(back[0]) is nn.Linear


def test_in_place_changes_reach_all_who_read_the_tensor():
    class PreActivated(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu, self.linear = nn.ReLU(inplace=True), nn.Linear(3, 3)

        def forward(self, x):
            h = x * 2
            out = self.linear(self.relu(h))
            return out + h  # which is relu(2x) by now

    torch.manual_seed(0)
    module = PreActivated().double()
    assert_same(nl.torch.convert(module), module, torch.randn(4, 3, dtype=torch.float64))


def test_a_module_that_is_called_twice_becomes_tied_copies():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x):
            return self.linear(torch.tanh(self.linear(x)))

    torch.manual_seed(0)
    module = Twice().double()
    model = nl.torch.convert(module)
    assert list(model.parameters()) == ["linear.weight", "linear.bias"]
    assert_same(model, module, torch.randn(4, 3, dtype=torch.float64))
    nl.torch.load_state_dict(model, module.state_dict())


def test_all_that_is_unknown_is_reported_at_once_by_path():
    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.bilinear, self.lstm = nn.Bilinear(3, 3, 3), nn.LSTM(3, 3)

        def forward(self, x):
            y, _ = self.lstm(x)
            return torch.erf(self.bilinear(y, y))

    module = nn.Sequential(nn.Hardshrink(), Inner(), nn.Conv2d(1, 1, 3, padding_mode="reflect"))
    with pytest.raises(nl.NetlibError) as caught:
        nl.torch.convert(module)
    message = str(caught.value)
    for part in (
        "'0': Hardshrink has no counterpart in netlib. Pass translations={Hardshrink: function}",
        "'1.bilinear': Bilinear has no counterpart",
        "'1.lstm': LSTM has batch_first=False, expected True",
        "'2': Conv2d has padding_mode='reflect', expected 'zeros'",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.LSTM(3, 4, proj_size=2, batch_first=True), "proj_size=2, expected 0"),
        (nn.MaxPool2d(2, return_indices=True), "return_indices=True, expected False"),
        (nn.AvgPool2d(2, divisor_override=3), "divisor_override=3, expected None"),
        (nn.BatchNorm1d(2, track_running_stats=False), "track_running_stats=False, expected True"),
        (nn.BatchNorm1d(2, momentum=None), "momentum=None, expected a number"),
        (nn.Embedding(3, 2, max_norm=1.0), "max_norm=1.0, expected None"),
        (nn.MultiheadAttention(4, 2, add_zero_attn=True, batch_first=True), "add_zero_attn=True, expected False"),
        (nn.MultiheadAttention(4, 2, kdim=3, batch_first=True), "_qkv_same_embed_dim=False, expected True"),
        (nn.TransformerEncoderLayer(4, 2), "'self_attn': MultiheadAttention has batch_first=False"),
        (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), "align_corners=True"),
        (nn.Upsample(scale_factor=2, mode="bicubic"), "mode='bicubic'"),
        (nn.Softplus(beta=2), "beta=2"),
        (nn.Flatten(1, 2), "end_dim=2, expected -1"),
        (nn.Dropout(1.0), "p is 1, expected a finite number in [0, 1)"),
        (nn.Embedding.from_pretrained(torch.ones(2, 2), padding_idx=0), "row 0 of weight, the padding_idx, holds numbers other than 0"),
        (nn.Linear(2, 2, dtype=torch.bfloat16), "torch.bfloat16, expected float16, float32 or float64"),
        (torch.nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "has parametrizations of weight"),
        (nn.Sequential(nn.LSTM(2, 2, batch_first=True), nn.Linear(2, 2)), "LSTM returns a tuple, which Linear does not take"),
    ],
    ids=str,
)
def test_an_option_that_netlib_lacks_is_refused_by_name(module, message):
    with pytest.raises(nl.NetlibError) as caught:
        nl.torch.convert(module)
    assert message in str(caught.value)


class Branch(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Modes(nn.Module):
    def forward(self, x):
        return torch.exp(x) if self.training else x


class Largest(nn.Module):
    def forward(self, x):
        return x.max(dim=1)[0]


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Branch(), "forward of Branch cannot be traced"),
        (Modes(), "does other things in training than in evaluation"),
        (Largest(), "'max_1': max and min with a dim give the gradient to one of equal elements. Use x.amax(dim)"),
    ],
)
def test_a_forward_that_a_graph_cannot_say_is_refused(module, message):
    with pytest.raises(nl.NetlibError) as caught:
        nl.torch.convert(module)
    assert message in str(caught.value)


def test_translations_supply_what_is_unknown_in_both_directions():
    class Cube(nl.Layer):
        def forward(self, x):
            return self.remember(x**3, x)

        def backward(self, dout):
            dout, x = self.recall(dout)
            return dout * 3 * x**2

    class CubeModule(nn.Module):
        def forward(self, x):
            return x**3

    model = nl.Sequential(nl.Affine(2, 2, dtype="float64"), Cube())
    with pytest.raises(nl.NetlibError, match=r"'1': Cube has no counterpart in PyTorch\. Pass translations=\{Cube: function\}"):
        nl.torch.module(model)
    module = nl.torch.module(model, translations={Cube: lambda layer: CubeModule()})
    back = nl.torch.convert(module, translations={CubeModule: lambda module: Cube()})
    x = torch.randn(3, 2, dtype=torch.float64)
    assert_same(back, module, x)
    assert type(back[1]) is Cube
    with pytest.raises(nl.NetlibError, match="the translation of Cube returned int"):
        nl.torch.module(model, translations={Cube: lambda layer: 3})


def test_a_weight_in_two_layouts_is_refused_by_path():
    affine, embedding = nl.Affine(3, 3), nl.Embedding(3, 3)
    embedding.weight = affine.weight
    with pytest.raises(nl.NetlibError, match="'1': weight is shared with a layer that has it in another layout"):
        nl.torch.module(nl.Sequential(affine, embedding))


def test_what_is_no_module_is_refused():
    with pytest.raises(nl.NetlibError, match=r"got OrderedDict, expected a module of PyTorch\. For a dict of arrays, use load_state_dict"):
        nl.torch.convert(nn.Linear(2, 2).state_dict())


def test_a_model_that_was_trained_in_pytorch_comes_home():
    model = nl.Sequential(nl.Affine(2, 8, rng=0), nl.Tanh(), ("norm", nl.LayerNorm(8)), nl.Affine(8, 1, rng=1))
    module = nl.torch.module(model)
    x, t = torch.randn(64, 2), torch.randn(64, 1)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    losses = []
    for _ in range(20):
        loss = nn.functional.mse_loss(module(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    nl.torch.load_state_dict(model, module.state_dict())
    np.testing.assert_allclose(model.forward(x.numpy()), module(x).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        nl.SoftmaxCrossEntropy(0.1, "sum", [1.0, 2.0, 0.5], 1),
        nl.SoftmaxCrossEntropy(),
        nl.SigmoidCrossEntropy(pos_weight=[1.0, 2.0, 0.5]),
        nl.Huber(0.5),
    ],
    ids=str,
)
def test_a_loss_goes_there_and_back(loss):
    rng = np.random.default_rng(0)
    y, t = rng.normal(size=(6, 3)), rng.uniform(size=(6, 3)) if not isinstance(loss, nl.SoftmaxCrossEntropy) else np.arange(6) % 3
    module = nl.torch.module(loss).double()
    assert_same(loss, module, torch.tensor(y), torch.tensor(t))
    assert nl.torch.convert(module).forward(y, t) == loss.forward(y, t)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_recurrent_module_without_biases_has_zeros_that_are_not_trained(kind):
    torch.manual_seed(0)
    module = kind(3, 4, 2, batch_first=True, bias=False, bidirectional=True).double()
    model = nl.torch.convert(module)
    biases = {path: each for path, each in model.parameters().items() if "bias" in path}
    assert not any(each.trainable or each.value.any() for each in biases.values())
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    np.testing.assert_allclose(model.forward(x.numpy()), module(x)[0].detach().numpy(), rtol=1e-9, atol=1e-11)


class Pair(nn.Module):
    """A module that takes a flag and a constant, and returns a dict with a tuple inside."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, a, b, negate=False, scale=None):
        h = self.linear(a) * (1 if scale is None else scale)
        return {"h": -h if negate else h, "rest": (a / b, None)}


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.pair, self.last = Pair(), Pair()

    def forward(self, x, y):
        first = self.pair(x, b=y, negate=True)
        second = self.last(first["rest"][0], first["h"] + 3, scale=0.5)
        return 1 - second["h"], second["rest"][0]


def test_modules_inside_take_constants_and_return_nested_tensors():
    torch.manual_seed(0)
    module = Outer().double()
    x, y = torch.randn(2, 4, 3, dtype=torch.float64)
    assert_same(nl.torch.convert(module), module, x, y)
    model = nl.torch.convert(module, x, y)
    assert_same(model, module, x, y)
    assert set(nl.torch.state_dict(model)) == set(module.state_dict())


def test_a_class_of_ones_own_that_changes_a_method_is_not_mistaken_for_pytorchs():
    class Named(nn.Linear):
        def __init__(self):
            super().__init__(2, 2)

    class Scaled(nn.Conv1d):
        def _conv_forward(self, x, weight, bias):
            return super()._conv_forward(x, 2 * weight, bias)

    assert repr(nl.torch.convert(Named())) == "Affine(2, 2)"
    with pytest.raises(nl.NetlibError, match="conv1d"):
        nl.torch.convert(Scaled(2, 2, 1))
