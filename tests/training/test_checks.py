"""What cannot work is refused before the first step, with its row; what can hardly work is warned of."""

import warnings
from functools import partial

import numpy as np
import pytest

import netlib as nl

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3))


class Untouched:
    """A trainer, and whether anything moved."""

    def __init__(self, loss, outputs, *last, metrics=None):
        self.model = nl.Sequential(nl.Affine(3, outputs, rng=0), *last)
        self.trainer = nl.Trainer(self.model, loss, nl.Adam(self.model), metrics, seed=0)
        self.before = self.weights()

    def weights(self):
        return [p.value.copy() for p in self.model.parameters().values()]

    def fit(self, x, t, **options):
        return self.trainer.fit(x, t, progress=False, batch_size=4, **options)

    def refuses(self, error, match, x, t, **options):
        with pytest.raises(error, match=match):
            self.fit(x, t, **options)
        assert self.trainer.optimizer.steps == 0
        assert all(map(np.array_equal, self.before, self.weights()))


def spoiled(values, row, value):
    values = values.copy()
    values[row] = value
    return values


CLASSES = np.arange(50) % 3


@pytest.mark.parametrize(
    ("loss", "outputs", "x", "t", "error", "match"),
    [
        (
            nl.SoftmaxCrossEntropy(),
            3,
            X,
            spoiled(CLASSES, 41, 3),
            nl.InvalidValueError,
            "row 41 of the targets: got the label 3, expected 0 to 2",
        ),
        (nl.SoftmaxCrossEntropy(), 3, X, spoiled(CLASSES, 17, -1), nl.InvalidValueError, "row 17 of the targets: got the label -1"),
        (nl.SigmoidCrossEntropy(), 1, X, spoiled(np.ones((50, 1)), 33, 1.5), nl.InvalidValueError, r"row 33 .*outside \[0, 1\]"),
        (nl.Hinge(), 1, X, spoiled(np.ones((50, 1)), 49, 0), nl.InvalidValueError, "row 49 .*other than -1 and"),
        (nl.MeanSquaredError(), 1, spoiled(X, 29, np.nan), np.ones((50, 1)), nl.NonFiniteError, "row 29 of the inputs .*1 of 50 rows"),
        (nl.MeanSquaredError(), 1, X, spoiled(np.ones((50, 1)), 30, np.inf), nl.NonFiniteError, "row 30 of the targets"),
        (nl.SoftmaxCrossEntropy(), 1, X, np.zeros(50, int), nl.ShapeError, "over one class the loss is always 0.*SigmoidCrossEntropy"),
    ],
)
def test_a_bad_row_deep_in_the_data_is_named_before_the_first_step(loss, outputs, x, t, error, match):
    Untouched(loss, outputs).refuses(error, match, x, t)
    if "row" in match:
        good = np.ones((50, 1)) if outputs == 1 else CLASSES
        match = match.replace("the targets", "the validation targets").replace("the inputs", "the validation inputs")
        Untouched(loss, outputs).refuses(error, match, X, good, validation=(x, t))


def test_a_row_far_behind_is_found():
    t = spoiled(np.zeros(10_000, int), 9_999, 7)
    Untouched(nl.SoftmaxCrossEntropy(), 3).refuses(nl.InvalidValueError, "row 9999", RNG.normal(size=(10_000, 3)), t)


@pytest.mark.parametrize(
    ("metrics", "error", "match"),
    [
        ({"nothing": lambda y, t: None}, nl.InvalidTypeError, "the metric 'nothing' returned None.*return"),
        ({"accuracy": nl.accuracy}, nl.InvalidValueError, "multilabel_accuracy"),
        ({"top": nl.top_k_accuracy}, nl.InvalidValueError, "add up to 1"),
    ],
)
def test_metrics_that_cannot_work_are_refused_before_the_first_step(metrics, error, match):
    t = np.ones((50, 2))
    Untouched(nl.SigmoidCrossEntropy(), 2, metrics=metrics).refuses(error, match, X, t)


def test_functions_of_scikit_learn_are_refused_with_an_explanation():
    def r2(y_true, y_pred):
        return 1.0

    for metric in (r2, partial(r2)):
        with pytest.raises(nl.InvalidTypeError, match=r"'r2'.*y_true.*first.*lambda y, t: "):
            Untouched(nl.MeanSquaredError(), 1, metrics={"r2": metric})


def test_a_model_that_copes_with_nan_is_trained_on_it():
    class FillIn(nl.Layer):
        def forward(self, x):
            return np.nan_to_num(x)

        def backward(self, dout):
            return dout

    model = nl.Sequential(FillIn(), nl.Affine(3, 1, rng=0))
    trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.01), seed=0)
    assert np.isfinite(trainer.fit(spoiled(X, 5, np.nan), np.ones((50, 1)), progress=False)["loss"]).all()


ONES = np.ones((50, 1))


@pytest.mark.parametrize(
    ("loss", "last", "outputs", "t", "match"),
    [
        (nl.SoftmaxCrossEntropy(), nl.Softmax(), 3, CLASSES, "applies softmax itself.*Leave Softmax out"),
        (nl.SoftmaxCrossEntropy(), nl.Sigmoid(), 3, CLASSES, "applies softmax itself.*Leave Sigmoid out"),
        (nl.SigmoidCrossEntropy(), nl.Sigmoid(), 1, ONES, "applies sigmoid itself"),
        (nl.SigmoidCrossEntropy(), nl.Softmax(), 3, np.eye(3)[CLASSES], "applies sigmoid itself"),
        (nl.SigmoidCrossEntropy(), nl.LogSigmoid(), 1, ONES, "applies sigmoid itself"),
        (nl.Focal(), nl.Softmax(), 3, CLASSES, "Focal applies softmax itself.*Leave Softmax out"),
        (nl.Focal(), nl.Sigmoid(), 3, CLASSES, "Focal applies softmax itself"),
        (nl.NegativeLogLikelihood(), nl.Softmax(), 3, CLASSES, "takes logarithms of probabilities.*End in LogSoftmax"),
        (nl.NegativeLogLikelihood(), nl.Identity(), 3, CLASSES, "takes logarithms of probabilities.*End in LogSoftmax"),
        (nl.KLDivergence(), nl.Softmax(), 3, np.eye(3)[CLASSES], "takes logarithms of probabilities"),
        (nl.MultiMargin(), nl.Softmax(), 3, CLASSES, "compares scores by a margin.*Leave Softmax out"),
        (nl.MultiMargin(), nl.Hardsigmoid(), 3, CLASSES, "compares scores by a margin"),
        (nl.Hinge(), nl.Sigmoid(), 1, -ONES, "between 0 and 1, but targets go from -1 to -1"),
        (nl.MeanSquaredError(), nl.Softmax(), 1, ONES, "which is always 1"),
        (nl.MeanSquaredError(), nl.Sigmoid(), 1, 30 * ONES, "between 0 and 1, but targets go from 30 to 30"),
        (nl.Huber(), nl.Tanh(), 1, -2 * ONES, "between -1 and 1"),
        (nl.MeanAbsoluteError(), nl.ReLU(), 1, -ONES, "between 0 and inf"),
        (nl.MeanAbsoluteError(), nl.ReLU6(), 1, 7 * ONES, "between 0 and 6"),
    ],
)
def test_a_last_layer_that_keeps_the_loss_from_its_least_is_warned_of(loss, last, outputs, t, match):
    with pytest.warns(UserWarning, match=match) as caught:
        Untouched(loss, outputs, last).fit(X, t)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    graph_input = nl.Input("x")
    model = nl.Graph([graph_input], [last.tied_copy()(nl.Affine(3, outputs, rng=0)(graph_input))])
    with pytest.warns(UserWarning, match=match):
        nl.Trainer(model, loss, nl.SGD(model, lr=0.01), seed=0).fit(X, t, progress=False)


@pytest.mark.parametrize(
    ("loss", "last", "outputs", "t"),
    [
        (nl.SoftmaxCrossEntropy(), nl.LogSoftmax(), 3, CLASSES),  # log-softmax of log-softmax is log-softmax
        (nl.MeanSquaredError(), nl.Sigmoid(), 1, ONES),
        (nl.MeanSquaredError(), nl.Tanh(), 1, -ONES),
        (nl.Focal(), nl.LogSoftmax(), 3, CLASSES),
        (nl.NegativeLogLikelihood(), nl.LogSoftmax(), 3, CLASSES),
        (nl.KLDivergence(), nl.LogSoftmax(), 3, np.eye(3)[CLASSES]),
        (nl.MultiMargin(), nl.ReLU(), 3, CLASSES),
        (nl.BinaryCrossEntropy(), nl.Sigmoid(), 1, ONES),
        (nl.Hinge(), nl.Tanh(), 1, -ONES),
        (nl.SoftmaxCrossEntropy(), nl.ReLU(), 3, CLASSES),
        (nl.MeanSquaredError(), nl.Softmax(), 3, np.eye(3)[CLASSES]),
    ],
)
def test_what_can_work_is_not_warned_of(loss, last, outputs, t):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Untouched(loss, outputs, last).fit(X, t)


@pytest.mark.parametrize(
    ("last", "loss", "threshold"),
    [([nl.Sigmoid()], nl.MeanSquaredError(), 0.5), ([nl.Hardsigmoid()], nl.Huber(), 0.5), ([], nl.SigmoidCrossEntropy(), 0)],
)
def test_the_threshold_of_metrics_is_that_of_the_last_layer(last, loss, threshold):
    t = (X[:, :1] > 0).astype(float)
    metrics = {"accuracy": nl.accuracy, "f1": partial(nl.f1_score, average="macro"), "mine": partial(nl.accuracy, threshold=-9)}
    training = Untouched(loss, 1, *last, metrics=metrics)
    training.trainer.optimizer.lr = 0.0
    history = training.fit(X, t)
    y = training.model.predict(X)
    assert history["accuracy"] == [nl.accuracy(y, t, threshold)] == [float(np.mean((y > threshold) == t))]
    assert history["f1"] == [nl.f1_score(y, t, "macro", threshold)]
    assert history["mine"] == [t.mean()]
    assert training.trainer.evaluate(X, t)["accuracy"] == nl.accuracy(y, t, threshold)


def test_labels_of_their_own_get_the_threshold_too():
    t = (X > 0).astype(float)
    training = Untouched(nl.MeanSquaredError(), 3, nl.Sigmoid(), metrics={"labels": nl.multilabel_accuracy})
    history = training.fit(X, t)
    assert history["labels"][0] > 0


def test_an_optimizer_whose_parameters_are_all_frozen_says_so():
    model = nl.Affine(3, 1, rng=0).freeze()
    optimizer = nl.Adam(model)
    with pytest.warns(UserWarning, match=r"Adam.step: every parameter is frozen. Call unfreeze") as caught:
        optimizer.step()
    assert caught[0].filename == __file__
    model.unfreeze()
    optimizer.step()


def test_the_best_weights_come_back_also_after_an_error():
    class Stop(nl.Callback):
        def on_epoch_end(self, trainer):
            if trainer.epoch == 3:
                trainer.model[0].bias.value[...] = 100
                raise RuntimeError("on purpose")

    training = Untouched(nl.MeanSquaredError(), 1)
    stopping = nl.EarlyStopping("loss")
    training.trainer.callbacks = [stopping, Stop()]
    with pytest.raises(RuntimeError, match="on purpose"):
        training.fit(X, ONES, epochs=5)
    assert stopping.best_epoch == 3
    assert abs(training.model[0].bias.value).max() < 100


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_times_that_the_model_cannot_tell_apart_are_warned_of(dtype):
    times = (1_700_000_000 + np.arange(50))[:, np.newaxis].astype(dtype)
    x = np.hstack([X, times])
    model = nl.Affine(4, 1, rng=0)
    trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.0), seed=0)
    with pytest.warns(UserWarning, match="column 3 of the inputs goes from 1700000000 to 1700000049, .*float32.*Subtract"):
        trainer.fit(x, ONES, progress=False)
    trainer.fit(x - x.mean(axis=0), ONES, progress=False)
    model = nl.Affine(4, 1, rng=0, dtype=np.float64)
    nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.0), seed=0).fit(x, ONES, progress=False)
