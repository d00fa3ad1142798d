"""The table of a model."""

import numpy as np
import pytest

import netlib as nl
from netlib import InvalidTypeError, Layer, Parameter, ShapeError


def test_the_classic_perceptron_has_101770_parameters_and_101632_multiply_adds():
    summary = nl.Sequential(nl.Affine(784, 128), nl.ReLU(), nl.Affine(128, 10)).summary((784,))
    assert summary.parameters == 784 * 128 + 128 + 128 * 10 + 10 == 101_770
    assert summary.multiply_adds == 784 * 128 + 128 * 10 == 101_632


def test_the_table_is_aligned_names_layers_and_groups_thousands():
    model = nl.Sequential(("hidden", nl.Affine(784, 128)), nl.Residual(nl.ReLU()), nl.Affine(128, 10, bias=False))
    lines = str(model.summary((32, 784))).splitlines()
    assert lines[0].split() == ["layer", "output", "shape", "parameters", "multiply-adds"]
    assert len({len(line) for line in lines}) == 1
    assert set(lines[1]) == set(lines[-2]) == {"-"}
    assert lines[2].split() == ["hidden", "Affine(784,", "128)", "(32,", "128)", "100,480", "3,211,264"]
    assert lines[3].split() == ["1.layer", "ReLU()", "(32,", "128)", "0", "0"]
    assert lines[-1].split() == ["total", "101,760", "3,252,224"]
    assert lines[2].index("Affine") == lines[3].index("ReLU") == lines[-3].index("Affine")


def test_a_whole_number_is_the_shape_of_a_vector():
    model = nl.Sequential(nl.Affine(3, 2))
    assert str(model.summary(3)) == str(model.summary((3,))) == repr(model.summary((3,)))


def test_shared_parameters_are_counted_once():
    encode = nl.Affine(3, 3)
    model = nl.Sequential(encode, nl.Tanh(), encode.tied_copy())
    summary = model.summary((3,))
    assert [row.parameters for row in summary.rows] == [12, 0, 0]
    assert summary.parameters == 12
    assert summary.multiply_adds == 18


def test_weights_of_a_graph_are_in_the_table_and_in_the_total():
    x, w, b = nl.Input("X"), nl.Weight("W", np.ones((3, 2))), nl.Weight("B", np.ones(2))
    graph = nl.Graph(inputs=[x], outputs=[x @ w + b])
    summary = nl.Sequential(graph).summary((5, 3))
    assert {row.path: row.parameters for row in summary.rows if row.parameters} == {"0.W": 6, "0.B": 2}
    assert summary.parameters == sum(p.size for p in graph.parameters().values()) == 8
    assert summary.multiply_adds == 5 * 3 * 2


def test_a_list_gives_a_shape_for_each_of_several_inputs():
    summary = nl.MatMul().summary([(2, 3), (3, 4)])
    assert summary.rows[0].output_shapes == ((2, 4),)
    assert summary.multiply_adds == 24


class Pair(Layer):
    """A user's layer with two outputs, an inner layer that runs twice, and one that never runs."""

    n_outputs = 2

    def __init__(self):
        self.own = Parameter(np.ones(5))
        self.inner = nl.Affine(3, 3)
        self.idle = nl.Affine(2, 2)

    def forward(self, x):
        y = self.inner(x)
        return y, self.inner(y)[..., :1]

    def backward(self, dout):
        raise AssertionError


def test_users_layers_show_what_is_in_them_and_every_parameter_is_counted():
    summary = Pair().summary((4, 3))
    assert [(row.path, row.output_shapes, row.parameters, row.multiply_adds) for row in summary.rows] == [
        ("", ((4, 3), (4, 1)), 5, 0),
        ("inner", ((4, 3),), 12, 72),
        ("idle", (), 6, 0),
    ]
    assert "not called" in str(summary)


def test_a_summary_leaves_no_trace():
    model = nl.Sequential(nl.Affine(3, 2), nl.Dropout(0.5, rng=0))
    state = model[1]._rng.bit_generator.state
    before = [dict(vars(layer)) for _, layer in model.walk()]
    model.summary((3,))
    assert [dict(vars(layer)) for _, layer in model.walk()] == before
    assert model[1]._rng.bit_generator.state == state


def test_zeros_that_a_layer_divides_by_give_no_warning():
    assert nl.Divide().summary([(2,), (2,)]).rows[0].output_shapes == ((2,),)


class Named(Layer):
    def __init__(self, name):
        self.name = name

    def forward(self, x):
        return x + 1

    def backward(self, dout):
        return dout


def test_a_layer_that_shows_itself_on_several_lines_takes_one():
    class Lines(Named):
        def __repr__(self):
            return "Lines([1,\n       2])"

    assert str(Lines("x").summary((3,))).splitlines()[2].startswith("Lines([1, 2])  (3,)")


def test_long_layers_are_shortened():
    header, _, line, *_ = str(Named("x" * 200).summary((3,))).splitlines()
    assert line.startswith("Named('xxx")
    assert "x…  (3,)" in line
    assert len(line) == len(header) < 100


@pytest.mark.parametrize("shape", ["64", 6.4, (6.4,), None, [64], [3, (3,)], (True,), {3}])
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises(InvalidTypeError):
        nl.Affine(64, 2).summary(shape)


@pytest.mark.parametrize("shape", [-64, (2, -64), 63, (64, 63)])
def test_an_impossible_shape_is_refused(shape):
    with pytest.raises(ShapeError):
        nl.Sequential(nl.Affine(64, 2)).summary(shape)
