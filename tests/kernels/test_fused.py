"""A row of the table of fused kernels is used in every container, and nowhere else."""

import copy

import numpy as np
import pytest

import netlib as nl
from netlib.containers import planning
from netlib.kernels import fused
from netlib.kernels.fused.fusion import Fusion, Operation

X = np.random.default_rng(0).normal(size=(4, 3))
DOUT = np.random.default_rng(1).normal(size=(4, 3))


class TanhTwice:
    """A row as a user would add it: two tanh in a row, and a count of how often it ran."""

    def __init__(self):
        self.ran = []
        self.layouts = []

    def fusion(self):
        return Fusion(self.fits, self.infer, self.prepare, keeps_inputs=False)

    def fits(self, layers, x):
        return len(x.shape) >= 2

    def infer(self, layers, x):
        self.ran.append("infer")
        return np.tanh(np.tanh(x))

    def prepare(self, layers, xs, memory):
        first, second = (each.__dict__ for each in layers)
        like, token = xs[0], object()

        def forward(x):
            self.ran.append("forward")
            between = np.tanh(x)
            y = np.tanh(between, out=memory.y)
            first["_cache"] = like.shape, like.dtype, (between,), token
            second["_cache"] = like.shape, like.dtype, (y.copy(),), token
            return y

        def backward(dout):
            self.ran.append("backward")
            self.layouts.append(dout.flags.c_contiguous)
            (between,), (y,) = first["_cache"][2], second["_cache"][2]
            return np.multiply(dout, (1 - y * y) * (1 - between * between), out=memory.dx[0])

        return Operation(forward, backward, backward)


@pytest.fixture
def row(monkeypatch):
    added = TanhTwice()
    monkeypatch.setitem(fused.TABLE, ("tanh", "tanh"), added.fusion())
    return added


def affine(seed):
    return nl.Affine(3, 3, rng=seed, dtype="float64")


def graph(branches=False):
    x = nl.Input("x")
    h = nl.Tanh()(affine(0)(x))
    y = nl.Tanh()(h)
    return nl.Graph([x], [affine(1)(y) + h if branches else affine(1)(y)])


HOLDERS = {
    "chain": lambda: nl.Sequential(affine(0), nl.Tanh(), nl.Tanh(), affine(1)),
    "nested": lambda: nl.Sequential(affine(0), nl.Sequential(nl.Sequential(nl.Tanh()), nl.Tanh()), affine(1)),
    "across containers": lambda: nl.Sequential(nl.Sequential(affine(0), nl.Tanh()), nl.Sequential(nl.Tanh(), affine(1))),
    "residual": lambda: nl.Residual(nl.Sequential(nl.Tanh(), nl.Tanh())),
    "graph": graph,
    "first and last": lambda: nl.Sequential(nl.Tanh(), nl.Tanh()),
    "recomputed": lambda: nl.Sequential(affine(2), nl.Residual(nl.Sequential(affine(0), nl.Tanh(), nl.Tanh()))),
}


@pytest.mark.parametrize("name", HOLDERS)
@pytest.mark.parametrize("shape", [(4, 3), (2, 2, 3)])
def test_a_row_that_is_added_runs_in_every_container_with_the_same_numbers(name, shape, row, monkeypatch):
    model = HOLDERS[name]()
    x, dout = X.reshape(shape), DOUT.reshape(shape)
    with monkeypatch.context() as without:
        without.delitem(fused.TABLE, ("tanh", "tanh"))
        plain = copy.deepcopy(model)
        y, dx = plain.forward(x), plain.backward(dout)
        assert row.ran == []
    for _ in range(3):
        model.zero_grad()
        np.testing.assert_allclose(model.forward(x), y, rtol=1e-13)
        np.testing.assert_allclose(model.backward(dout), dx, rtol=1e-12, atol=1e-14)
        for got, wanted in zip(model.parameters().values(), plain.parameters().values(), strict=True):
            np.testing.assert_allclose(got.grad, wanted.grad, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(model.predict(x), y, rtol=1e-13)
    assert row.ran == ["forward", "backward", "infer"] * 3


def test_a_row_is_not_used_where_somebody_else_reads_the_value_in_between(row):
    model = graph(branches=True)
    for _ in range(3):
        model.forward(X)
        model.backward(DOUT)
        model.predict(X)
    assert row.ran == []


class OwnTanh(nl.Tanh):
    """Another layer, whatever it inherits."""

    def forward(self, x):
        return 2 * super().forward(x)

    def backward(self, dout):
        return 2 * super().backward(dout)


def test_a_row_is_not_used_for_a_subclass_nor_for_a_layer_whose_method_was_replaced(row):
    model = nl.Sequential(nl.Tanh(), OwnTanh())
    watched = nl.Sequential(nl.Tanh(), nl.Tanh())
    watched[1].forward = lambda x: x + 1
    for _ in range(3):
        np.testing.assert_allclose(model.forward(X), 2 * np.tanh(np.tanh(X)), rtol=1e-14)
        np.testing.assert_allclose(watched.forward(X), np.tanh(X) + 1, rtol=1e-14)
        np.testing.assert_allclose(watched.predict(X), np.tanh(X) + 1, rtol=1e-14)
    assert row.ran == []
    del watched[1].forward
    np.testing.assert_allclose(watched.predict(X), np.tanh(np.tanh(X)), rtol=1e-14)
    assert row.ran == ["infer"]


def test_a_row_fits_by_shape_and_else_the_layers_run_one_by_one(row):
    model = nl.Sequential(nl.Tanh(), nl.Tanh())
    for _ in range(3):
        np.testing.assert_allclose(model.forward(X[0]), np.tanh(np.tanh(X[0])), rtol=1e-14)
        model.backward(DOUT[0])
        np.testing.assert_allclose(model.predict(X[0]), np.tanh(np.tanh(X[0])), rtol=1e-14)
    assert row.ran == []


def test_plans_are_kept_for_the_four_shapes_that_came_last(row, monkeypatch):
    made, make_plan = [], planning.make_plan
    monkeypatch.setattr(planning, "make_plan", lambda *parts: made.append(parts[1][0].shape[0]) or make_plan(*parts))
    model = nl.Sequential(nl.Tanh(), nl.Tanh())
    for rows, all_made in [
        ((1, 2, 3, 4), []),
        ((1, 2, 3, 4, 1, 2, 3, 4), [1, 2, 3, 4]),
        ((5,), [1, 2, 3, 4]),
        ((5, 2, 3, 4, 5), [1, 2, 3, 4, 5]),
        ((1,), [1, 2, 3, 4, 5]),
        ((1, 3, 4, 5), [1, 2, 3, 4, 5, 1]),
    ]:
        for n in rows:
            model.forward(np.ones((n, 3)))
        assert made == all_made


def test_inputs_of_ever_new_shapes_run_fused_in_new_arrays_and_may_be_overwritten(row):
    model, tanh, kept = nl.Sequential(nl.Tanh(), nl.Tanh()), np.tanh(np.tanh(X)), []
    for n in (1, 2, 3):
        x, dout = X[:n].copy(), DOUT[:n].copy()
        y = model.forward(x)
        x[...] = np.nan
        kept.append((n, y, model.backward(dout)))
    assert row.ran == ["forward", "backward"] * 3
    for n, y, dx in kept:
        np.testing.assert_allclose(y, tanh[:n], rtol=1e-13)
        np.testing.assert_allclose(dx, (DOUT * (1 - tanh**2) * (1 - np.tanh(X) ** 2))[:n], rtol=1e-12)


def test_a_graph_that_returns_its_input_too_runs_by_plan(row):
    x = nl.Input("x")
    model = nl.Graph([x], [x, x, nl.Tanh()(nl.Tanh()(x))])
    for _ in range(3):
        assert [y.tolist() for y in model.forward(X)] == [X.tolist(), X.tolist(), np.tanh(np.tanh(X)).tolist()]
    assert row.ran == ["forward"] * 3


def test_an_error_in_the_second_layer_of_a_group_names_that_layer(monkeypatch):
    added = TanhTwice()
    monkeypatch.setitem(fused.TABLE, ("tanh", "affine"), added.fusion()._replace(fits=lambda *_: False))
    model = nl.Sequential(nl.Tanh(), nl.Affine(2, 2))
    for run in (model.predict, model.forward):
        with pytest.raises(nl.ShapeError, match=r"^Sequential\[1\] Affine\(2, 2"):
            run(X)


@pytest.mark.parametrize(
    ("a", "b", "dtype"),
    [
        (np.ones((2, 3), int), np.ones((2, 3), int), "f4"),
        (np.ones((2, 3)), np.ones((2, 3), "f4"), "f8"),
        (np.ones((2, 3)), np.ones((2, 3)).view(np.recarray), "f8"),
        (np.ones((2, 3)).view(np.recarray), np.ones((2, 3)), "f8"),
    ],
)
def test_a_sum_of_what_its_row_does_not_take_is_predicted_as_the_layer_computes_it(a, b, dtype):
    nodes = [nl.Input("a"), nl.Input("b")]
    y = nl.Graph(nodes, [nodes[0] + nodes[1]]).predict(a, b)
    assert (type(y), y.dtype) == (np.ndarray, dtype)
    assert y.tolist() == [[2.0] * 3] * 2


class Stretches(nl.Layer):
    """Gives more rows in some steps than in others, which no plan can know."""

    def __init__(self):
        self.times = 1

    def forward(self, x):
        return np.concatenate([x] * self.times)

    def backward(self, dout):
        return sum(np.split(dout, self.times))


def test_a_plan_goes_on_layer_by_layer_where_a_users_layer_gives_another_shape():
    model = nl.Sequential(affine(0), nl.ReLU(), Stretches(), affine(1), nl.ReLU(), affine(2))
    layers = list(copy.deepcopy(model))
    for times in (1, 1, 1, 3, 1, 2, 2, 1):
        model[2].times = layers[2].times = times
        y = x = X
        for layer in layers:
            y = layer.forward(y)
        np.testing.assert_allclose(model.forward(x), y, rtol=1e-13)
        dout = np.ones_like(y)
        dx = model.backward(dout)
        for layer in reversed(layers):
            dout = layer.backward(dout)
        np.testing.assert_allclose(dx, dout, rtol=1e-12)
    for got, wanted in zip(model.parameters().values(), (p for each in layers for p in each.parameters().values()), strict=True):
        np.testing.assert_allclose(got.grad, wanted.grad, rtol=1e-12)


class InFortranOrder(nl.Layer):
    def forward(self, x):
        return x

    def backward(self, dout):
        return np.asfortranarray(dout)


def test_a_row_gets_dout_in_c_order_also_through_a_sum_that_passes_it_on(row):
    x = nl.Input("x")
    model = nl.Graph([x], [InFortranOrder()(nl.Tanh()(nl.Tanh()(affine(0)(x))) + affine(1)(x))])
    for _ in range(2):
        model.forward(X)
        model.backward(DOUT)
    assert row.layouts == [True, True]


FLOATS, SINGLES, COLUMN, WHOLE = np.ones((2, 3)), np.ones((2, 3), np.float32), np.ones((2, 1)), np.ones((2, 3), int)


@pytest.mark.parametrize(
    ("inputs", "fits"),
    [
        ([FLOATS, FLOATS], True),
        ([SINGLES, SINGLES], True),
        ([FLOATS, SINGLES], False),
        ([FLOATS, COLUMN], False),
        ([COLUMN, FLOATS], False),
        ([WHOLE, WHOLE], False),
        ([FLOATS], False),
        ([FLOATS, FLOATS, FLOATS], False),
        ([np.array(1.0), np.array(1.0)], False),
    ],
)
def test_the_row_of_add_takes_two_arrays_of_one_shape_and_one_floating_type(inputs, fits):
    assert fused.TABLE["add",].fits([nl.Add()], *inputs) == fits


@pytest.mark.parametrize("row", [("affine",), ("affine", "relu")], ids="-".join)
def test_the_rows_of_affine_take_matrices_of_its_width_and_type(row):
    layers = [nl.Affine(3, 2, dtype="float64"), nl.ReLU()][: len(row)]
    shapes = {(5, 3): True, (2, 5, 3): True, (3,): False, (5, 2): False}
    assert {shape: fused.TABLE[row].fits(layers, np.ones(shape)) for shape in shapes} == shapes
    assert not fused.TABLE[row].fits(layers, SINGLES)
    layers[0].bias = None
    assert fused.TABLE[row].fits(layers, FLOATS) == (row == ("affine",))


@pytest.mark.parametrize("row", [("affine",), ("affine", "relu")], ids="-".join)
@pytest.mark.parametrize("shape", [(4, 3), (2, 2, 3)])
def test_the_rows_of_affine_predict_its_equation(row, shape):
    weight, bias, x = np.arange(6.0).reshape(3, 2), np.array([10.0, -20.0]), X.reshape(shape)
    layers = [nl.Affine.from_arrays(weight, bias), nl.ReLU()][: len(row)]
    y = x @ weight + bias
    np.testing.assert_allclose(fused.TABLE[row].infer(layers, x), y if row == ("affine",) else np.maximum(y, 0), rtol=1e-12)


def test_the_row_of_affine_predicts_without_a_bias():
    layer = nl.Affine.from_arrays(np.arange(6.0).reshape(3, 2))
    np.testing.assert_allclose(fused.TABLE["affine",].infer([layer], X), X @ layer.weight.value, rtol=1e-12)


def test_a_sum_that_broadcasts_in_a_graph_has_the_gradients_of_add():
    x, z = nl.Input("x"), nl.Input("z")
    model = nl.Graph([x, z], [nl.Tanh()(x + z)])
    for _ in range(3):
        np.testing.assert_allclose(model.forward(X, X[0]), np.tanh(X + X[0]), rtol=1e-14)
        dx, dz = model.backward(DOUT)
        np.testing.assert_allclose(dx, DOUT * (1 - np.tanh(X + X[0]) ** 2), rtol=1e-12)
        np.testing.assert_allclose(dz, dx.sum(axis=0), rtol=1e-12)
