"""A model that was saved and loaded is the same model, to the bit."""

import copy
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from table import one_row_of_each_kind_and_all_at_last

import netlib as nl

SUFFIXES = [".npz", ".safetensors"]
DTYPES = ["float16", "float32", "float64"]
suffixes = pytest.mark.parametrize("suffix", SUFFIXES)


class Scale(nl.Layer):
    """A layer of a user."""

    def __init__(self, features, factor=1.0, *, activation=nl.ReLU, extra=None):
        self.features, self.factor, self.activation, self.extra = features, factor, activation, extra
        self.weight = nl.Parameter(np.full(features, factor))
        self.count = nl.Buffer(0)
        self.inner = activation()
        self.x = None

    def forward(self, x):
        self.x = x
        return self.inner.forward(x * self.weight.value)

    def backward(self, dout):
        dout = self.inner.backward(dout)
        self.weight.grad += (dout * self.x).sum(axis=0)
        return dout * self.weight.value


class Many(nl.Layer):
    """A layer of a user that holds lists and dicts of layers."""

    def __init__(self, chain, table, *rest):
        self.chain, self.table, self.rest = chain, table, rest

    def forward(self, x):
        for layer in [*self.chain, *self.table.values(), *self.rest]:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed([*self.chain, *self.table.values(), *self.rest]):
            dout = layer.backward(dout)
        return dout


class Head(nl.Sequential):
    """A container of a user."""

    def __init__(self, features, classes=2):
        super().__init__(nl.Affine(features, classes, rng=0), nl.Softmax())
        self.features, self.classes = features, classes


class Skip(nl.Graph):
    """A graph of a user."""

    def __init__(self, features):
        x = nl.Input("x")
        self.features = features
        super().__init__([x], [nl.Affine(features, features, rng=1)(x, name="h") + x])


CLASSES = [Scale, Many, Head, Skip]
DEEP = sys.getrecursionlimit() + 100


def saved_and_loaded(model, tmp_path, suffix=".npz", classes=CLASSES):
    path = tmp_path / f"model{suffix}"
    nl.save(model, path)
    return nl.load(path, classes)


def bits(arrays):
    return {path: (array.dtype.str, array.shape, array.tobytes()) for path, array in arrays.items()}


def assert_same(model, twin):
    assert repr(twin) == repr(model)
    assert bits(twin.state_dict()) == bits(model.state_dict())
    assert list(twin.parameters()) == list(model.parameters())
    assert [(path, type(layer), layer._mode, layer.training) for path, layer in twin.walk()] == [
        (path, type(layer), layer._mode, layer.training) for path, layer in model.walk()
    ]
    assert [each.trainable for each in twin.parameters().values()] == [each.trainable for each in model.parameters().values()]


def assert_same_run(model, twin, *inputs):
    """Compare two training steps: outputs, gradients, the masks of dropout, and what Adam makes of the parameters."""
    optimizers = [nl.Adam(each, lr=0.01) if each.parameters() else None for each in (model, twin)]
    for _ in range(2):
        ys = [each.forward(*inputs) for each in (model, twin)]
        y = ys[0] if isinstance(ys[0], tuple) else (ys[0],)
        assert [a.tobytes() for a in y] == [a.tobytes() for a in (ys[1] if isinstance(ys[1], tuple) else (ys[1],))]
        dout = tuple(np.cos(np.arange(a.size, dtype=a.dtype)).reshape(a.shape) for a in y)
        dxs = [each.backward(dout if isinstance(ys[0], tuple) else dout[0]) for each in (model, twin)]
        dx = [each if isinstance(each, tuple) else (each,) for each in dxs]
        assert [a is not None and a.tobytes() for a in dx[0]] == [a is not None and a.tobytes() for a in dx[1]]
        for optimizer in optimizers:
            if optimizer:
                optimizer.step()
    assert bits(twin.state_dict()) == bits(model.state_dict())


@suffixes
@one_row_of_each_kind_and_all_at_last
def test_every_layer_is_the_same_after_a_round_trip(row, suffix, tmp_path):
    for dtype in DTYPES if row.make(np.float64).parameters() else DTYPES[-1:]:
        model = row.make(np.dtype(dtype))
        twin = saved_and_loaded(model, tmp_path, suffix)
        assert_same(model, twin)
        assert_same_run(model, twin, *row.inputs_in(dtype))


def dropouts():
    rng = np.random.default_rng(3)
    return nl.Sequential(nl.Affine(3, 3, rng=0), nl.Dropout(0.5, rng=rng), nl.Dropout(0.3, rng=rng), nl.Dropout(0.2, rng=rng.spawn(1)[0]))


def without_a_seed():
    return nl.Sequential(nl.Affine(3, 3), nl.Dropout(0.5), nl.MultiHeadAttention(3, 1, dropout=0.5), nl.TransformerBlock(3, 3, dropout=0.5))


def generators():
    kinds = [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64]
    layers = []
    for kind in kinds:
        rng = np.random.Generator(kind(7))
        rng.random(3, np.float32)  # in the middle of a number of 64 bits
        layers.append(nl.Dropout(0.5, rng=rng))
    return nl.Sequential(*layers, nl.Affine(3, 2, rng=0))


def tied():
    a = nl.Affine(3, 3, rng=0)
    return nl.Sequential(a, nl.Tanh(), a.tied_copy(), nl.Sequential(a.tied_copy()))


def tied_graphs():
    x = nl.Input("x")
    graph = nl.Graph([x], [x @ nl.Weight("w", np.eye(3) * 0.5) + nl.Constant("c", np.ones(3))])
    return nl.Sequential(graph, graph.tied_copy(), nl.ReLU())


def weight_of_a_layer():
    affine, x = nl.Affine(3, 3, rng=0), nl.Input("x")
    h = nl.Tanh()(affine(x))
    return nl.Graph([x], [h @ nl.Weight.over("again", affine.weight)])


def weight_of_an_earlier_layer():
    affine, x = nl.Affine(3, 3, rng=0), nl.Input("x")
    return nl.Sequential(affine, nl.Tanh(), nl.Graph([x], [x @ nl.Weight.over("w", affine.weight)]))


def diamond():
    x, z = nl.Input("x"), nl.Input("z")
    h, unnamed = nl.Affine(3, 3, rng=0)(x, name="h"), nl.Constant("é", np.arange(3.0))
    return nl.Graph([x, z], [h * h + z, nl.Graph([x], [nl.ELU(0.5)(x), x])(h - unnamed)[1], z])


def users():
    return nl.Sequential(
        ("scale", Scale(3, 0.5, activation=nl.Tanh, extra={"a": [1, (2.5, None, True)], "b": slice(1, None), "c": np.float32(0.1)})),
        Many([nl.Affine(3, 3, rng=1), nl.Tanh()], {"x": Scale(3), "y/z": nl.Dropout(0.5, rng=0)}, nl.ReLU(), nl.Sequential()),
        Skip(3),
        Head(3),
    )


MODELS = {
    each.__name__: each
    for each in (dropouts, without_a_seed, generators, tied, tied_graphs, weight_of_a_layer, weight_of_an_earlier_layer, users)
}


@suffixes
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_every_model_is_the_same_after_a_round_trip(make, suffix, tmp_path):
    model = make()
    model.parameters()
    twin = saved_and_loaded(model, tmp_path, suffix)
    assert_same(model, twin)
    assert_same_run(model, twin, np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3))


@suffixes
def test_a_graph_with_several_inputs_and_outputs_is_the_same(suffix, tmp_path):
    model = diamond()
    twin = saved_and_loaded(model, tmp_path, suffix)
    assert_same(model, twin)
    x = np.linspace(-1, 1, 12).reshape(4, 3)
    assert_same_run(model, twin, x, -x)


def test_shared_parameters_and_generators_stay_shared(tmp_path):
    twin = saved_and_loaded(tied(), tmp_path)
    assert twin[0].weight is twin[2].weight is twin[3][0].weight
    twin = saved_and_loaded(dropouts(), tmp_path)
    assert twin[1]._rng is twin[2]._rng
    assert twin[1]._rng is not twin[3]._rng
    twin = saved_and_loaded(weight_of_a_layer(), tmp_path)
    assert list(twin.parameters()) == ["again", "Affine_1.bias"]
    twin = saved_and_loaded(weight_of_an_earlier_layer(), tmp_path)
    assert list(twin.parameters()) == ["0.weight", "0.bias"]


def test_a_loaded_model_owns_what_it_holds(tmp_path):
    nl.save(users(), tmp_path / "model.npz")
    first, second = (nl.load(tmp_path / "model.npz", CLASSES) for _ in range(2))
    for path, array in first.state_dict().items():
        first.load_state_dict({path: array * 0}, strict=False)
    assert bits(second.state_dict()) == bits(users().state_dict())
    for each in second.parameters().values():
        assert each.value.flags.carray
        assert each.grad.flags.carray
        assert not each.grad.any()


def test_a_loaded_model_is_drawn_checked_and_summarized_like_the_original(tmp_path):
    model = nl.Sequential(nl.Affine(3, 4, rng=0), nl.Tanh(), nl.Affine(4, 2, rng=1))
    model[1].rule = "y = tanh(x); dx = dy ⊙ (1 - y²)"
    twin = saved_and_loaded(model, tmp_path)
    x = np.ones((2, 3), np.float32)
    assert nl.draw(twin, x).svg == nl.draw(model, x).svg
    assert twin[1].rule == model[1].rule
    assert str(twin.summary((3,))) == str(model.summary((3,)))
    x = np.linspace(0.1, 1, 6).reshape(2, 3)
    assert str(nl.check_gradients(twin, x)) == str(nl.check_gradients(model, x))


def test_a_loaded_model_trains_like_the_original(tmp_path):
    x, t = nl.data.xor(64, rng=0)
    model = nl.Sequential(nl.Affine(2, 8, rng=0), nl.Tanh(), nl.Dropout(0.2, rng=1), nl.Affine(8, 2, rng=2))
    twin = saved_and_loaded(model, tmp_path)
    losses = [
        nl.Trainer(each, nl.SoftmaxCrossEntropy(), nl.Adam(each), seed=0).fit(x, t, epochs=3, batch_size=16, progress=False)["loss"]
        for each in (model, twin)
    ]
    assert losses[0] == losses[1]
    assert bits(twin.state_dict()) == bits(model.state_dict())


@pytest.mark.parametrize(
    "loss",
    [
        nl.MeanSquaredError("sum"),
        nl.SoftmaxCrossEntropy(label_smoothing=0.1, reduction="none"),
        nl.SigmoidCrossEntropy(),
        nl.Huber(0.5),
        nl.MeanAbsoluteError(),
        nl.Hinge(),
    ],
    ids=repr,
)
def test_a_loss_is_a_layer_like_any_other(loss, tmp_path):
    assert repr(saved_and_loaded(loss, tmp_path)) == repr(loss)


@suffixes
@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])
def test_every_bit_of_a_float_is_kept(dtype, suffix, tmp_path):
    size = np.dtype(dtype).itemsize
    patterns = np.random.default_rng(0).integers(0, 2 ** (8 * size) - 1, 4000, dtype, endpoint=True)
    sign = 1 << (8 * size - 1)
    patterns[:4] = [sign, 1, sign | 1, np.array(np.inf, f"f{size}").view(dtype) + 1]  # -0.0, the smallest numbers, a signaling NaN
    values = patterns.view(f"f{size}").reshape(40, 100)
    model = nl.Affine(40, 100, bias=False, dtype=values.dtype, rng=0)
    model.weight.value = values
    assert saved_and_loaded(model, tmp_path, suffix).weight.value.tobytes() == patterns.tobytes()
    nl.save_state({"w": values}, tmp_path / f"state{suffix}")
    assert nl.load_state(tmp_path / f"state{suffix}")["w"].tobytes() == patterns.tobytes()


@suffixes
def test_empty_arrays_and_arrays_without_axes_keep_their_shapes(suffix, tmp_path):
    class Odd(nl.Layer):
        def __init__(self):
            self.empty, self.number = nl.Parameter(np.zeros((0, 3, 0))), nl.Parameter(np.float64(2.5))
            self.flag, self.bytes = nl.Buffer(True), nl.Buffer(np.zeros((2, 0), np.uint8))

    model = Odd()
    assert_same(model, saved_and_loaded(model, tmp_path, suffix, [Odd]))
    assert_same(nl.Affine(0, 0), saved_and_loaded(nl.Affine(0, 0), tmp_path, suffix))
    assert_same(nl.Sequential(), saved_and_loaded(nl.Sequential(), tmp_path, suffix))


@suffixes
def test_names_may_be_in_any_language(suffix, tmp_path):
    layers = [
        ("größe", nl.Affine(2, 2, rng=0)),
        ("重み a\"b'\n", nl.Affine(2, 2, rng=1)),
        ("🙂", Many([], {"é/ ": nl.Affine(1, 1, rng=2)})),
    ]
    model = nl.Sequential(*layers)
    assert_same(model, saved_and_loaded(model, tmp_path, suffix))


@suffixes
def test_modes_and_frozen_parts_are_kept(suffix, tmp_path):
    dropping = nl.Sequential(nl.Affine(3, 3, rng=1), nl.Dropout(0.5, rng=0)).eval()
    model = nl.Sequential(nl.Affine(3, 3, rng=0).freeze(), dropping, nl.Affine(3, 2, rng=2))
    model[2].bias.trainable = False
    twin = saved_and_loaded(model, tmp_path, suffix)
    assert_same(model, twin)
    model.unfreeze()
    twin.unfreeze()
    assert_same(model, twin)
    model.train()
    twin.train()
    assert_same(model, twin)


def test_modes_that_a_constructor_sets_do_not_come_back(tmp_path):
    class Backbone(nl.Layer):
        def __init__(self):
            self.affine = nl.Affine(2, 2, rng=0).freeze()
            self.scale = nl.Parameter(1.0, trainable=False)
            self.eval()

    model = Backbone().unfreeze().train()
    model.scale.trainable = True
    assert_same(model, saved_and_loaded(model, tmp_path, classes=[Backbone]))


def test_initializers_are_arguments_like_any_other(tmp_path):
    class Wide(nl.Layer):
        def __init__(self, init):
            self.init = init

    for init in (nl.He(uniform=True), nl.Orthogonal(2.0), nl.Zeros()):
        assert saved_and_loaded(Wide(init), tmp_path, classes=[Wide]).init == init


VALUES = {
    "numbers": [0, -1, 2**100, 0.1, -0.0, 5e-324, math.inf, -math.inf, True, False, None],
    "text": ["", "a\"b\\'\n\t\0", "é🙂", "nan"],
    "numpy": [np.float32(0.1), np.float16(-0.0), np.int8(-3), np.uint64(2**64 - 1), np.bool_(True), np.dtype("float16"), np.float64],
    "slices": [slice(None), slice(1, 10, -2)],
    "classes": [nl.ReLU, Scale, nl.Sequential],
    "nested": [[], (), {}, [[1, (2, [3, {}])]], {"a": (1,), "": [None]}, ((), [()])],
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_every_kind_of_argument_comes_back_as_it_was(values, tmp_path):
    for value in values:
        made = saved_and_loaded(Scale(2, extra=value), tmp_path).extra
        assert (type(made), repr(made)) == (type(value), repr(value))
    assert repr(saved_and_loaded(Scale(2, extra=values), tmp_path).extra) == repr(values)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "uint8", "float16", "float64", ">f4", ">i2"])
def test_arrays_are_arguments_like_any_other(dtype, tmp_path):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    for value in (array, array.T, array[:, ::2], array[::-1], np.broadcast_to(array[0], (4, 3)), array[0, 0, None]):
        made = saved_and_loaded(Scale(2, extra=[value, value]), tmp_path).extra
        for each in made:
            assert (each.dtype, each.shape) == (value.dtype.newbyteorder("="), value.shape)
            np.testing.assert_array_equal(each, value)


def test_attributes_that_differ_from_the_constructors_are_kept(tmp_path):
    class Counter(nl.Layer):
        def __init__(self, start):
            self.start = start
            self.calls, self.log, self.zero, self.kept = start * 2, {"seen": []}, 0.0, [np.zeros(2), {1, 2}, len]

    model = Counter(3)
    model.calls, model.zero = 100, -0.0
    model.log["seen"].append((1, 2.5))
    twin = saved_and_loaded(model, tmp_path, classes=[Counter])
    assert (twin.start, twin.calls, twin.log, math.copysign(1, twin.zero)) == (3, 100, {"seen": [(1, 2.5)]}, -1.0)


def test_a_class_of_the_user_may_be_called_like_one_of_netlib(tmp_path):
    class ReLU(nl.Layer):
        def __init__(self, slope=0.5):
            self.slope = slope

    twin = saved_and_loaded(nl.Sequential(ReLU(0.25), nl.ReLU(), ReLU()), tmp_path, classes=[ReLU])
    assert [type(layer) for layer in twin] == [ReLU, nl.ReLU, ReLU]


@pytest.mark.parametrize("n", [DEEP, pytest.param(10_000, marks=pytest.mark.exhaustive)])
def test_layers_may_follow_each_other_deeper_than_the_stack(n, tmp_path):
    chain = nl.Sequential(*(nl.Tanh() if i % 10 else nl.Affine(1, 1, rng=i) for i in range(n)))
    assert_same(chain, saved_and_loaded(chain, tmp_path))


def test_layers_may_be_nested_deeper_than_the_stack(tmp_path):
    nested = nl.Affine(1, 1, rng=0)
    for i in range(DEEP):
        nested = nl.Sequential(nested) if i % 2 else nl.Residual(nested)
    twin = saved_and_loaded(nested, tmp_path)
    assert repr(twin) == repr(nested)
    assert bits(twin.state_dict()) == bits(nested.state_dict())


def test_a_graph_may_be_deeper_than_the_stack(tmp_path):
    x = nl.Input("x")
    node = x
    for _ in range(DEEP):
        node = nl.Tanh()(node) + node
    graph = nl.Graph([x], [node])
    twin = saved_and_loaded(graph, tmp_path)
    y = np.linspace(-1e-3, 1e-3, 5)
    with np.errstate(over="ignore"):
        assert twin.forward(y).tobytes() == graph.forward(y).tobytes()


@suffixes
def test_the_same_model_gives_the_same_bytes(suffix, tmp_path):
    def content():
        path = tmp_path / f"model{suffix}"
        nl.save(model, path)
        return path.read_bytes()

    model = users()
    before = content()
    assert content() == before
    model.predict(np.ones((4, 3)))
    assert content() == before
    nl.save(nl.load(tmp_path / f"model{suffix}", CLASSES), tmp_path / f"again{suffix}")
    assert (tmp_path / f"again{suffix}").read_bytes() == before
    model = copy.deepcopy(model)
    assert content() == before

    model = nl.Sequential(nl.Affine(2, 2, rng=0), nl.Tanh())
    before = content()
    model.backward(model.forward(np.ones((3, 2))))
    assert content() == before
    code = f"import netlib as nl; nl.save(nl.Sequential(nl.Affine(2, 2, rng=0), nl.Tanh()), {str(tmp_path / f'other{suffix}')!r})"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(nl.__file__).parents[1])
    assert (tmp_path / f"other{suffix}").read_bytes() == before


def test_saving_changes_nothing(tmp_path):
    model = users()
    before, states = (
        bits(model.state_dict()),
        [layer._rng.bit_generator.state for _, layer in model.walk() if isinstance(layer, nl.Dropout)],
    )
    nl.save(model, tmp_path / "model.npz")
    assert bits(model.state_dict()) == before
    assert [layer._rng.bit_generator.state for _, layer in model.walk() if isinstance(layer, nl.Dropout)] == states


def test_loading_draws_and_copies_no_initial_weights(tmp_path, monkeypatch):
    nl.save(nl.Sequential(nl.Affine(300, 300, rng=0), nl.ReLU(), nl.Affine(300, 10, rng=1)), tmp_path / "model.npz")
    monkeypatch.setattr(nl.He, "__call__", lambda *_: pytest.fail("weights were drawn"))
    loaded = nl.load(tmp_path / "model.npz")
    nl.save(loaded, tmp_path / "model.npz")
