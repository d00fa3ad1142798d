"""nl.sklearn's estimators keep scikit-learn's rules, and learn what its own MLP learns."""

import pickle
import signal
from unittest import SkipTest

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, make_classification, make_friedman1, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import estimator_checks_generator

import netlib as nl
from netlib.sklearn import Classifier, Regressor, samples
from netlib.sklearn.convergence import Convergence

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def model_of_layers(features, outputs, rng):
    return nl.Sequential(nl.Affine(features, 40, rng=rng, dtype="float64"), nl.ReLU(), nl.Affine(40, outputs, rng=rng, dtype="float64"))


THEIRS = {Classifier: MLPClassifier, Regressor: MLPRegressor}


@pytest.mark.parametrize("ours", [Classifier, Regressor])
@pytest.mark.parametrize(
    ("arguments", "every"),
    [
        ({}, 10),
        pytest.param({}, 1, marks=pytest.mark.sweep),
        pytest.param({"model": model_of_layers, "learning_rate_init": 0.01, "n_iter_no_change": 4}, 1, marks=pytest.mark.exhaustive),
    ],
)
@pytest.mark.filterwarnings("ignore")  # what scikit-learn's checks ignore themselves in part
def test_check_estimator_passes_and_skips_only_what_it_skips_for_their_mlp(ours, arguments, every):
    skipped = []
    checks = [check for _, check in estimator_checks_generator(ours(**arguments))][::every]
    assert len(checks) >= 60 // every
    for check in checks:
        try:
            check(ours(**arguments))
        except SkipTest:
            skipped.append(check)
    for check in skipped:
        with pytest.raises(SkipTest):
            check(THEIRS[ours]())


def starting_from(theirs, X, y):
    """Return a function that makes the network that their MLP begins with."""
    untouched = clone(theirs).set_params(solver="sgd", learning_rate_init=1e-300, max_iter=1).fit(X, y)

    def make(features, outputs, rng):
        model = nl.Sequential()
        for weight, bias in zip(untouched.coefs_, untouched.intercepts_, strict=True):
            if len(model):
                model.append(nl.ReLU())
            model.append(nl.Affine.from_arrays(weight, bias))
        return model

    return make


DATA = {
    "two classes": (Classifier, *make_classification(50, 5, random_state=0)),
    "three classes": (Classifier, *make_classification(50, 5, n_classes=3, n_informative=4, n_redundant=0, random_state=0)),
    "several labels": (Classifier, *make_multilabel_classification(50, 5, n_classes=3, random_state=0)),
    "one output": (Regressor, *make_friedman1(50, random_state=0)),
    "two outputs": (Regressor, *(lambda X, y: (X, np.stack([y, X[:, 0]], axis=1)))(*make_friedman1(50, random_state=0))),
}


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("settings", [{"batch_size": 20, "alpha": 1.0}, {"alpha": 0.1, "weighted": True}])
def test_from_the_same_weights_each_epoch_gives_the_numbers_of_their_mlp(name, solver, settings):
    ours, X, y = DATA[name]
    settings = dict(settings)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X)) if settings.pop("weighted", False) else None
    common = settings | {"hidden_layer_sizes": (7,), "solver": solver, "max_iter": 30, "shuffle": False, "random_state": 0}
    theirs = THEIRS[ours](**common)
    mine = ours(**common, model=starting_from(theirs, X, y)).fit(X, y, weight)
    theirs.fit(X, y, weight)
    exact = {"rtol": 1e-9, "atol": 1e-9} if solver == "sgd" else {"rtol": 1e-5, "atol": 1e-5}  # their epsilon is scaled
    if name != "two outputs":  # their loss is the mean over outputs, though their gradient is that of the sum
        np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, **exact)
    method = "predict" if ours is Regressor else "predict_proba"
    np.testing.assert_allclose(getattr(mine, method)(X), getattr(theirs, method)(X), **exact)
    np.testing.assert_array_equal(mine.predict(X) if ours is Classifier else 0, theirs.predict(X) if ours is Classifier else 0)


@pytest.mark.parametrize("tol", [1e-1, 1e-2])
def test_training_ends_in_the_epoch_in_which_theirs_ends(tol):
    _, X, y = DATA["two classes"]
    theirs = MLPClassifier((7,), tol=tol, n_iter_no_change=3, shuffle=False, random_state=0, learning_rate_init=0.05)
    mine = Classifier(model=starting_from(theirs, X, y), tol=tol, n_iter_no_change=3, shuffle=False, learning_rate_init=0.05).fit(X, y)
    theirs.fit(X, y)
    assert 3 < mine.n_iter_ == theirs.n_iter_ < 200
    assert mine.best_loss_ == pytest.approx(theirs.best_loss_, rel=1e-4)


@pytest.mark.exhaustive
def test_the_accuracy_is_within_a_point_of_their_mlp():
    X, y = load_breast_cancer(return_X_y=True)
    pipelines = [make_pipeline(StandardScaler(), kind(random_state=0)) for kind in (Classifier, MLPClassifier)]
    mine, theirs = (cross_val_score(pipeline, X, y, cv=3).mean() for pipeline in pipelines)
    assert mine > max(theirs - 0.01, 0.95)


@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "identity"])
def test_weights_and_biases_begin_between_the_same_bounds(activation):
    X, y = make_friedman1(5, n_features=200, random_state=0)
    settings = {"hidden_layer_sizes": (300,), "activation": activation, "solver": "sgd", "learning_rate_init": 1e-300, "max_iter": 1}
    theirs, first = MLPRegressor(**settings, random_state=0).fit(X, y), Regressor(**settings, random_state=0).fit(X, y).model_[0]
    for mine, other in ((first.weight.value, theirs.coefs_[0]), (first.bias.value, theirs.intercepts_[0])):
        assert np.abs(mine).max() == pytest.approx(np.abs(other).max(), rel=0.02)
        assert mine.std() == pytest.approx(other.std(), rel=0.1)


@pytest.mark.parametrize("classes", [["b", "a"], ["no", "maybe", "yes"], [True, False], [3, -1, 2], np.array(["x", "y"], object)])
def test_classes_of_any_type_come_back(classes):
    _, X, _ = DATA["two classes"]
    y = np.array(classes)[np.arange(len(X)) % len(classes)]
    classifier = Classifier(20, learning_rate_init=0.05, random_state=0).fit(X, y)
    assert classifier.classes_.tolist() == sorted(classes)
    assert classifier.predict(X).dtype == y.dtype
    assert classifier.score(X, y) > 0.9
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == (len(X), len(classes))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(classifier.classes_[probabilities.argmax(axis=1)], classifier.predict(X))
    np.testing.assert_allclose(np.exp(classifier.predict_log_proba(X)), probabilities)
    decision = classifier.decision_function(X)
    expected = (decision > 0).astype(int) if len(classes) == 2 else decision.argmax(axis=1)
    np.testing.assert_array_equal(classifier.classes_[expected], classifier.predict(X))


def test_a_single_class_is_predicted_with_certainty():
    classifier = Classifier(3, max_iter=1).fit([[0.0], [1.0]], ["only", "only"])
    assert classifier.predict([[5.0]]).tolist() == ["only"]
    assert classifier.predict_proba([[5.0]]).tolist() == [[1.0]]


def test_logarithms_of_probabilities_are_finite_where_the_probabilities_are_zero():
    classifier = Classifier((), max_iter=1, random_state=0).fit([[-1.0], [1.0]], [0, 1])
    classifier.model_[0].weight.value, classifier.model_[0].bias.value = [[1.0]], [0.0]
    assert classifier.predict_log_proba([[-1000.0]]).tolist() == [[0.0, -1000.0]]


def test_a_weight_counts_as_copies_and_zero_as_absence():
    _, X, y = DATA["one output"]
    counts = np.arange(len(X)) % 4
    settings = {"hidden_layer_sizes": 8, "random_state": 0, "max_iter": 50, "shuffle": False}
    weighted, repeated = Regressor(**settings).fit(X, y, counts), Regressor(**settings).fit(X.repeat(counts, axis=0), y.repeat(counts))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-9)
    kept = Regressor(**settings).fit(X[counts > 0], y[counts > 0])
    np.testing.assert_array_equal(Regressor(**settings).fit(X, y, counts > 0).predict(X), kept.predict(X))


@pytest.mark.parametrize("class_weight", ["balanced", {0: 5.0, 1: 0.5}])
def test_a_weight_of_a_class_is_the_weight_of_its_samples(class_weight):
    _, X, y = DATA["two classes"]
    by_class = Classifier(8, class_weight=class_weight, random_state=0, max_iter=20).fit(X, y)
    by_sample = Classifier(8, random_state=0, max_iter=20).fit(X, y, compute_sample_weight(class_weight, y))
    np.testing.assert_array_equal(by_class.predict_proba(X), by_sample.predict_proba(X))


@pytest.mark.parametrize("name", ["three classes", "two outputs"])
def test_partial_fit_goes_on_with_the_optimizer_also_after_a_pickle(name):
    ours, X, y = DATA[name]
    settings = {"hidden_layer_sizes": 8, "random_state": 0, "shuffle": False, "batch_size": 20, "max_iter": 6}
    first = {"classes": [0, 1, 2]} if ours is Classifier else {}
    in_parts = ours(**settings)
    for _ in range(3):
        in_parts.partial_fit(X, y, **(first if not hasattr(in_parts, "model_") else {}))
    in_parts = pickle.loads(pickle.dumps(in_parts))
    for _ in range(3):
        in_parts.partial_fit(X, y)
    whole = ours(**settings).fit(X, y)
    assert in_parts.loss_curve_ == whole.loss_curve_
    assert (in_parts.n_iter_, whole.n_iter_) == (1, 6)
    np.testing.assert_array_equal(in_parts.predict(X), whole.predict(X))


def test_a_warm_start_goes_on_and_a_cold_one_begins_anew():
    _, X, y = DATA["two classes"]
    classifier = Classifier(8, warm_start=True, max_iter=5, random_state=0).fit(X, y).fit(X, y)
    assert len(classifier.loss_curve_) == 10
    assert classifier.loss_curve_ == sorted(classifier.loss_curve_, reverse=True)
    model = classifier.model_
    with pytest.raises(ValueError, match="unseen"):
        classifier.fit(X, y + 1)
    assert classifier.model_ is model
    assert len(classifier.set_params(warm_start=False).fit(X, y + 1).loss_curve_) == 5
    assert classifier.classes_.tolist() == [1, 2]


def test_early_stopping_scores_each_epoch_on_samples_held_out():
    _, X, y = DATA["three classes"]
    classifier = Classifier(8, early_stopping=True, validation_fraction=0.2, n_iter_no_change=3, random_state=0).fit(X, y)
    assert len(classifier.validation_scores_) == classifier.n_iter_ == len(classifier.loss_curve_) < 200
    assert classifier.best_validation_score_ == max(classifier.validation_scores_)
    assert {round(score * 10, 9) % 1 for score in classifier.validation_scores_} == {0}  # of 10 samples
    assert classifier.best_loss_ is None


def test_the_weights_of_the_best_score_are_restored():
    model, scores, seen = nl.Sequential(nl.Affine(1, 1, rng=0)), iter([1.0, 3.0, 2.0, 2.5]), []

    def score():
        seen.append(model[0].weight.value.copy())
        return next(scores)

    convergence = Convergence(tol=0.0, patience=10, score=score)
    trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1), callbacks=[convergence], seed=0)
    trainer.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=4, progress=False)
    assert model[0].weight.value == seen[1] != seen[3]
    assert convergence.scores == [1.0, 3.0, 2.0, 2.5]


def test_the_dtype_is_that_of_x():
    _, X, y = DATA["three classes"]
    for dtype in ("float32", "float64"):
        classifier = Classifier(8, max_iter=2).fit(X.astype(dtype), y)
        assert {each.dtype.name for each in classifier.model_.parameters().values()} == {dtype}
        assert classifier.predict_proba(X.astype(dtype)).dtype == dtype


@pytest.mark.parametrize("state", [lambda: 3, lambda: np.random.RandomState(3)])
def test_the_same_random_state_gives_the_same_bits(state):
    _, X, y = DATA["one output"]
    a, b = (Regressor(8, random_state=state(), batch_size=7, max_iter=5).fit(X, y).predict(X) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, Regressor(8, random_state=4, batch_size=7, max_iter=5).fit(X, y).predict(X))


def test_a_data_frame_gives_the_names_of_features():
    X, y = make_friedman1(30, random_state=0)
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(10)])
    regressor = Regressor(4, max_iter=2).fit(frame, pd.Series(y))
    assert regressor.feature_names_in_.tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        regressor.predict(frame[frame.columns[::-1]])


def test_a_sparse_matrix_gives_what_the_dense_one_gives_also_if_it_is_too_large_to_be_dense(monkeypatch):
    _, X, y = DATA["three classes"]
    X = X * (np.abs(X) > 1)
    settings = {"hidden_layer_sizes": 8, "random_state": 0, "max_iter": 3, "batch_size": 20, "early_stopping": True}
    expected = Classifier(**settings).fit(X, y).predict_proba(X)
    for size in (samples.DENSE_BYTES, 0):
        monkeypatch.setattr(samples, "DENSE_BYTES", size)
        monkeypatch.setattr(samples, "ROWS", 30)
        classifier = Classifier(**settings).fit(csr_array(X), y)
        np.testing.assert_allclose(classifier.predict_proba(csr_array(X)), expected, rtol=1e-12)


def test_a_function_makes_the_model_which_can_be_saved_drawn_and_checked(tmp_path):
    _, X, y = DATA["three classes"]
    asked = []

    def make(features, outputs, rng):
        asked.append((features, outputs))
        return nl.Sequential(nl.Affine(features, 6, rng=rng), nl.BatchNorm(6), nl.GELU(), nl.Affine(6, outputs, rng=rng))

    classifier = Classifier(model=make, solver=nl.RAdam, learning_rate_init=0.01, random_state=0, batch_size=7).fit(X, y)
    assert asked == [(5, 3)]
    assert classifier.score(X, y) > 0.8
    nl.save(classifier.model_, tmp_path / "model.npz")
    np.testing.assert_array_equal(nl.load(tmp_path / "model.npz").predict(X), classifier.decision_function(X))
    assert "BatchNorm" in nl.draw(classifier.model_, X[:2]).svg
    assert classifier.history_["loss"] == classifier.loss_curve_


def test_all_parameters_but_biases_are_penalized():
    _, X, y = DATA["one output"]
    regressor = Regressor(3, alpha=1.0, max_iter=1, random_state=0, learning_rate_init=1e-300).fit(X, y)
    first, _, last = regressor.model_
    squares = np.square(first.weight.value).sum() + np.square(last.weight.value).sum()
    half_error = np.square(regressor.predict(X) - y).mean() / 2
    assert regressor.loss_ == pytest.approx(half_error + squares / 2 / len(X), rel=1e-12)


def test_an_estimator_shows_itself_and_is_cloned_with_its_arguments():
    classifier = Classifier((4, 2), activation=nl.GELU, alpha=0.5)
    assert "Classifier" in classifier._repr_html_()
    assert clone(classifier).get_params() == classifier.get_params()
    assert repr(Regressor(alpha=0.5)) == "Regressor(alpha=0.5)"
    with pytest.raises(NotFittedError):
        classifier.predict([[0.0]])


def test_reaching_the_last_epoch_warns_and_verbose_prints(capsys):
    _, X, y = DATA["one output"]
    with pytest.warns(ConvergenceWarning, match="2"):
        Regressor(3, max_iter=2, verbose=True).fit(X, y)
    assert capsys.readouterr().out.count("epoch") == 2


def test_ctrl_c_ends_training_and_leaves_a_fitted_estimator():
    _, X, y = DATA["one output"]

    class Interrupted(nl.SGD):
        def step(self):
            super().step()
            if self.steps == 3:
                signal.raise_signal(signal.SIGINT)

    regressor = Regressor(3, solver=Interrupted, max_iter=10, random_state=0)
    with pytest.warns(UserWarning, match="interrupted") as caught:
        regressor.fit(X, y)
    assert len(caught) == 1  # and no ConvergenceWarning
    assert regressor.n_iter_ == len(regressor.loss_curve_) == 3
    assert regressor.predict(X).shape == y.shape


def ends_in(n):
    return lambda features, outputs, rng: nl.Sequential(nl.Affine(features, n))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"hidden_layer_sizes": (3, 0)}, ["Classifier", "hidden_layer_sizes", "0"]),
        ({"hidden_layer_sizes": "3"}, ["Classifier", "hidden_layer_sizes", "'3'"]),
        ({"activation": "swish"}, ["activation", "'swish'", "'relu'"]),
        ({"activation": 3}, ["activation", "3"]),
        ({"solver": "adamw"}, ["solver", "'adamw'", "'lbfgs'"]),
        ({"alpha": -1}, ["alpha", "-1"]),
        ({"batch_size": 0}, ["batch_size", "0"]),
        ({"batch_size": "all"}, ["batch_size", "'all'"]),
        ({"max_iter": 0}, ["max_iter", "0"]),
        ({"tol": -1.0}, ["tol", "-1"]),
        ({"n_iter_no_change": 0.5}, ["n_iter_no_change", "0.5"]),
        ({"early_stopping": True, "validation_fraction": 1.5}, ["validation_fraction", "1.5"]),
        ({"learning_rate_init": -1.0}, ["lr", "-1"]),
        ({"model": nl.ReLU()}, ["model", "ReLU", "function"]),
        ({"model": lambda features, outputs, rng: None}, ["model", "NoneType", "return"]),
        ({"model": lambda features, outputs, rng: nl.ReLU()}, ["model", "without parameters"]),
        ({"model": ends_in(4)}, ["model", "(2, 4)", "(2, 3)"]),
    ],
)
def test_a_wrong_argument_is_named_and_the_estimator_stays_as_it_was(arguments, words):
    _, X, y = DATA["three classes"]
    classifier = Classifier(4, max_iter=1).fit(X, y)
    before = dict(vars(classifier.set_params(**arguments)))
    with pytest.raises(nl.NetlibError) as error:
        classifier.fit(X[:, :4], y)
    assert [word for word in words if word not in str(error.value)] == []
    assert vars(classifier) == before
    fresh = Classifier(**arguments)
    with pytest.raises(nl.NetlibError):
        fresh.fit(X, y)
    assert vars(fresh) == vars(Classifier(**arguments)) | arguments


def test_what_partial_fit_cannot_do_is_refused():
    _, X, y = DATA["three classes"]
    for arguments, message in [
        ({"class_weight": "balanced"}, "class_weight='balanced'"),
        ({"early_stopping": True}, "early_stopping"),
        ({"solver": "lbfgs"}, "lbfgs"),
    ]:
        with pytest.raises(nl.InvalidValueError, match=message):
            Classifier(**arguments).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(nl.InvalidValueError, match="classes="):
        Classifier().partial_fit(X, y)
    classifier = Classifier(3).partial_fit(X, y, classes=[0, 1, 2, 3])
    with pytest.raises(nl.InvalidValueError, match="first call"):
        classifier.partial_fit(X, y, classes=[0, 1, 2])


def test_targets_that_no_network_here_learns_are_refused():
    _, X, y = DATA["three classes"]
    with pytest.raises(nl.InvalidValueError, match="several classes in each column"):
        Classifier().fit(X, np.stack([y, y], axis=1))
    with pytest.raises(nl.InvalidValueError, match="weight 0"):
        Classifier(class_weight={0: 0, 1: 0, 2: 0}).fit(X, y)
    with pytest.raises(nl.InvalidValueError, match="was fitted to"):
        Classifier(3, max_iter=1, warm_start=True).fit(X, y).fit(X, np.eye(3, dtype=int)[y])
