"""`LayerStatistics`: what it keeps of a training step, and that the step is none the wiser."""

import copy
import pickle
from contextlib import contextmanager

import numpy as np
import pytest
from stateful_layers import Overwrites

import netlib as nl
from netlib.training.layer_statistics import EDGES

X = np.random.default_rng(0).normal(size=(40, 6))
T = np.arange(40) % 3


def worked():
    """A net and a batch whose every number is worked by hand below."""
    model = nl.Sequential(nl.Affine.from_arrays([[2.0]], [0.0]), nl.ReLU(), nl.Affine.from_arrays([[-3.0]], [0.0]))
    for parameter in model.parameters().values():
        assert parameter.dtype == np.float64
    record = nl.LayerStatistics(every=1)
    trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.0), callbacks=[record], seed=0)
    trainer.fit(np.array([[1.0], [-1.0], [3.0]]), np.array([[0.0], [3.0], [0.0]]), epochs=1, batch_size=3, shuffle=False, progress=False)
    return record


# y = -3·relu(2x) = (-6, 0, -18), so y - t = (-6, -3, -18) and dL/dy = 2/3 (y - t) = (-4, -2, -12);
# times -3 before the last layer: (12, 6, 36);
# and without the middle one, where 2x < 0, before the ReLU.
WORKED = {
    "activations": {"0": [2.0, -2.0, 6.0], "1": [2.0, 0.0, 6.0], "2": [-6.0, 0.0, -18.0]},
    "gradients": {"0": [12.0, 0.0, 36.0], "1": [12.0, 6.0, 36.0], "2": [-4.0, -2.0, -12.0]},
}


@pytest.mark.parametrize("kind", WORKED)
@pytest.mark.parametrize("path", ["0", "1", "2"])
def test_outputs_and_gradients_of_a_net_worked_by_hand_are_kept_as_numpys_histogram_and_statistics(kind, path):
    track, values = getattr(worked(), kind)[path], np.array(WORKED[kind][path])
    magnitudes = np.abs(values[values != 0])
    assert np.array_equal(track["histogram"], [np.histogram(magnitudes, EDGES)[0]])
    assert np.allclose(track["mean"], values.mean(), rtol=1e-15)
    assert np.allclose(track["std"], values.std(), rtol=1e-15)
    assert np.allclose(track["rms"], np.sqrt((values**2).sum() / 3), rtol=1e-15)
    assert (track["min"], track["max"]) == (values.min(), values.max())
    assert track["zeros"] == pytest.approx((values == 0).sum() / 3)
    assert track["nonfinite"] == 0
    assert len(track) == 1


def test_layers_come_in_the_order_of_forward_with_their_kind():
    record = worked()
    for tracks in (record.activations, record.gradients):
        assert [(path, track.kind) for path, track in tracks.items()] == [("0", "Affine"), ("1", "ReLU"), ("2", "Affine")]


def test_bins_are_fifths_of_a_decade_from_1e_minus_20_to_1e20_and_the_outermost_hold_what_lies_beyond():
    assert np.allclose(np.log10(EDGES), np.arange(-100, 101) / 5)

    class Constants(nl.Layer):
        def forward(self):
            return np.array([1e-300, -3e-20, 0.5, 1e19, np.inf, np.nan, 0.0])

    record = nl.LayerStatistics()
    with watched(record, Constants()) as layer:
        layer.forward()
    track = record.activations[""]
    (counts,) = track["histogram"]
    assert {int(i): int(counts[i]) for i in np.flatnonzero(counts)} == {0: 1, 2: 1, 98: 1, 195: 1}
    assert track["nonfinite"] == pytest.approx(2 / 7)
    assert track["max"] == 1e19


@contextmanager
def watched(record, layer):
    """Have `record` look at `layer` as if that were the model of a trainer."""

    class Trainer:
        model = layer

    with record.around_batch(Trainer()):
        yield layer


def test_several_outputs_of_a_layer_count_together():
    class SplitInTwo(nl.Layer):
        n_outputs = 2

        def forward(self, x):
            return x[:1].copy(), x[1:].copy()

        def backward(self, dout):
            return np.concatenate(dout)

    record = nl.LayerStatistics()
    with watched(record, SplitInTwo()) as layer:
        layer.forward(np.array([1.0, 2.0, 6.0]))
        layer.backward((np.array([5.0]), np.array([0.0, 1.0])))
    assert record.activations[""]["mean"] == 3
    assert record.gradients[""]["mean"] == 2


class Scale(nl.Layer):
    """A user's layer, with two layers of netlib's and arithmetic of its own inside."""

    def __init__(self):
        self.factor = nl.Parameter(np.full(8, 1.5))
        self.inner = [nl.Affine(8, 8, rng=5), nl.Sequential(nl.Tanh())]

    def forward(self, x):
        self.h = self.inner[1].forward(self.inner[0](x))
        return self.h * self.factor.value

    def backward(self, dout):
        self.factor.grad += (dout * self.h).sum(axis=0)
        return self.inner[0].backward(self.inner[1].backward(dout * self.factor.value))


def two_branches():
    x = nl.Input("x")
    h = nl.Tanh()(nl.Affine(6, 8, rng=0)(x), name="h")
    return nl.Graph([x], [nl.Affine(8, 3, rng=1)(nl.ReLU()(h) * nl.Sigmoid()(h), name="y")])


MODELS = {
    "a chain, which otherwise runs by plan": lambda: nl.Sequential(
        nl.Affine(6, 8, rng=0), nl.ReLU(), nl.Dropout(0.3, rng=1), nl.Affine(8, 8, rng=2), nl.ReLU(), nl.Affine(8, 3, rng=3)
    ),
    "float64": lambda: nl.Sequential(nl.Affine(6, 8, rng=0, dtype="float64"), nl.GELU(), nl.Affine(8, 3, rng=3, dtype="float64")),
    "residual": lambda: nl.Sequential(
        nl.Affine(6, 8, rng=0), nl.Residual(nl.Sequential(nl.Affine(8, 8, rng=1), nl.SiLU())), nl.Affine(8, 3, rng=2)
    ),
    "graph": two_branches,
    "a user's own": lambda: nl.Sequential(nl.Affine(6, 8, rng=0), Scale(), nl.Affine(8, 3, rng=1)),
    "no container": lambda: nl.Affine(6, 3, rng=0),
}
SETTINGS = {
    "plain": {},
    "clipped, accumulated": {"clip_norm": 0.1, "accumulate": 2},
}


def trained(make, callbacks, **options):
    model = make()
    trainer = nl.Trainer(
        model, nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=0.05), metrics={"accuracy": nl.accuracy}, callbacks=callbacks, seed=0, **options
    )
    history = trainer.fit(X, T, epochs=3, batch_size=8, validation=0.2, progress=False).to_dict()
    del history["seconds"]
    return history, {path: parameter.value.copy() for path, parameter in model.parameters().items()}


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", MODELS)
def test_training_gives_the_same_numbers_with_it_and_without(name, settings, every):
    record = nl.LayerStatistics(every=every)
    with_it, without = (trained(MODELS[name], callbacks, **SETTINGS[settings]) for callbacks in ([record], []))
    for got, wanted in zip(with_it, without, strict=True):
        assert got.keys() == wanted.keys()
        for key, value in wanted.items():  # layers that are watched run one by one, and round otherwise than by plan
            np.testing.assert_allclose(got[key], value, rtol=1e-4, atol=1e-6)
    assert record.activations.keys() == record.gradients.keys()
    assert len(record.activations) >= 1


def test_the_layers_inside_a_users_layer_are_seen_too():
    record = nl.LayerStatistics(every=1)
    trained(MODELS["a user's own"], [record])
    assert list(record.gradients) == ["0", "1.inner.0", "1.inner.1.0", "1", "2"]


def test_the_nodes_of_a_graph_go_by_their_names():
    record = nl.LayerStatistics(every=1)
    trained(two_branches, [record])
    assert {"h", "y"} < set(record.activations)


def test_it_looks_at_the_first_batch_and_every_so_many_after_it_across_epochs():
    record = nl.LayerStatistics(every=3)
    trained(MODELS["no container"], [record])  # 4 batches an epoch, 3 epochs
    assert record.activations[""]["batch"].tolist() == [1, 4, 7, 10]
    assert record.gradients[""]["batch"].tolist() == [1, 4, 7, 10]


def test_validation_is_not_looked_at():
    sizes = []

    class Noting(nl.Layer):
        def forward(self, x):
            sizes.append((len(x), "forward" in vars(self)))
            return x.copy()

        def backward(self, dout):
            return dout.copy()

    trained(lambda: nl.Sequential(Noting(), nl.Affine(6, 3, rng=0)), [nl.LayerStatistics(every=1)])
    assert [looked for n, looked in sizes if n == 8].count(True) == 12  # 4 batches, 3 epochs
    assert sum(looked for _, looked in sizes) == 12
    assert len(sizes) > 12


def test_values_are_those_at_the_time_even_where_a_layer_writes_over_them():
    record = nl.LayerStatistics()
    with watched(record, nl.Sequential(nl.Identity(), Overwrites(), Overwrites())) as model:
        model.forward(np.array([1.0]))
        model.backward(np.array([1.0]))
    assert [float(track["max"][0]) for track in record.activations.values()] == [1, 2, 4]
    assert [float(track["max"][0]) for track in record.gradients.values()] == [4, 2, 1]


class Copying(nl.Callback):
    """Does what checkpoints do."""

    def __init__(self):
        self.copies = []

    def _copy(self, trainer):
        self.copies += [copy.deepcopy(trainer.model), pickle.loads(pickle.dumps(trainer.model))]

    on_fit_begin = on_batch_end = on_epoch_end = on_fit_end = _copy


def test_a_copy_that_a_callback_takes_is_a_model_of_its_own_without_a_watcher():
    copying = Copying()
    trained(MODELS["a chain, which otherwise runs by plan"], [copying, nl.LayerStatistics(every=1), copying])
    assert len(copying.copies) > 20
    assert not [layer for model in copying.copies for _, layer in model.walk() if "forward" in vars(layer) or "backward" in vars(layer)]


def test_after_training_and_after_an_error_no_layer_is_watched_and_what_one_of_its_own_had_is_back():
    model = nl.Sequential(nl.Affine(6, 8, rng=0), nl.ReLU(), nl.Affine(8, 3, rng=1))
    own = model[1].forward
    vars(model[1])["forward"] = own
    record = nl.LayerStatistics(every=1)
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.SGD(model, lr=1e30), callbacks=[record], seed=0)
    with pytest.raises(nl.NonFiniteError):
        trainer.fit(X, T, epochs=5, batch_size=8, progress=False)
    assert [sorted({"forward", "backward", "backward_parameters"} & vars(layer).keys()) for _, layer in model.walk()] == [
        [],
        [],
        ["forward"],
        [],
    ]
    assert vars(model[1])["forward"] is own


def test_of_a_batch_that_ends_in_an_error_what_went_forward_is_there():
    model, record = nl.Sequential(nl.Affine(6, 8, rng=0), nl.ReLU(), nl.Affine(8, 3, rng=1)), nl.LayerStatistics(every=1)
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.SGD(model, lr=1e30), callbacks=[record], seed=0)
    with pytest.raises(nl.NonFiniteError):
        trainer.fit(X, T, epochs=5, batch_size=8, progress=False)
    outputs = record.activations["2"]
    assert outputs["batch"][-1] == trainer.batch > record.gradients["2"]["batch"][-1]
    assert outputs["nonfinite"][-1] > 0
    assert (outputs["nonfinite"][:-1] == 0).all()


def test_another_training_begins_anew():
    record = nl.LayerStatistics(every=2)
    for _ in range(2):
        trained(MODELS["no container"], [record])
    assert record.activations[""]["batch"].tolist() == [1, 3, 5, 7, 9, 11]


def test_no_array_is_kept_however_large():
    def kept(n):
        record = nl.LayerStatistics(every=1)
        with watched(record, nl.ReLU()) as layer:
            layer.backward(layer.forward(np.ones(n)))
        return len(pickle.dumps(record))

    assert abs(kept(100_000) - kept(10)) < 100


def test_an_invalid_number_of_batches_is_refused_and_the_repr_is_the_call_that_made_it():
    with pytest.raises(nl.InvalidValueError, match="LayerStatistics: every is 0, expected at least 1"):
        nl.LayerStatistics(every=0)
    assert repr(nl.LayerStatistics(every=3)) == "LayerStatistics(every=3)"


def test_a_column_that_there_is_not_is_an_error_that_names_those_there_are():
    with pytest.raises(nl.MissingError, match="has no column 'median', only: batch, mean, std, rms"):
        worked().activations["0"]["median"]


def test_contexts_of_several_callbacks_are_entered_in_order_around_each_batch_and_left_also_after_an_error():
    lines = []

    class Around(nl.Callback):
        def __init__(self, name):
            self.name = name

        @contextmanager
        def around_batch(self, trainer):
            lines.append(f"{self.name} in {trainer.batch}")
            try:
                yield
            finally:
                lines.append(f"{self.name} out")

        def on_batch_end(self, trainer):
            lines.append(f"{self.name} end")

    model = nl.Affine(6, 3, rng=0)
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.SGD(model, lr=0.1), callbacks=[Around("a"), Around("b")], seed=0)
    trainer.fit(X[:4], T[:4], batch_size=2, progress=False)
    assert lines == [line for k in (1, 2) for line in (f"a in {k}", f"b in {k}", "b out", "a out", "a end", "b end")]
    lines.clear()
    model.weight.value[...] = np.inf
    with pytest.raises(nl.NonFiniteError):
        trainer.fit(X[:4], T[:4], progress=False)
    assert lines == ["a in 1", "b in 1", "b out", "a out"]
