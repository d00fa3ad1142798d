"""Recompute keeps only its input and runs forward again, with the same numbers."""

import copy

import numpy as np
import pytest
from own_layers import Fails, Halves, Noop, Scale, affine, grads
from stateful_layers import Centre, Doubles, Exp, Square

import netlib as nl

RNG = np.random.default_rng(0)
BATCHES = RNG.normal(size=(5, 4, 3))
DOUTS = RNG.normal(size=(5, 4, 3))


class Whiten(nl.Layer):
    """y = x / scale, where `scale` is a buffer that every forward in training doubles."""

    def __init__(self):
        self.scale = nl.Buffer(np.ones(3))

    def forward(self, x):
        scale = self.scale.value.copy()
        if self.training:
            self.scale.value = 2 * self.scale.value
        return self.remember(x / scale, scale)

    def backward(self, dout):
        dout, scale = self.recall(dout)
        return dout / scale


def plain(layer):
    return layer


def block(wrap, i=0, p=0.5):
    return wrap(nl.Sequential(affine(3, 5, i), nl.ReLU(), nl.Dropout(p, rng=i), affine(5, 3, i + 1), nl.Tanh()))


def graph(wrap):
    x = nl.Input("x")
    h = block(wrap)(x, name="h")
    return nl.Graph([x], [wrap(Scale([1.0, 2.0, 3.0]))(h, name="s") * h])


MODELS = {
    "one block": block,
    "two blocks": lambda wrap: nl.Sequential(block(wrap, 0), block(wrap, 7)),
    "between layers": lambda wrap: nl.Sequential(affine(3, 3, 3), nl.ReLU(), block(wrap), nl.ReLU(), affine(3, 3, 4)),
    "nested": lambda wrap: wrap(nl.Sequential(block(wrap), nl.Dropout(0.3, rng=5), wrap(nl.Sequential(wrap(nl.Dropout(0.3, rng=6)))))),
    "in a Residual": lambda wrap: nl.Sequential(nl.Residual(block(wrap)), nl.Tanh()),
    "around a Residual": lambda wrap: nl.Sequential(nl.Tanh(), wrap(nl.Residual(nl.Sequential(affine(3, 3, 0), nl.Dropout(0.5, rng=0))))),
    "in a Graph": graph,
    "around a Graph": lambda wrap: wrap(graph(plain)),
    "a lone Affine": lambda wrap: wrap(affine(3, 3, 0)),
    "a lone Dropout": lambda wrap: nl.Sequential(wrap(nl.Dropout(0.5, rng=0))),
    "buffers": lambda wrap: nl.Sequential(affine(3, 3, 0), wrap(nl.Sequential(Centre(), Whiten(), nl.Dropout(0.5, rng=0)))),
    "buffers, nested": lambda wrap: wrap(nl.Sequential(wrap(Whiten()), Centre(), wrap(wrap(Centre())))),
    "users' layers": lambda wrap: wrap(nl.Sequential(Noop(), Scale([1.0, 2.0, 3.0]), Square(), Doubles(Exp()), Noop())),
}


def state(model):
    """Return every buffer, and what each generator would draw next."""
    buffers = {path: buffer.value.tolist() for path, buffer in model.buffers().items()}
    generators = [
        value.bit_generator.state for _, layer in model.walk() for value in vars(layer).values() if hasattr(value, "bit_generator")
    ]
    return list(buffers.values()), generators


def assert_alike(model, reference):
    assert [g.tolist() for g in grads(model).values()] == [g.tolist() for g in grads(reference).values()]
    assert state(model) == state(reference)


def assert_a_step_alike(model, reference, x, dout, times=1):
    assert model.forward(x).tolist() == reference.forward(x).tolist()
    assert state(model) == state(reference)
    for _ in range(times):
        assert model.backward(dout).tolist() == reference.backward(dout).tolist()
        assert_alike(model, reference)


@pytest.mark.parametrize("name", MODELS)
def test_every_number_is_that_of_the_layers_without_it(name):
    model, reference = MODELS[name](nl.Recompute), MODELS[name](plain)
    assert len(grads(model)) == len(grads(reference))
    for x, dout in zip(BATCHES, DOUTS, strict=True):
        assert_a_step_alike(model, reference, x, dout)


@pytest.mark.parametrize("name", MODELS)
def test_backward_twice_adds_up_twice(name):
    model, reference = MODELS[name](nl.Recompute), MODELS[name](plain)
    for x, dout in zip(BATCHES, DOUTS, strict=True):
        assert_a_step_alike(model, reference, x, dout, times=2)


@pytest.mark.parametrize("name", MODELS)
def test_a_prediction_is_that_of_the_layers_without_it_and_disturbs_no_backward(name, way):
    model, reference = MODELS[name](nl.Recompute), MODELS[name](plain)
    for x, dout in zip(BATCHES, DOUTS, strict=True):
        assert model.forward(x).tolist() == reference.forward(x).tolist()
        other = 2 * x[:2]
        rtol = 1e-13 if way == "on two cores" else 0  # products round otherwise where samples are divided otherwise
        np.testing.assert_allclose(model.predict(other), reference.predict(other), rtol=rtol)
        assert model.predict(other, batch_size=1).shape == (2, 3)
        assert model.backward(dout).tolist() == reference.backward(dout).tolist()
        assert_alike(model, reference)


@pytest.mark.parametrize("name", MODELS)
def test_the_mode_of_the_forward_counts_whatever_the_mode_is_by_then(name):
    model, reference = MODELS[name](nl.Recompute), MODELS[name](plain)
    for mode in (True, False, True):
        model.train(mode)
        reference.train(mode)
        assert model.forward(BATCHES[0]).tolist() == reference.forward(BATCHES[0]).tolist()
        model.train(not mode)
        reference.train(not mode)
        assert model.backward(DOUTS[0]).tolist() == reference.backward(DOUTS[0]).tolist()
        assert_alike(model, reference)
        assert [layer.training for _, layer in model.walk()] == [not mode] * len([*model.walk()])


def test_the_numbers_are_those_of_paper_and_pencil():
    model = nl.Sequential(nl.Recompute(nl.Affine.from_arrays([[1.0, 2.0], [3.0, 4.0]], [10.0, 20.0])))
    for n in (1, 2, 3):
        assert model.forward(np.array([[1.0, -1.0]])).tolist() == [[8.0, 18.0]]
        assert model.backward([[1.0, 10.0]]).tolist() == [[21.0, 43.0]]
        assert model[0].layer.weight.grad.tolist() == [[n, 10.0 * n], [-n, -10.0 * n]]


def test_a_generator_that_others_draw_from_too_goes_on_from_where_they_left_it():
    def make(wrap):
        rng = np.random.default_rng(3)
        return rng, nl.Sequential(wrap(nl.Sequential(nl.Dropout(0.5, rng=rng), nl.Tanh())), nl.Dropout(0.5, rng=rng))

    (rng, model), (rng_reference, reference) = make(nl.Recompute), make(plain)
    for x, dout in zip(BATCHES, DOUTS, strict=True):
        assert model.forward(x).tolist() == reference.forward(x).tolist()
        assert rng.normal() == rng_reference.normal()
        assert model.backward(dout).tolist() == reference.backward(dout).tolist()
        assert rng.bit_generator.state == rng_reference.bit_generator.state


def test_running_statistics_move_once_a_step():
    model = nl.Sequential(nl.Recompute(Centre(1)))
    for batch, mean in enumerate([2.0, 3.0, 3.5], start=1):  # half of the way to 4
        model.forward(np.full((2, 1), 4.0))
        assert model.buffers()["0.layer.mean"].value.tolist() == [mean]
        model.backward(np.ones((2, 1)))
        model.backward(np.ones((2, 1)))
        assert model.buffers()["0.layer.mean"].value.tolist() == [mean]
        assert model.buffers()["0.layer.batches"].value == batch


def test_whoever_writes_into_what_went_in_or_came_out_changes_no_gradient():
    for name in MODELS:
        model, reference = MODELS[name](nl.Recompute), MODELS[name](plain)
        for x, dout in zip(BATCHES, DOUTS, strict=True):
            given = x.copy()
            y = model.forward(given)
            assert not np.shares_memory(y, given)
            reference.forward(x)
            given[...] = 7
            y[...] = 9
            dx = model.backward(dout)
            assert dx.tolist() == reference.backward(dout).tolist(), name
            dx[...] = 5
        assert_alike(model, reference)


class Counts(nl.Layer):
    """y = x, counting the calls of forward."""

    def __init__(self):
        self.count = 0

    def forward(self, x):
        self.count += 1
        return x.copy()


def test_a_forward_changes_a_users_layer_and_a_prediction_does_not():
    model = nl.Recompute(Counts())
    for use, count in ((model.predict, 0), (model.forward, 1), (model.predict, 1)):
        use(np.ones((2, 3)))
        assert model.layer.count == count


def test_an_optimizer_trains_what_is_inside_as_it_would_without():
    def trained(wrap):
        model = nl.Sequential(block(wrap), affine(3, 3, 8))
        optimizer = nl.Adam(model, lr=0.1)
        for x, dout in zip(BATCHES, DOUTS, strict=True):
            model.forward(x)
            model.backward(dout, input_gradient=False)
            optimizer.step()
        return [parameter.value.tolist() for parameter in model.parameters().values()]

    assert trained(nl.Recompute) == trained(plain)


def test_parameters_and_buffers_stand_under_the_name_layer():
    model = nl.Sequential(nl.Recompute(nl.Sequential(nl.Affine(3, 3, rng=0), Centre())), nl.Recompute(nl.Affine(3, 1, rng=1)))
    assert list(model.parameters()) == ["0.layer.0.weight", "0.layer.0.bias", "1.layer.weight", "1.layer.bias"]
    assert list(model.buffers()) == ["0.layer.1.mean", "0.layer.1.batches"]


def test_errors_inside_carry_the_path_in_both_directions():
    model = nl.Sequential(nl.Recompute(nl.Sequential(nl.Tanh(), nl.Affine(3, 4), nl.ReLU())))
    path = r"^Sequential\[0\]\.Recompute\.layer\.Sequential\[1\]"
    for _ in range(3):
        with pytest.raises(nl.ShapeError, match=rf"{path} Affine\(3, 4"):
            model.forward(np.ones((2, 5)))
        with pytest.raises(nl.ShapeError, match=rf"{path} Affine\(3, 4"):
            model.predict(np.ones((2, 5)))
        model.forward(np.ones((2, 3)))
    for where in ("forward", "backward"):
        model = nl.Sequential(nl.Recompute(nl.Sequential(nl.Tanh(), Fails(nl.InvalidValueError("oh"), where))))
        model[0].layer[1].armed = False
        y = model.forward(np.ones((2, 3)))
        model[0].layer[1].armed = True
        with pytest.raises(nl.InvalidValueError, match=rf"{path}.*oh"):
            model.backward(np.ones_like(y)) if where == "backward" else model.forward(np.ones((2, 3)))


def test_after_an_error_in_backward_modes_generators_and_buffers_are_as_they_were():
    inner = nl.Sequential(Centre(), nl.Dropout(0.5, rng=0), Fails(RuntimeError("oh"), "backward"))
    model = nl.Sequential(nl.Recompute(inner))
    model.forward(BATCHES[0])
    model.eval()
    before = state(model)
    with pytest.raises(RuntimeError, match="oh"):
        model.backward(DOUTS[0])
    assert state(model) == before
    assert not any(layer.training for _, layer in model.walk())


def test_backward_before_forward_and_another_shape_are_refused():
    for model in (nl.Recompute(affine(3, 3, 0)), nl.Sequential(nl.Tanh(), block(nl.Recompute))):
        with pytest.raises(nl.OrderError):
            model.backward(DOUTS[0])
        model.forward(BATCHES[0])
        with pytest.raises(nl.ShapeError):
            model.backward(np.ones((1, 3)))
        assert not any(g.any() for g in grads(model).values())
        assert model.backward(DOUTS[0]).shape == (4, 3)


def test_several_inputs_and_outputs_pass():
    model, reference = nl.Recompute(nl.Multiply()), nl.Multiply()
    a, b = BATCHES[0], BATCHES[1]
    for _ in range(2):
        assert model.forward(a, b).tolist() == reference.forward(a, b).tolist()
        assert [d.tolist() for d in model.backward(DOUTS[0])] == [d.tolist() for d in reference.backward(DOUTS[0])]
    halves = nl.Sequential(affine(3, 6, 0), nl.Recompute(Halves()), nl.Add())
    twin = nl.Sequential(affine(3, 6, 0), Halves(), nl.Add())
    for x, dout in zip(BATCHES, DOUTS, strict=True):
        assert_a_step_alike(halves, twin, x, dout)


@pytest.mark.parametrize("layer", [nl.ReLU, 3, None, "ReLU"])
def test_what_is_no_layer_is_refused(layer):
    with pytest.raises(nl.InvalidTypeError, match=r"Recompute.*expected a layer"):
        nl.Recompute(layer)


def test_it_shows_what_it_holds_and_passes_the_mode_on():
    model = nl.Recompute(nl.Sequential(nl.Affine(2, 2), nl.ReLU()))
    assert repr(model) == "Recompute(Sequential(Affine(2, 2), ReLU()))"
    assert model.eval().layer[0].training is False


def test_a_copy_goes_its_own_way():
    model, reference = block(nl.Recompute), block(plain)
    model.forward(BATCHES[0])
    reference.forward(BATCHES[0])
    twin = copy.deepcopy(model)
    twin.forward(BATCHES[1])
    twin.backward(DOUTS[1])
    assert model.backward(DOUTS[0]).tolist() == reference.backward(DOUTS[0]).tolist()
    assert_alike(model, reference)


def test_its_derivatives_pass_the_check():
    model = nl.Recompute(nl.Sequential(affine(3, 4, 0), nl.Tanh(), affine(4, 2, 1)))
    assert nl.check_gradients(model, BATCHES[0]).ok
    nl.testing.check_layer(nl.Recompute(nl.Affine(3, 3, rng=0, dtype="float64")), BATCHES[0])
