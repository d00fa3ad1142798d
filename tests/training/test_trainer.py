"""The training loop: what it computes, in which order, and what it leaves alone."""

import threading

import numpy as np
import pytest

import netlib as nl
from netlib import InvalidTypeError, InvalidValueError, Layer, Parameter, ShapeError
from netlib.training import Callback, Trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3))
T = X @ [[1.0], [-2.0], [0.5]] + 0.3


def linear(dtype="float64"):
    return nl.Sequential(nl.Affine(3, 1, rng=0, dtype=dtype))


def trainer(model=None, loss=None, lr=0.1, seed=0, **options):
    model = model or linear()
    return Trainer(model, loss or nl.MeanSquaredError(), nl.SGD(model, lr=lr), seed=seed, **options)


def fit(of, x=X, t=T, **options):
    return of.fit(x, t, **{"progress": False, **options})


def values(model):
    return [p.value.copy() for p in model.parameters().values()]


def same_bits(a, b):
    return all(np.array_equal(v, w) for v, w in zip(a, b, strict=True))


class Log(list):
    """A subclass of list, which a prediction shares with the layer; it copies plain lists."""


class Watch(nl.Identity):
    """Writes down which rows pass, and in which mode, but for the few that are predicted before the first step."""

    def __init__(self):
        self.rows = Log()

    def forward(self, x):
        self.rows.append((self.training, x[:, 0].tolist()))
        return super().forward(x)

    def passed(self, training=True):
        return [value for mode, rows in self.rows for value in rows if mode is training]


@pytest.mark.parametrize(("reduction", "lr"), [("mean", 0.1), ("sum", 0.01)])
def test_fit_does_what_the_loop_written_in_plain_numpy_does(reduction, lr):
    w, b = (p.copy() for p in values(linear()))
    for _ in range(3):
        for start in range(0, 20, 8):
            x, t = X[start : start + 8], T[start : start + 8]
            dy = 2 * (x @ w + b - t) / (len(x) if reduction == "mean" else 1)
            w, b = w - lr * x.T @ dy, b - lr * dy.sum(axis=0)
    trained = trainer(loss=nl.MeanSquaredError(reduction=reduction), lr=lr)
    fit(trained, epochs=3, batch_size=8, shuffle=False)
    np.testing.assert_allclose(values(trained.model)[0], w, rtol=0, atol=1e-12)
    np.testing.assert_allclose(values(trained.model)[1], b, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("reduction", "factor"), [("mean", 1), ("sum", 20)])
def test_the_loss_of_an_epoch_is_that_of_all_its_samples_whatever_the_batches(reduction, factor):
    still = trainer(loss=nl.MeanSquaredError(reduction=reduction), lr=0.0)
    wanted = np.mean((still.model.forward(X) - T) ** 2) * factor
    history = fit(still, epochs=1, batch_size=7, validation=(X, T))
    assert history["loss"] == pytest.approx([wanted], rel=1e-12)
    assert history["val_loss"] == pytest.approx([wanted], rel=1e-12)
    assert still.evaluate(X, T, batch_size=3)["loss"] == pytest.approx(wanted, rel=1e-12)


def test_metrics_are_those_of_all_samples_at_once_not_a_mean_over_batches():
    still = trainer(lr=0.0, metrics={"r2": nl.r2_score, "error": nl.mean_absolute_error})
    y = still.model.forward(X)
    history = fit(still, batch_size=7)
    assert history["r2"] == pytest.approx([nl.r2_score(y, T)], rel=1e-12)
    assert history["error"] == pytest.approx([nl.mean_absolute_error(y, T)], rel=1e-12)


def test_columns_are_the_measures_then_those_of_validation_then_rate_and_time():
    history = fit(trainer(metrics={"r2": nl.r2_score}), epochs=2, validation=0.5)
    assert history.columns == ("epoch", "loss", "r2", "val_loss", "val_r2", "lr", "seconds")
    assert history["epoch"] == [1, 2]
    assert all(seconds > 0 for seconds in history["seconds"])


def test_the_rate_of_a_row_is_that_of_the_first_step_of_its_epoch():
    history = fit(trainer(lr=lambda step: 1 / (step + 1)), epochs=3, batch_size=10)
    assert history["lr"] == [1.0, 1 / 3, 1 / 5]


def test_validation_after_an_epoch_is_what_evaluate_says_then():
    trained = trainer(metrics={"r2": nl.r2_score})
    history = fit(trained, epochs=2, validation=(X[:5], T[:5]))
    assert trained.evaluate(X[:5], T[:5]) == {name: history[f"val_{name}"][-1] for name in ("loss", "r2")}


def test_each_epoch_sees_every_sample_once_in_an_order_of_its_own():
    watch = Watch()
    fit(trainer(nl.Sequential(watch, *linear())), epochs=2, batch_size=6)
    first, second = watch.passed()[:20], watch.passed()[20:]
    assert sorted(first) == sorted(second) == sorted(X[:, 0])
    assert first != second
    assert [len(rows) for training, rows in watch.rows if training] == [6, 6, 6, 2] * 2


def test_without_shuffling_samples_come_in_their_order():
    watch = Watch()
    fit(trainer(nl.Sequential(watch, *linear())), epochs=2, batch_size=6, shuffle=False)
    assert watch.passed() == [*X[:, 0]] * 2


def test_targets_stay_with_their_inputs():
    trained = trainer(metrics={"match": lambda y, t: float(np.array_equal(y, t))}, model=nl.Sequential(*linear()))
    trained.model[0].parameters()["weight"].value = [[1.0], [0.0], [0.0]]
    trained.optimizer.lr = 0.0
    history = fit(trained, X, X[:, :1], batch_size=3, validation=0.3)
    assert history["match"] == history["val_match"] == [1.0]


@pytest.mark.parametrize("share", [0.2, 0.33])
def test_a_random_share_is_held_out_the_same_in_every_fit_and_never_learned_from(share):
    watch = Watch()
    trained = trainer(nl.Sequential(watch, *linear()))
    fit(trained, epochs=2, batch_size=4, validation=share)
    del watch.rows[0]  # a look at the samples before the first step
    learned, held_out = set(watch.passed()), set(watch.passed(training=False))
    assert len(held_out) == np.ceil(20 * share)
    assert learned | held_out == set(X[:, 0])
    assert not learned & held_out
    watch.rows.clear()
    fit(trained, batch_size=4, validation=share)
    del watch.rows[0]
    assert set(watch.passed(training=False)) == held_out
    watch.rows.clear()
    fit(trainer(trained.model, seed=1), batch_size=4, validation=share)
    assert set(watch.passed(training=False)) != held_out


def test_a_trainer_has_done_nothing_before_its_first_batch():
    fresh, again = trainer(clip_norm=1), trainer()
    fit(again)
    fit(again, epochs=0)
    for each in (fresh, again):
        assert (each.epochs, each.epoch, each.batch, each.stop) == (0, 0, 0, False)
        assert each.history.columns == ("epoch", "loss", "lr", "seconds")
        assert len(each.history) == 0


def test_a_second_fit_goes_on_with_fresh_orders():
    watch = Watch()
    trained = trainer(nl.Sequential(watch, *linear()))
    fit(trained)
    fit(trained)
    assert watch.passed()[:20] != watch.passed()[20:]


def network():
    return nl.Sequential(nl.Affine(3, 8, rng=0), nl.ReLU(), nl.Dropout(0.3, rng=1), nl.Affine(8, 1, rng=2))


def test_the_same_seed_gives_the_same_bits():
    runs = []
    for seed in (7, 7, np.random.default_rng(7), 8):
        trained = trainer(network(), seed=seed)
        history = fit(trained, epochs=2, batch_size=8, validation=0.2)
        runs.append((values(trained.model), history["loss"], history["val_loss"]))
    assert same_bits(runs[0][0], runs[1][0])
    assert runs[0][1:] == runs[1][1:] == runs[2][1:]
    assert not same_bits(runs[0][0], runs[3][0])


def test_rng_is_another_word_for_seed():
    by_seed, by_rng = trainer(network(), seed=3), trainer(network(), seed=None, rng=3)
    assert fit(by_seed)["loss"] == fit(by_rng)["loss"]


def test_numpys_global_random_state_is_never_touched():
    before = np.random.get_state()  # noqa: NPY002
    trained = trainer(network(), seed=None)
    fit(trained, epochs=2, validation=0.2)
    trained.evaluate(X, T)
    trained.predict(X)
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_inputs_and_targets_stay_as_they_are_also_read_only_ones():
    x, t = X.copy(), T.copy()
    x.flags.writeable = t.flags.writeable = False
    fit(trainer(), x, t, epochs=2, batch_size=6, validation=0.2)
    assert np.array_equal(x, X)
    assert np.array_equal(t, T)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize(("batch_size", "accumulate"), [(1, 10), (2, 5), (5, 2), (3, 4), (8, 2)])
def test_small_batches_that_are_accumulated_equal_one_large_batch(batch_size, accumulate, clip_norm, reduction):
    small, large = (
        trainer(loss=nl.MeanSquaredError(reduction=reduction), lr=0.01, accumulate=k, clip_norm=clip_norm) for k in (accumulate, 1)
    )
    fit(small, epochs=3, batch_size=batch_size)
    fit(large, epochs=3, batch_size=batch_size * accumulate)
    assert small.optimizer.steps == large.optimizer.steps == 6
    for a, b in zip(values(small.model), values(large.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_gradients_longer_than_clip_norm_are_scaled_down_to_it():
    clipped = trainer(lr=1.0, clip_norm=0.01)
    before = values(clipped.model)
    fit(clipped, batch_size=20)
    moved = [a - b for a, b in zip(values(clipped.model), before, strict=True)]
    assert np.sqrt(sum((m**2).sum() for m in moved)) == pytest.approx(0.01, rel=1e-9)


def test_gradients_from_before_do_not_leak_in_and_none_is_left_over():
    fresh, used = trainer(), trainer()
    used.model.forward(X)
    used.model.backward(np.ones((20, 1)))
    fit(fresh)
    fit(used)
    assert same_bits(values(fresh.model), values(used.model))
    assert all(not p.grad.any() for p in used.model.parameters().values())


def test_frozen_parameters_stay_and_collect_no_gradient():
    model = nl.Sequential(nl.Affine(3, 3, rng=0), *linear("float32"))
    frozen = model[0].weight
    frozen.trainable = False
    before = frozen.value.copy()
    fit(trainer(model), epochs=3)
    assert np.array_equal(frozen.value, before)
    assert not frozen.grad.any()


def test_parameters_that_the_optimizer_does_not_hold_stay_and_collect_no_gradient():
    model = nl.Sequential(nl.Affine(3, 3, rng=0), *linear("float32"))
    outside = model[0].parameters()
    before = outside["weight"].value.copy()
    partial = Trainer(model, nl.MeanSquaredError(), nl.SGD(model[1], lr=0.1), seed=0)
    fit(partial, epochs=2)
    assert np.array_equal(outside["weight"].value, before)
    assert all(not p.grad.any() for p in outside.values())


def test_training_runs_in_training_mode_validation_in_evaluation_mode_and_the_modes_come_back():
    watch = Watch()
    model = nl.Sequential(watch, nl.Sequential(nl.Dropout(0.5, rng=0), *linear())).eval()
    model[1].train()
    modes = [layer.training for _, layer in model.walk()]
    fit(trainer(model), batch_size=20, validation=(X, T))
    assert [mode for mode, _ in watch.rows] == [False, False, False, True, False]  # the first three see whether samples and validation fit
    assert [layer.training for _, layer in model.walk()] == modes


def test_a_loss_is_in_training_mode_in_training_alone():
    class Larger(nl.MeanSquaredError):
        def forward(self, *inputs):
            return super().forward(*inputs) + 100 * self.training

    trained = trainer(loss=Larger())
    assert fit(trained)["loss"][0] > 100 > trained.evaluate(X, T)["loss"]


def test_an_epoch_begins_in_training_mode_even_if_a_callback_left_evaluation_mode():
    class Evaluate(Callback):
        def on_epoch_end(self, trainer):
            trainer.model.eval()

    watch = Watch()
    fit(trainer(nl.Sequential(watch, *linear()), callbacks=[Evaluate()]), epochs=2, batch_size=20)
    assert [mode for mode, _ in watch.rows] == [False, True, True]  # the first sees whether the samples fit


def test_predict_is_the_forward_of_all_samples_in_evaluation_mode():
    trained = trainer(network())
    y = trained.predict(X, batch_size=6)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, trained.model.eval().forward(X), rtol=1e-6)


def test_predict_and_evaluate_come_between_forward_and_backward_without_a_trace():
    alone, other = trainer(network()), trainer(network())
    for each in (alone, other):
        each.loss.forward(each.model.forward(X), T.astype(np.float32))
        if each is other:
            each.predict(X[:5])
            each.evaluate(X[:7], T[:7])
        each.model.backward(each.loss.backward())
    assert all(np.array_equal(a.grad, b.grad) for a, b in zip(*(e.model.parameters().values() for e in (alone, other)), strict=True))


def test_predict_keeps_no_caches_also_of_users_layers():
    class Keeper(Layer):
        def forward(self, x):
            self.kept = x
            return x * 1.0

        def backward(self, dout):
            return dout

    model = nl.Sequential(Keeper(), *linear())
    trained = trainer(model)
    before = [dict(vars(layer)) for _, layer in model.walk()]
    trained.predict(X)
    trained.evaluate(X, T)
    assert [dict(vars(layer)) for _, layer in model.walk()] == before


def test_no_more_samples_than_batch_size_are_processed_at_a_time(tmp_path):
    watch = Watch()
    trained = trainer(nl.Sequential(watch, *linear()))
    on_disk = np.memmap(tmp_path / "x", X.dtype, "w+", shape=X.shape)
    on_disk[:] = X

    def sizes(call, *arguments, **options):
        watch.rows.clear()
        result = call(*arguments, **options)
        return [len(rows) for _, rows in watch.rows], result

    assert sizes(trained.evaluate, X, T, batch_size=19)[0] == [19, 1]
    assert sizes(trained.evaluate, X, T, batch_size=1)[0] == [1] * 20
    assert sizes(trained.predict, X, batch_size=1)[0] == [1] * 20
    read, y = sizes(trained.predict, on_disk, batch_size=19)
    assert read == [19, 1]
    for prediction in (y, trained.predict((on_disk,))):
        np.testing.assert_allclose(prediction, trained.predict(X), rtol=1e-12)
    assert sizes(fit, trained, batch_size=19, validation=(X, T))[0][-2:] == [19, 1]
    assert sizes(fit, trained, batch_size=9, validation=0.5)[0][-2:] == [9, 1]
    assert sizes(fit, trained, validation=(X[:1], T[:1]))[0][-1] == 1


def test_predict_of_no_samples_has_no_rows():
    assert trainer().predict(np.zeros((0, 3))).shape == (0, 1)


def test_a_prediction_is_the_callers():
    trained = trainer()
    y = trained.predict(X)
    kept = y.copy()
    trained.predict(X + 1)
    fit(trained)
    assert np.array_equal(y, kept)


def two_inputs():
    a, b = nl.Input("a"), nl.Input("b")
    return nl.Graph(inputs=[a, b], outputs=[nl.Affine(2, 1, rng=0, dtype="float64")(a) + nl.Affine(3, 1, rng=1, dtype="float64")(b)])


def test_a_graph_with_two_inputs_trains_on_a_tuple_of_arrays():
    a = RNG.normal(size=(30, 2))
    b = RNG.normal(size=(30, 3))
    t = a @ [[2.0], [1.0]] - b @ [[1.0], [0.0], [3.0]]
    trained = trainer(two_inputs())
    history = fit(trained, (a, b), t, epochs=60, batch_size=10, validation=0.2)
    assert history["val_loss"][-1] < 1e-6
    np.testing.assert_allclose(trained.predict((a, b), batch_size=7), t, atol=1e-2)
    assert trained.evaluate((a, b), t)["loss"] < 1e-6


def test_a_graph_with_two_outputs_predicts_a_tuple():
    x = nl.Input("x")
    y = nl.Affine(3, 1, rng=0)(x)
    graph = nl.Graph(inputs=[x], outputs=[y, nl.Tanh()(y)])
    first, second = trainer(graph).predict(X, batch_size=6)
    assert first.shape == second.shape == (20, 1)
    np.testing.assert_allclose(second, np.tanh(first), rtol=1e-6)


class Slope(Layer):
    """As a user writes it: plain backward, gradient added by hand."""

    def __init__(self):
        self.weight = Parameter(np.zeros((3, 1)))

    def forward(self, x):
        self.x = x
        return x @ self.weight.value

    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        return dout @ self.weight.value.T


class Squared(Layer):
    """A user's loss."""

    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.difference = y - t
        return (self.difference**2).mean()

    def backward(self, dout=1.0):
        return dout * 2 * self.difference / self.difference.size


@pytest.mark.parametrize("wrap", [lambda layer: layer, nl.Sequential, lambda layer: nl.Sequential(nl.Identity(), layer)])
def test_users_own_layers_and_losses_train_as_ours_do(wrap):
    own, ours = wrap(Slope()), nl.Sequential(nl.Affine(3, 1, bias=False, dtype="float64"))
    ours[0].weight.value = np.zeros((3, 1))
    fit(trainer(own, loss=Squared(), accumulate=2), epochs=5, batch_size=3)
    fit(trainer(ours, accumulate=2), epochs=5, batch_size=3)
    np.testing.assert_allclose(values(own)[0], values(ours)[0], rtol=0, atol=1e-12)


def test_zero_epochs_change_nothing_and_give_an_empty_table():
    trained = trainer()
    before = values(trained.model)
    history = fit(trained, epochs=0, validation=0.5)
    assert len(history) == 0
    assert history["val_loss"] == []
    assert same_bits(values(trained.model), before)


def test_it_trains_in_another_thread_too():
    trained = trainer()
    thread = threading.Thread(target=lambda: fit(trained, epochs=2))
    thread.start()
    thread.join()
    assert len(trained.history) == 2


def test_integer_inputs_reach_the_model_as_they_are():
    class Lookup(Layer):
        def __init__(self):
            self.table = Parameter(np.zeros((4, 1)))

        def forward(self, rows):
            assert rows.dtype == np.int64
            self.rows = rows
            return self.table.value[rows]

        def backward(self, dout):
            np.add.at(self.table.grad, self.rows, dout)

    rows = np.arange(4).repeat(5)
    trained = trainer(Lookup(), lr=0.5)
    fit(trained, rows, rows[:, None] * 1.0, epochs=30, batch_size=4)
    np.testing.assert_allclose(trained.model.table.value[:, 0], [0, 1, 2, 3], atol=0.05)


BAD_FIT = {
    "lengths differ": {"t": T[:19]},
    "lengths of two inputs differ": {"x": (X, X[:19])},
    "no data": {"x": X[:0], "t": T[:0]},
    "single numbers": {"x": 1.0, "t": 2.0},
    "strings": {"x": np.array([["a"] * 3] * 20)},
    "complex": {"x": X + 1j},
    "ragged": {"x": [[1.0], [1.0, 2.0]], "t": [1.0, 2.0]},
    "None": {"x": None},
    "batch size 0": {"batch_size": 0},
    "batch size negative": {"batch_size": -1},
    "batch size fractional": {"batch_size": 2.5},
    "epochs negative": {"epochs": -1},
    "epochs fractional": {"epochs": 1.5},
    "share 0": {"validation": 0.0},
    "share 1": {"validation": 1.0},
    "share above 1": {"validation": 1.5},
    "share negative": {"validation": -0.2},
    "share nan": {"validation": float("nan")},
    "share a word": {"validation": "0.2"},
    "share True": {"validation": True},
    "share that leaves nothing": {"validation": 0.99},
    "validation of three": {"validation": (X, T, X, T)},
    "validation lengths differ": {"validation": (X, T[:3])},
    "validation empty": {"validation": (X[:0], T[:0])},
    "validation of another width": {"validation": (X[:, :2], T)},
    "validation of two inputs": {"validation": ((X, X), T)},
    "width": {"x": X[:, :2]},
    "targets that would broadcast": {"t": T[:, 0]},
}


@pytest.mark.parametrize("name", BAD_FIT)
def test_what_cannot_be_trained_on_is_refused_before_any_step(name, capsys):
    trained = trainer()
    fit(trained)
    before, steps, history = values(trained.model), trained.optimizer.steps, trained.history["loss"]
    with pytest.raises(nl.NetlibError) as caught:
        trained.fit(**{"x": X, "t": T, "epochs": 2, "batch_size": 8, **BAD_FIT[name]})
    assert isinstance(caught.value, ValueError | TypeError)
    assert same_bits(values(trained.model), before)
    assert trained.optimizer.steps == steps
    assert trained.model.training
    assert capsys.readouterr().out == ""
    assert fit(trained)["loss"][0] < history[0]


@pytest.mark.parametrize("bad", [{"x": X[:0], "t": T[:0]}, {"t": T[:3]}, {"batch_size": 0}, {"batch_size": 1.5}])
def test_what_cannot_be_evaluated_or_predicted_is_refused(bad):
    with pytest.raises(nl.NetlibError):
        trainer().evaluate(**{"x": X, "t": T, **bad})
    if "batch_size" in bad:
        with pytest.raises(nl.NetlibError):
            trainer().predict(X, **bad)


MODEL = linear()
LOSS, OPTIMIZER = nl.MeanSquaredError(), nl.SGD(MODEL, lr=0.1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"model": "model"}, InvalidTypeError),
        ({"model": nl.ReLU}, InvalidTypeError),
        ({"model": None}, InvalidTypeError),
        ({"loss": nl.MeanSquaredError}, InvalidTypeError),
        ({"loss": lambda y, t: 0.0}, InvalidTypeError),
        ({"loss": nl.MeanSquaredError(reduction="none")}, InvalidValueError),
        ({"optimizer": nl.SGD}, InvalidTypeError),
        ({"optimizer": 0.1}, InvalidTypeError),
        ({"optimizer": nl.SGD(linear(), lr=0.1)}, InvalidValueError),
        ({"metrics": [nl.accuracy]}, InvalidTypeError),
        ({"metrics": {"accuracy": "accuracy"}}, InvalidTypeError),
        ({"metrics": {"loss": nl.accuracy}}, InvalidValueError),
        ({"metrics": {"val_loss": nl.accuracy}}, InvalidValueError),
        ({"metrics": {1: nl.accuracy}}, InvalidValueError),
        ({"callbacks": [print]}, InvalidTypeError),
        ({"callbacks": 3}, InvalidTypeError),
        ({"callbacks": nl.EarlyStopping}, InvalidTypeError),
        ({"clip_norm": 0}, InvalidValueError),
        ({"clip_norm": -1.0}, InvalidValueError),
        ({"clip_norm": float("nan")}, InvalidValueError),
        ({"clip_norm": "1"}, InvalidTypeError),
        ({"accumulate": 0}, InvalidValueError),
        ({"accumulate": 1.5}, InvalidTypeError),
        ({"seed": "a"}, InvalidTypeError),
        ({"seed": 0, "rng": 0}, InvalidValueError),
    ],
)
def test_a_trainer_of_what_does_not_fit_together_is_refused(arguments, error):
    with pytest.raises(error):
        Trainer(**{"model": MODEL, "loss": LOSS, "optimizer": OPTIMIZER, **arguments})


def test_a_metric_that_gives_no_number_is_named():
    with pytest.raises(ShapeError, match="'difference'"):
        fit(trainer(metrics={"difference": lambda y, t: y - t}))


def test_digits_are_learned():
    x, t = nl.data.digits()
    model = nl.Sequential(nl.Affine(64, 64, rng=0), nl.ReLU(), nl.Affine(64, 10, rng=1))
    trained = Trainer(model, nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=3e-3), metrics={"accuracy": nl.accuracy}, seed=0)
    history = fit(trained, x, t, epochs=15, batch_size=64, validation=0.2)
    assert history["val_accuracy"][-1] > 0.95
    assert history["loss"][-1] < history["loss"][0]
