"""Sample weights, and several outputs with several targets."""

import numpy as np
import pytest

import netlib as nl
from netlib import InvalidValueError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(23, 3))
T = X @ [[1.0], [-2.0], [0.5]] + 0.3
W = RNG.integers(1, 6, size=23).astype(float)


class Squares(nl.Layer):
    """The weighted mean of squares, as a user writes it."""

    total_weight = 0.0

    def forward(self, y, t, weight=None):
        w = np.ones(len(y)) if weight is None else weight
        self.total_weight = float(w.sum())
        self.dy = 2 * (y - t) * w[:, None] / w.sum()
        return float(np.sum(w[:, None] * (y - t) ** 2) / w.sum())

    def backward(self, dout=1.0):
        return dout * self.dy


class Unweighted(Squares):
    """A user's loss that does not tell its weight."""

    total_weight = None

    def forward(self, y, t, weight=None):
        value = super().forward(y, t, weight)
        self.total_weight = None
        return value


def trainer(loss=None, lr=0.05, **options):
    model = nl.Sequential(nl.Affine(3, 1, rng=0, dtype="float64"))
    return nl.Trainer(model, loss or Squares(), nl.SGD(model, lr=lr), seed=0, **options)


def weights_of(trained):
    return np.concatenate([p.value.ravel() for p in trained.model.parameters().values()])


@pytest.mark.parametrize("loss", [Squares, Unweighted, nl.MeanSquaredError])
def test_accumulated_batches_with_weights_are_one_large_batch_with_those_weights(loss):
    small, large = trainer(loss(), accumulate=3), trainer(loss())
    for each, size in [(small, 4), (large, 12)]:
        each.fit(X, T, epochs=2, batch_size=size, shuffle=False, progress=False, sample_weight=W)
    np.testing.assert_allclose(weights_of(small), weights_of(large), rtol=1e-13)
    w, b = (p.value.copy() for p in trainer().model.parameters().values())
    for _ in range(2):
        for rows in (slice(0, 12), slice(12, 23)):
            dy = 2 * (X[rows] @ w + b - T[rows]) * W[rows, None] / W[rows].sum()
            w, b = w - 0.05 * X[rows].T @ dy, b - 0.05 * dy.sum(axis=0)
    np.testing.assert_allclose(weights_of(large), np.concatenate([w.ravel(), b]), rtol=1e-12)


def test_a_whole_weight_counts_as_many_samples():
    repeated = np.repeat(np.arange(23), W.astype(int))
    weighted, plain = trainer(), trainer(nl.MeanSquaredError())
    first = weighted.fit(X, T, epochs=3, batch_size=23, shuffle=False, progress=False, sample_weight=W)
    second = plain.fit(X[repeated], T[repeated], epochs=3, batch_size=1000, shuffle=False, progress=False)
    np.testing.assert_allclose(weights_of(weighted), weights_of(plain), rtol=1e-12)
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-12)


def test_losses_of_training_validation_and_evaluation_are_means_over_the_weight_of_all_samples():
    still = trainer(lr=0.0)
    expected = np.average((still.model.forward(X) - T).ravel() ** 2, weights=W)
    history = still.fit(X, T, batch_size=5, progress=False, sample_weight=W, validation=(X, T, W))
    assert [*history["loss"], *history["val_loss"]] == pytest.approx([expected] * 2, rel=1e-12)
    assert still.evaluate(X, T, batch_size=4, sample_weight=W)["loss"] == pytest.approx(expected, rel=1e-12)


def test_weights_are_shuffled_and_held_out_with_their_samples():
    seen = []

    class Watching(Squares):
        def forward(self, y, t, weight=None):
            if weight is not None:
                seen.extend(zip(t.ravel().tolist(), weight.tolist(), strict=True))
            return super().forward(y, t, weight)

    pairs = dict(zip(T.ravel().tolist(), W.tolist(), strict=True))
    trainer(Watching()).fit(X, T, epochs=2, batch_size=4, validation=0.3, progress=False, sample_weight=W)
    assert len({t for t, _ in seen}) == 23
    assert all(pairs[t] == w for t, w in seen)


def test_a_row_without_weight_may_hold_nan():
    t = T.copy()
    t[3] = np.nan
    with pytest.raises(nl.NonFiniteError, match="row 3 of the targets"):
        trainer(nl.MeanSquaredError()).fit(X, t, progress=False)

    class Skipping(Squares):
        def forward(self, y, t, weight=None):
            return super().forward(y, np.where(weight[:, None] > 0, t, y), weight)

    history = trainer(Skipping()).fit(X, t, progress=False, sample_weight=np.where(np.arange(23) == 3, 0.0, W))
    assert np.isfinite(history["loss"]).all()


def test_a_tuple_of_targets_goes_to_the_loss_after_the_outputs():
    x = nl.Input("X")
    a, b = nl.Affine(3, 1, rng=0, dtype="float64")(x), nl.Affine(3, 2, rng=1, dtype="float64")(x)
    model = nl.Graph([x], [a, b])
    second = X[:, :2] - X[:, 1:]

    class Sum(nl.Layer):
        def __init__(self):
            self.first, self.second = nl.MeanSquaredError(), nl.MeanSquaredError()

        def forward(self, a, b, s, t):
            return self.first.forward(a, s) + 2 * self.second.forward(b, t)

        def backward(self, dout=1.0):
            return self.first.backward(dout), self.second.backward(2 * dout)

    both = nl.Trainer(model, Sum(), nl.SGD(model, lr=0.1), metrics={"r2": lambda y, t: nl.r2_score(y[1], t[1])}, seed=0)
    history = both.fit(X, (T, second), epochs=150, batch_size=6, validation=(X, (T, second)), progress=False)
    assert history["loss"][-1] < 1e-6
    assert history["val_r2"][-1] > 0.999
    assert both.evaluate(X, (T, second))["loss"] == pytest.approx(history["val_loss"][-1])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"t": (T, T)}, InvalidValueError, r"got 2 targets, but MeanSquaredError takes 1.*Graph of losses"),
        ({"t": (T, T[:3])}, ShapeError, "equally many rows"),
        ({"sample_weight": W[:3]}, ShapeError, "equally many rows"),
        ({"validation": (X, (T, T))}, ShapeError, "validation has 2 targets, expected 1"),
    ],
)
def test_targets_and_weights_that_do_not_fit_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        trainer(nl.MeanSquaredError()).fit(**{"x": X, "t": T, "progress": False} | options)


@pytest.mark.parametrize("loss", [nl.MeanSquaredError, lambda: nl.MeanSquaredError("sum")])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_batch_without_any_weight_adds_nothing(loss, accumulate):
    weight = W.copy()
    weight[4:8] = 0  # the whole second batch
    spoiled = np.where(weight[:, None] == 0, 1e30, T)
    histories, trained = [], []
    for t in (T, spoiled):
        each = trainer(loss(), lr=0.01, accumulate=accumulate, metrics={"n": lambda y, t: len(y)})
        histories.append(each.fit(X, t, epochs=2, batch_size=4, shuffle=False, progress=False, sample_weight=weight))
        trained.append(weights_of(each))
    assert trained[0].tolist() == trained[1].tolist()
    assert histories[0]["loss"] == histories[1]["loss"]
    assert histories[0]["n"] == [23, 23]
    alone = trainer(loss(), lr=0.01)
    alone.fit(X[:4], T[:4], epochs=1, batch_size=4, shuffle=False, progress=False, sample_weight=weight[:4])
    both = trainer(loss(), lr=0.01)
    both.fit(X[:8], T[:8], epochs=1, batch_size=4, shuffle=False, progress=False, sample_weight=weight[:8])
    assert weights_of(alone).tolist() == weights_of(both).tolist()  # its step has a gradient of zeros
    assert alone.evaluate(X[:8], T[:8], batch_size=4, sample_weight=weight[:8]) == alone.evaluate(X[:4], T[:4], sample_weight=weight[:4])


def test_a_batch_whose_labels_are_all_ignored_adds_nothing_and_the_other_losses_of_a_graph_still_count():
    labels, x = np.array([0, 1, 9, 9, 1, 0]), X[:6]
    y, t, s, u = (nl.Input(name) for name in "ytsu")
    loss = nl.Graph([y, s, t, u], [nl.SoftmaxCrossEntropy(ignore_index=9)(y, t, name="class") + nl.MeanSquaredError()(s, u, name="size")])
    image = nl.Input("x")
    model = nl.Graph([image], [nl.Affine(3, 2, rng=0)(image), nl.Affine(3, 1, rng=1)(image)])
    fitted = nl.Trainer(model, loss, nl.SGD(model, lr=0.1), seed=0)
    history = fitted.fit(x, (labels, T[:6]), epochs=2, batch_size=2, shuffle=False, progress=False)
    assert np.isfinite([*history["class"], *history["size"], *history["loss"]]).all()
    fitted.fit(x[2:4], (labels[2:4], T[2:4]), epochs=1, batch_size=2, progress=False)
    assert np.isnan(fitted.history["class"][0])
    assert np.isfinite(fitted.history["size"][0])


def test_training_in_which_nothing_counts_at_all_is_refused():
    for call in (trainer(nl.MeanSquaredError()).fit, trainer(nl.MeanSquaredError()).evaluate):
        with pytest.raises(InvalidValueError, match="nothing counts in any batch"):
            call(X, T, sample_weight=0 * W)
    with pytest.raises(InvalidValueError, match="all weights are 0"):
        nl.MeanSquaredError().forward(T, T, 0 * W)
