"""nl.jacobian: every derivative of every output, by an input or by a parameter."""

import threading

import numpy as np
import pytest

import netlib as nl

RNG = np.random.default_rng(0)


def referee(layer, inputs, array, h=1e-6):
    """Return dy/d(array) by central differences; `array` is changed and restored."""
    columns = []
    for i in np.ndindex(array.shape):
        kept = array[i]
        array[i] = kept + h
        above = np.array(layer.forward(*inputs))
        array[i] = kept - h
        columns.append((above - np.array(layer.forward(*inputs))) / (2 * h))
        array[i] = kept
    y_shape = columns[0].shape
    return np.stack(columns, axis=-1).reshape(y_shape + array.shape)


def affine(n_in, n_out):
    return nl.Affine.from_arrays(RNG.normal(size=(n_in, n_out)), RNG.normal(size=n_out))


class Scale(nl.Layer):
    """A user's layer with a plain backward."""

    def __init__(self):
        self.parts = [nl.Parameter([2.0, 3.0])]

    def forward(self, x):
        self.x = x
        return x * self.parts[0].value

    def backward(self, dout):
        self.parts[0].grad += (dout * self.x).reshape(-1, 2).sum(axis=0)
        return dout * self.parts[0].value


def two_inputs():
    a, b = nl.Input("a"), nl.Input("b")
    return nl.Graph([a, b], [nl.Tanh()(a @ nl.Weight("W", RNG.normal(size=(3, 2)))) * b + b])


CASES = {
    "affine, a vector": (lambda: affine(3, 2), [(3,)]),
    "affine, a matrix": (lambda: affine(3, 2), [(4, 3)]),
    "a chain": (lambda: nl.Sequential(affine(3, 4), nl.Tanh(), affine(4, 2)), [(2, 3)]),
    "a residual": (lambda: nl.Residual(nl.Sequential(affine(3, 3), nl.Sigmoid())), [(2, 3)]),
    "a graph of two inputs": (two_inputs, [(2, 3), (2, 2)]),
    "broadcasting": (nl.Multiply, [(2, 3), (3,)]),
    "a product": (nl.MatMul, [(2, 3), (3, 2)]),
    "a scalar output": (nl.Sum, [(2, 3)]),
    "a scalar input": (nl.Multiply, [(), (3,)]),
    "scalars": (nl.Tanh, [()]),
    "softmax": (nl.Softmax, [(2, 3)]),
    "a user's layer": (Scale, [(4, 2)]),
    "shared": (lambda: nl.Sequential(layer := affine(2, 2), nl.Tanh(), layer.tied_copy()), [(3, 2)]),
}


@pytest.mark.parametrize("case", CASES)
def test_it_equals_differences_by_every_input_and_parameter(case):
    make, shapes = CASES[case]
    layer, inputs = make(), [RNG.normal(size=shape) for shape in shapes]
    y = layer.forward(*inputs)
    for i, x in enumerate(inputs):
        found = nl.jacobian(layer, *inputs, wrt=i)
        assert found.shape == np.shape(y) + x.shape
        np.testing.assert_allclose(found, referee(layer, inputs, x), rtol=0, atol=1e-8)
    for path, parameter in layer.parameters().items():
        found = nl.jacobian(layer, *inputs, wrt=path)
        assert found.shape == np.shape(y) + parameter.shape
        np.testing.assert_allclose(found, referee(layer, inputs, parameter.value), rtol=0, atol=1e-8)


def test_of_an_affine_by_its_input_it_is_w_transposed_for_each_row():
    w = np.arange(6.0).reshape(2, 3)
    assert nl.jacobian(nl.Affine.from_arrays(w), np.ones(2)).tolist() == w.T.tolist()
    found = nl.jacobian(nl.Affine.from_arrays(w), np.ones((2, 2)))
    assert found.tolist() == np.einsum("ab,ji->aibj", np.eye(2), w).tolist()


def test_of_an_affine_by_its_weight_it_is_the_tensor_that_picks_the_column():
    layer, x = nl.Affine.from_arrays(np.arange(6.0).reshape(2, 3), [0.0, 0.0, 0.0]), np.array([5.0, 7.0])
    assert nl.jacobian(layer, x, wrt="weight").tolist() == np.einsum("j,ik->ijk", x, np.eye(3)).tolist()
    assert nl.jacobian(layer, x, wrt="bias").tolist() == np.eye(3).tolist()


def test_of_a_loss_it_is_the_gradient_by_the_prediction_alone():
    y, t = np.array([1.0, 3.0]), np.array([0.0, 1.0])
    assert nl.jacobian(nl.MeanSquaredError(), y, t).tolist() == [1.0, 2.0]
    assert nl.jacobian(nl.MeanSquaredError(reduction="none"), y, t).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    assert nl.jacobian(nl.SoftmaxCrossEntropy(), np.zeros((1, 2)), [1]).tolist() == [[0.5, -0.5]]
    with pytest.raises(nl.MissingError, match=r"nothing called 1 .*only: 0"):
        nl.jacobian(nl.MeanSquaredError(), y, t, wrt=1)


def test_an_input_without_a_gradient_is_refused_in_words():
    x, t = nl.Input("x"), nl.Input("t")
    model = nl.Graph([x, t], [nl.MeanSquaredError()(x, t)])
    assert nl.jacobian(model, np.array([1.0, 3.0]), np.array([0.0, 1.0])).tolist() == [1.0, 2.0]
    with pytest.raises(nl.NetlibError):
        nl.jacobian(model, np.array([1.0, 3.0]), np.array([0.0, 1.0]), wrt=1)


def test_lists_and_float32_are_taken_as_the_layer_takes_them():
    assert nl.jacobian(nl.Affine.from_arrays([[1.0], [2.0]]), [3.0, 4.0]).tolist() == [[1.0, 2.0]]
    assert nl.jacobian(nl.Affine(3, 2, rng=0), np.ones(3)).dtype == np.float32
    assert nl.jacobian(nl.Tanh(), np.ones(3)).dtype == np.float64


def test_no_outputs_or_no_inputs_give_empty_jacobians():
    layer = affine(3, 2)
    assert nl.jacobian(layer, np.ones((0, 3))).shape == (0, 2, 0, 3)
    assert nl.jacobian(layer, np.ones((0, 3)), wrt="weight").shape == (0, 2, 3, 2)
    assert nl.jacobian(nl.Sum(axis=0), np.ones((0, 2))).shape == (2, 0, 2)


@pytest.mark.parametrize("wrt", ["", "weight", "0.weigth", "1", 1, -1, True, None, 0.5])
def test_what_it_does_not_know_is_refused_with_what_there_is(wrt):
    model = nl.Sequential(affine(3, 2), nl.ReLU(), ("out", affine(2, 1)))
    with pytest.raises(nl.MissingError, match=r"only: 0, '0\.weight', '0\.bias', 'out\.weight', 'out\.bias'") as caught:
        nl.jacobian(model, np.ones(3), wrt=wrt)
    assert repr(wrt) in str(caught.value)


@pytest.mark.parametrize("thing", [np.tanh, nl.Tanh, "Tanh", None])
def test_what_is_no_layer_is_refused(thing):
    with pytest.raises(nl.InvalidTypeError, match="expected a layer"):
        nl.jacobian(thing, np.ones(3))


def test_several_outputs_are_refused_with_the_way_out():
    x = nl.Input("x")
    with pytest.raises(nl.ShapeError, match=r"2 outputs, expected a layer with one.*Graph"):
        nl.jacobian(nl.Graph([x], [x, nl.ReLU()(x)]), np.ones(3))


def test_an_error_of_the_layer_comes_through_and_leaves_it_alone():
    model = nl.Sequential(affine(3, 2))
    model[0].weight.grad += 1
    with pytest.raises(nl.ShapeError, match=r"^Sequential\[0\] Affine\(3, 2, dtype='float64'\): got x of shape \(4,\)"):
        nl.jacobian(model, np.ones(4))
    assert (model[0].weight.grad == 1).all()


def test_the_layer_stays_as_it_was_bit_for_bit():
    rng, own = np.random.default_rng(3), Scale()
    model = nl.Sequential(affine(3, 2), nl.Dropout(0.5, rng=rng), own, nl.Tanh())
    x = RNG.normal(size=(4, 3))
    model.forward(x)
    model.backward(np.ones((4, 2)))
    held = model[0].weight.grad
    values = {path: p.value.tobytes() for path, p in model.parameters().items()}
    gradients = {path: p.grad.tobytes() for path, p in model.parameters().items()}
    expected = model.backward(np.ones((4, 2)))
    for path, p in model.parameters().items():
        p.grad = np.frombuffer(gradients[path]).reshape(p.shape)
    state, cached = rng.bit_generator.state, own.x
    for wrt in (0, "0.weight", "2.parts.0"):
        nl.jacobian(model, 7 * np.ones((2, 3)), wrt=wrt)
    assert {path: p.value.tobytes() for path, p in model.parameters().items()} == values
    assert {path: p.grad.tobytes() for path, p in model.parameters().items()} == gradients
    assert model[0].weight.grad is held
    assert rng.bit_generator.state == state
    assert own.x is cached
    assert model.training is True
    assert model.backward(np.ones((4, 2))).tolist() == expected.tolist()


def test_the_inputs_stay_as_they_were():
    x = RNG.normal(size=(2, 3))
    before = x.tobytes()
    nl.jacobian(nl.Sequential(nl.Identity(), affine(3, 2)), x)
    assert x.tobytes() == before


def test_chance_falls_once_for_all_rows():
    found = nl.jacobian(nl.Dropout(0.5, rng=0), np.ones(200))
    assert set(np.diagonal(found).tolist()) == {0.0, 2.0}
    assert not (found - np.diag(np.diagonal(found))).any()
    assert np.diagonal(found).tolist() == nl.Dropout(0.5, rng=0).forward(np.ones(200)).tolist()


def test_the_global_random_state_is_that_of_before():
    class Noisy(nl.Layer):
        def forward(self, x):
            self.factor = np.random.random()  # noqa: NPY002
            return x * self.factor

        def backward(self, dout):
            return dout * self.factor

    before = np.random.get_state()[1].copy()  # noqa: NPY002
    nl.jacobian(Noisy(), np.ones(3))
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_layer_that_cannot_be_copied_is_refused_with_the_hint():
    layer = nl.Tanh()
    layer.lock = threading.Lock()
    with pytest.raises(nl.InvalidTypeError, match="cannot be deep-copied, and a copy is what is asked"):
        nl.jacobian(layer, np.ones(3))
