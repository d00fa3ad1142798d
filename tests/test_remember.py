"""remember and recall: what a user's layer keeps from forward to backward, checked and safe."""

import numpy as np
import pytest
from own_layers import affine
from stateful_layers import Doubles, Exp, Square

import netlib as nl

X = np.array([[1.0, -2.0], [0.5, 3.0]])
DOUT = np.array([[1.0, 10.0], [100.0, 1000.0]])


class Waves(nl.Layer):
    """Two outputs: sin x and cos x."""

    n_outputs = 2

    def forward(self, x):
        return self.remember((np.sin(x), np.cos(x)), x)

    def backward(self, dout):
        (ds, dc), x = self.recall(dout)
        return ds * np.cos(x) - dc * np.sin(x)


class Product(nl.Layer):
    """Two inputs and a number beside them."""

    def forward(self, a, b):
        return self.remember(a * b * 3, a, None, b, "three", 3)

    def backward(self, dout):
        dout, a, nothing, b, word, three = self.recall(dout)
        assert (nothing, word) == (None, "three")
        return dout * b * three, dout * a * three


class Shift(nl.Layer):
    """Keeps nothing but what is always kept: the shape and the type of y."""

    def forward(self, x):
        return self.remember(x + np.float32(1))

    def backward(self, dout):
        (dout,) = self.recall(dout)
        self.seen = dout
        return dout.copy()


def test_recall_returns_dout_and_what_was_remembered_and_remember_returns_y():
    layer = Square()
    assert layer.forward(X).tolist() == [[1.0, 4.0], [0.25, 9.0]]
    assert layer.backward(DOUT).tolist() == [[2.0, -40.0], [100.0, 6000.0]]
    assert layer.backward(DOUT).tolist() == [[2.0, -40.0], [100.0, 6000.0]]


def test_anything_may_be_remembered_in_any_number():
    layer = Product()
    assert layer.forward(np.array([2.0]), np.array([5.0])).tolist() == [30.0]
    assert [d.tolist() for d in layer.backward(np.array([1.0]))] == [[15.0], [6.0]]


def test_remember_returns_y_itself_and_recall_all_that_was_kept():
    layer, y, kept = nl.Identity(), np.ones(2), np.array([3.0])
    assert layer.remember(y, kept, 7) is y
    dout, array, seven = layer.recall([1, 2])
    assert (dout.tolist(), dout.dtype, array.tolist(), seven) == ([1.0, 2.0], np.float64, [3.0], 7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dout", [[1, 2], np.array([1, 2]), np.array([1, 2], np.float16), np.array([1, 2], np.float64)])
def test_dout_comes_in_the_type_of_y(dout, dtype):
    layer = Shift()
    layer.forward(np.ones(2, dtype))
    layer.backward(dout)
    assert (type(layer.seen), layer.seen.dtype, layer.seen.tolist()) == (np.ndarray, dtype, [1.0, 2.0])


@pytest.mark.parametrize("make", [Square, Exp, Waves, Product, Shift, lambda: nl.Sequential(Square()), lambda: nl.Residual(Shift())])
def test_backward_before_forward_is_refused_by_the_layers_name(make):
    layer = make()
    with pytest.raises(nl.OrderError, match=rf"{type(layer).__name__}.*forward"):
        layer.backward(np.ones(2))


@pytest.mark.parametrize("dout", [1.0, [1.0], [1.0, 2.0], [[1.0, 2.0]], np.ones((3, 2)), np.ones((1, 2, 2))])
def test_a_dout_of_another_shape_is_refused_by_the_layers_name_with_both_shapes(dout):
    layer = Square()
    layer.forward(X)
    with pytest.raises(nl.ShapeError, match=r"(?s)Square.*\(2, 2\)") as caught:
        layer.backward(dout)
    assert str(np.shape(dout)) in str(caught.value)
    assert layer.backward(DOUT).tolist() == [[2.0, -40.0], [100.0, 6000.0]]


@pytest.mark.parametrize("dout", ["text", None, [[1j, 1.0], [1.0, 1.0]], object()])
def test_a_dout_that_is_no_array_is_refused(dout):
    layer = Square()
    layer.forward(X)
    with pytest.raises(nl.NetlibError):
        layer.backward(dout)


def test_several_outputs_take_a_tuple_of_douts_each_checked():
    layer = Waves()
    sine, cosine = layer.forward(np.zeros((1, 2)))
    assert (sine.tolist(), cosine.tolist()) == ([[0.0, 0.0]], [[1.0, 1.0]])
    assert layer.backward(([[3, 5]], np.ones((1, 2), np.float32))).tolist() == [[3.0, 5.0]]
    bad = [(np.ones((1, 2)), np.ones(2)), (np.ones((2, 2)), np.ones((1, 2))), (np.ones((1, 2)),), np.ones((1, 2)), (np.ones((1, 2)),) * 3]
    for dout in bad:
        with pytest.raises(nl.ShapeError, match="Waves"):
            layer.backward(dout)


def test_several_outputs_work_inside_a_container():
    model = nl.Sequential(Square(), Waves(), Product())
    for _ in range(3):
        assert model.forward(X) == pytest.approx(1.5 * np.sin(2 * X**2), rel=1e-12)
        assert model.backward(DOUT) == pytest.approx(DOUT * 6 * X * np.cos(2 * X**2), rel=1e-12)


def graph_of(layer):
    x = nl.Input("x")
    return nl.Graph([x], [layer(x)])


PLACES = {
    "alone": lambda layer: layer,
    "in a Sequential": nl.Sequential,
    "first": lambda layer: nl.Sequential(layer, nl.Tanh()),
    "last": lambda layer: nl.Sequential(affine(2, 2, 0), layer),
    "before a user's writer": lambda layer: nl.Sequential(Doubles(layer), nl.Tanh()),
    "in a writer in a writer": lambda layer: Doubles(Doubles(layer)),
    "in a writer's Sequential": lambda layer: nl.Sequential(nl.Identity(), Doubles(nl.Sequential(affine(2, 2, 1), layer))),
    "in a writer's Residual": lambda layer: Doubles(nl.Residual(layer)),
    "in a Residual": nl.Residual,
    "in a Graph": graph_of,
}

LAYERS = {
    "Square": Square,
    "Exp": Exp,
    "Tanh": nl.Tanh,
    "Sigmoid": nl.Sigmoid,
    "Softmax": nl.Softmax,
    "ReLU": nl.ReLU,
    "Dropout": lambda: nl.Dropout(0.5, rng=0),
    "Affine": lambda: affine(2, 2, 5),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("place", PLACES)
def test_whoever_writes_into_what_went_in_or_came_out_changes_no_gradient(place, name):
    model, twin = PLACES[place](LAYERS[name]()), PLACES[place](LAYERS[name]())
    for _ in range(4):
        x = X.copy()
        y = model.forward(x)
        assert y.tolist() == twin.forward(X.copy()).tolist()
        x[...] = 7
        y[...] = 9
        dout = DOUT.copy()
        dx = model.backward(dout)
        expected = twin.backward(DOUT.copy())
        assert dx.tolist() == expected.tolist()
        dout[...] = 5
        dx[...] = 6
        assert model.backward(DOUT.copy()).tolist() == expected.tolist()
        twin.backward(DOUT.copy())
    for path, parameter in model.parameters().items():
        assert parameter.grad.tolist() == twin.parameters()[path].grad.tolist()


class WavesOfOutputs(nl.Layer):
    """Waves, with a backward that reads the outputs."""

    n_outputs = 2

    def forward(self, x):
        waves = np.sin(x), np.cos(x)
        return self.remember(waves, *waves)

    def backward(self, dout):
        (ds, dc), s, c = self.recall(dout)
        return ds * c - dc * s


@pytest.mark.parametrize("written", [0, 1])
def test_whoever_writes_into_one_of_several_outputs_changes_no_gradient(written):
    model = nl.Sequential(nl.Tanh(), WavesOfOutputs())
    for _ in range(3):
        model.forward(X)[written][...] = 99
        dx = model.backward((DOUT, 2 * DOUT))
        y = np.tanh(X)
        np.testing.assert_allclose(dx, DOUT * (np.cos(y) - 2 * np.sin(y)) * (1 - y * y), rtol=1e-12)


def test_whoever_writes_into_the_only_output_that_leaves_the_model_changes_no_gradient():
    x = nl.Input("x")
    sine, cosine = WavesOfOutputs()(nl.Tanh()(x))
    model = nl.Graph([x], [sine, nl.Tanh()(cosine)])
    for _ in range(3):
        model.forward(X)[0][...] = 99
        dx = model.backward((0 * DOUT, DOUT))
        y = np.tanh(X)
        dcosine = DOUT * (1 - np.tanh(np.cos(y)) ** 2)
        np.testing.assert_allclose(dx, -dcosine * np.sin(y) * (1 - y * y), rtol=1e-12)


def test_whoever_writes_into_one_of_several_inputs_changes_no_gradient():
    x = nl.Input("x")
    model = nl.Graph([x], [nl.Tanh()(Product()(x, nl.Tanh()(x)))])
    given, other = X.copy(), X.copy()
    for _ in range(3):
        model.forward(given)
        given[...] = 99
        dx = model.backward(DOUT)
        given[...] = X
        model.forward(other)
        assert dx.tolist() == model.backward(DOUT).tolist()


def test_a_writer_gives_the_derivative_of_what_it_computes():
    # y = 2 · tanh(x) and dy/dx = 2 · (1 - tanh²(x)); y = 4 · exp(x) is its own derivative
    for model in (Doubles(nl.Tanh()), nl.Sequential(Doubles(nl.Tanh()))):
        for _ in range(3):
            np.testing.assert_allclose(model.forward(X), 2 * np.tanh(X), rtol=1e-14)
            np.testing.assert_allclose(model.backward(np.ones((2, 2))), 2 * (1 - np.tanh(X) ** 2), rtol=1e-12)
    model = nl.Sequential(nl.Identity(), Doubles(Doubles(Exp())))
    for _ in range(3):
        np.testing.assert_allclose(model.forward(X), 4 * np.exp(X), rtol=1e-14)
        np.testing.assert_allclose(model.backward(np.ones((2, 2))), 4 * np.exp(X), rtol=1e-12)


def test_a_copy_that_is_tied_remembers_its_own():
    layer = Square()
    layer.forward(X)
    twin = layer.tied_copy()
    with pytest.raises(nl.OrderError):
        twin.backward(DOUT)
    twin.forward(3 * X)
    assert layer.backward(DOUT).tolist() == (2 * X * DOUT).tolist()
    assert twin.backward(DOUT).tolist() == (6 * X * DOUT).tolist()


def test_a_layer_with_the_helpers_is_a_well_behaved_layer():
    for layer in (Square(), Exp()):
        nl.testing.check_layer(layer, X)
        assert nl.check_gradients(layer, X).ok
