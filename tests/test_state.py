"""What a model holds: parameters, buffers, and both as one dict of arrays."""

import copy
import pickle

import numpy as np
import pytest

import netlib as nl


class Centre(nl.Layer):
    """Subtract a running mean, which training updates."""

    def __init__(self, features):
        self.mean = nl.Buffer(np.zeros(features))
        self.seen = [nl.Buffer(0)]

    def forward(self, x):
        if self.training:
            self.mean.value = 0.5 * self.mean.value + 0.5 * x.mean(axis=0)
            self.seen[0].value += 1
        return x - self.mean.value

    def backward(self, dout):
        return np.array(dout)


def model():
    return nl.Sequential(nl.Affine(2, 3, rng=0), Centre(3))


def test_buffers_are_found_by_path_and_are_no_parameters():
    net = model()
    assert list(net.buffers()) == ["1.mean", "1.seen.0"]
    assert list(net.parameters()) == ["0.weight", "0.bias"]
    assert [b.dtype.name for b in net.buffers().values()] == ["float64", "int64"]


def test_a_buffer_copies_what_it_is_given_and_refuses_another_shape():
    given = np.ones(3)
    buffer = nl.Buffer(given)
    held = buffer.value
    given[:] = 7
    buffer.value = [1, 2, 3]
    assert held.tolist() == [1, 2, 3]
    with pytest.raises(nl.ShapeError):
        buffer.value = [1, 2]


def test_a_state_is_a_copy_of_parameters_and_buffers_and_puts_a_model_back():
    net = model()
    state = net.state_dict()
    before = net.eval().forward(np.ones((4, 2)))
    net.train().forward(np.ones((4, 2)))
    net[0].weight.value = np.full((2, 3), 9.0)
    assert list(state) == ["0.weight", "0.bias", "1.mean", "1.seen.0"]
    assert net.load_state_dict(state) == {}
    assert net.eval().forward(np.ones((4, 2))).tolist() == before.tolist()
    assert net[1].seen[0].value == 0


def test_a_state_that_does_not_fit_is_refused_whole_in_one_message():
    net = model()
    state = net.state_dict()
    state["0.weight"] = state["0.weight"] + 1
    state["1.mean"] = np.zeros(5)
    state["head"] = state.pop("0.bias")
    before = {path: value.tolist() for path, value in net.state_dict().items()}
    with pytest.raises(
        nl.InvalidValueError, match=r"'0\.bias' is missing; '1\.mean' has shape \(5,\), wanted \(3,\); 'head' is unexpected"
    ):
        net.load_state_dict(state)
    assert {path: value.tolist() for path, value in net.state_dict().items()} == before
    assert list(net.load_state_dict(state, strict=False)) == ["0.bias", "1.mean", "head"]
    assert net[0].weight.value.tolist() == state["0.weight"].tolist()
    with pytest.raises(nl.InvalidTypeError):
        net.load_state_dict([1, 2])


def test_an_optimizer_goes_on_with_what_was_loaded():
    net = model()
    optimizer = nl.SGD(net, lr=1.0)
    net.load_state_dict({path: np.zeros_like(value) for path, value in net.state_dict().items()})
    net.parameters()["0.bias"].grad += 1
    optimizer.step()
    assert net[0].bias.value.tolist() == [-1, -1, -1]


def test_copies_hold_their_own_buffers_and_tied_copies_the_same():
    net = model()
    assert copy.deepcopy(net).buffers()["1.mean"].value is not net.buffers()["1.mean"].value
    assert net.tied_copy().buffers()["1.mean"] is net.buffers()["1.mean"]
    twice = nl.Sequential(net[1], net[1].tied_copy())
    assert list(twice.state_dict()) == ["0.mean", "0.seen.0"]


def test_early_stopping_brings_back_the_buffers_of_the_best_epoch():
    net = nl.Sequential(nl.Affine(2, 1, rng=0, dtype="float64"), Centre(1))
    seen = {}

    class Look(nl.Callback):
        def on_epoch_end(self, trainer):
            seen[trainer.epoch] = trainer.model.buffers()["1.mean"].value.copy()

    stopping = nl.EarlyStopping(patience=3)
    trainer = nl.Trainer(net, nl.MeanSquaredError(), nl.SGD(net, lr=0.9), callbacks=[Look(), stopping], seed=0)
    x = np.random.default_rng(0).normal(size=(40, 2)) + 5
    history = trainer.fit(x, x[:, :1] - 5, epochs=8, validation=0.25, progress=False)
    assert stopping.best_epoch < len(history)
    assert net.buffers()["1.mean"].value.tolist() == seen[stopping.best_epoch].tolist()


@pytest.mark.parametrize("layer", [nl.Affine(3, 3, rng=0), nl.Tanh(), nl.Sequential(nl.Affine(3, 3, rng=0), nl.Softmax())])
def test_a_pickle_does_not_hold_what_a_forward_kept(layer):
    before = len(pickle.dumps(layer))
    y = layer.forward(np.ones((5000, 3)))
    assert len(pickle.dumps(layer)) == before
    again = pickle.loads(pickle.dumps(layer))
    assert again.forward(np.ones((5000, 3))).tolist() == y.tolist()
    with pytest.raises(nl.OrderError):
        pickle.loads(pickle.dumps(layer)).backward(y)
