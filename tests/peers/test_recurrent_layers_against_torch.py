"""PyTorch in float64 judges the recurrent layers: forward, dx, states, and every parameter's gradient."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch_recurrent import as_state, as_their_state, gradients, with_parameters

import netlib as nl

N, T, IN, HIDDEN = 5, 6, 3, 4
LENGTHS = np.array([2, 6, 1, 4, 4])
KINDS = [("RNN", {"nonlinearity": "tanh"}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("GRU", {})]
STACKS = list(itertools.product((1, 2, 3), (False, True)))  # layers, bidirectional
CALLS = list(itertools.product((False, True), repeat=4))  # lengths, initial states, sequences, final states
each_kind = pytest.mark.parametrize(("name", "options"), KINDS, ids=str)


def double(name, *arguments, **options):
    """Return a module in float64 with random parameters."""
    module, rng = getattr(torch.nn, name)(*arguments, batch_first=True, **options).double(), np.random.default_rng(1)
    for parameter in module.parameters():
        parameter.data = torch.tensor(rng.uniform(-0.7, 0.7, parameter.shape))
    return module


def run_theirs(module, x, states, lengths):
    """Return y and the final states."""
    start = [states[0] if len(states) == 1 else states] if states else []
    if lengths is None:
        y, final = module(x, *start)
    else:
        packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        y, final = module(packed, *start)
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
    return y, final if isinstance(final, tuple) else (final,)


def assert_equal(module, layer, x, states=(), lengths=None):
    """Assert that outputs, and gradients of inputs and parameters, are PyTorch's to 1e-9."""
    tensor, their_states = torch.tensor(np.nan_to_num(x), requires_grad=True), tuple(map(as_their_state, states))
    y, final = run_theirs(module, tensor, their_states, lengths)
    if not layer.return_sequences:
        directions = 1 + layer.bidirectional
        y = final[0][-directions:].transpose(0, 1).flatten(1)
    outputs = layer.forward(x, *states, *([] if lengths is None else [lengths]))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    pairs = [(outputs[0], y.detach().numpy())]
    rng = np.random.default_rng(3)
    douts = [rng.normal(size=output.shape) for output in outputs]
    loss = (y * torch.tensor(douts[0])).sum()
    if layer.return_state:
        pairs += zip(outputs[1:], [as_state(each) for each in final], strict=True)
        loss = loss + sum((a * as_their_state(d).detach()).sum() for a, d in zip(final, douts[1:], strict=True))
    loss.backward()
    dx = layer.backward(tuple(douts) if layer.return_state else douts[0])
    assert isinstance(dx, tuple) == bool(states)
    dx, *dstates = dx if states else (dx,)
    pairs += [(dx, tensor.grad.numpy()), *gradients(layer, module)]
    pairs += zip(dstates, [as_state(each.grad) for each in their_states], strict=True)
    for ours, expected in pairs:
        assert ours.shape == expected.shape
        assert np.allclose(ours, expected, rtol=1e-9, atol=1e-11)


def numbers(*shape):
    return np.random.default_rng(2).normal(size=shape)


@each_kind
@pytest.mark.parametrize(("layers", "bidirectional"), STACKS)
def test_every_combination_of_layers_directions_lengths_and_states(name, options, layers, bidirectional):
    module = double(name, IN, HIDDEN, layers, bidirectional=bidirectional, **options)
    passes = layers * (1 + bidirectional)
    for has_lengths, has_states, sequences, final in CALLS:
        layer = getattr(nl, name)(IN, HIDDEN, layers, bidirectional, 0.0, sequences, final, has_lengths, **options, dtype="float64")
        shape = (N, HIDDEN) if passes == 1 else (N, passes, HIDDEN)
        states = [numbers(*shape) - k for k in range(1 + (name == "LSTM"))] if has_states else []
        x = numbers(N, T, IN)
        if has_lengths:
            x[np.arange(T) >= LENGTHS[:, None]] = np.nan
        module.zero_grad()
        assert_equal(module, with_parameters(layer, module), x, states, LENGTHS if has_lengths else None)


@each_kind
def test_a_sequence_without_steps_keeps_its_initial_state(name, options):
    layer = getattr(nl, name)(IN, HIDDEN, 2, True, return_state=True, lengths=True, **options, dtype="float64", rng=0)
    twin = getattr(nl, name)(IN, HIDDEN, 2, True, return_state=True, lengths=True, **options, dtype="float64", rng=0)
    states = [numbers(N, 4, HIDDEN) + k for k in range(1 + (name == "LSTM"))]
    lengths, x = np.array([3, 0, 6, 0, 1]), numbers(N, T, IN)
    y, *final = layer.forward(x, *states, lengths)
    douts = [numbers(*each.shape) for each in (y, *final)]
    dx, *dstates = layer.backward(tuple(douts))
    assert not y[[1, 3]].any()
    assert not dx[[1, 3]].any()
    for before, after, d, dstate in zip(states, final, douts[1:], dstates, strict=True):
        assert np.array_equal(before[[1, 3]], after[[1, 3]])
        assert np.array_equal(d[[1, 3]], dstate[[1, 3]])
    some = [0, 2, 4]  # which PyTorch's packed sequences can judge, above
    assert np.allclose(twin.forward(x[some], *[each[some] for each in states], lengths[some])[0], y[some], rtol=1e-13, atol=1e-14)


@each_kind
def test_dropout_between_the_layers_is_pytorchs_with_the_same_masks(name, options, monkeypatch):
    module = double(name, IN, HIDDEN, 1, bidirectional=True, **options)
    second = double(name, 2 * HIDDEN, HIDDEN, 1, bidirectional=True, **options)
    layer = getattr(nl, name)(IN, HIDDEN, 2, True, 0.5, **options, dtype="float64", rng=0)
    for suffix in ("", "_reverse"):
        for source, target in [(module, suffix), (second, "_1" + suffix)]:
            one = with_parameters(getattr(nl, name)(source.input_size, HIDDEN, 1, True, **options, dtype="float64"), source)
            for each in layer.parameter_names:
                getattr(layer, each + target).value = getattr(one, each + suffix).value
    x, dout = numbers(N, T, IN), numbers(N, T, 2 * HIDDEN)
    mask = torch.tensor(np.random.default_rng(5).choice([0.0, 2.0], (N, T, 2 * HIDDEN)))
    monkeypatch.setattr("netlib.layers.recurrent_layer.draw_scale", lambda *_: mask.numpy())
    tensor = torch.tensor(x, requires_grad=True)
    y, _ = second(module(tensor)[0] * mask)
    y.backward(torch.tensor(dout))
    assert np.allclose(layer.forward(x), y.detach().numpy(), rtol=1e-9, atol=1e-11)
    assert np.allclose(layer.backward(dout), tensor.grad.numpy(), rtol=1e-9, atol=1e-11)
