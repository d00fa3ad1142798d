"""The learning-rate finder."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

import netlib as nl
from netlib import InvalidTypeError, InvalidValueError, NonFiniteError
from netlib.matplotlib_axes import OKABE_ITO
from netlib.training.learning_rates import FEWEST, LearningRates, _Rise
from netlib.training.plateau import ReduceOnPlateau

X = np.linspace(-1, 1, 40)[:, None]


def trainer(make=nl.SGD, **options):
    rng = np.random.default_rng(3)
    model = nl.Sequential(nl.Affine(1, 8, rng=rng), nl.Dropout(0.1, rng=rng), nl.BatchNorm(8), nl.Affine(8, 1, rng=rng))
    return nl.Trainer(model, nl.MeanSquaredError(), make(model), rng=rng, **options)


def test_it_changes_neither_model_nor_optimizer_nor_random_numbers():
    plain, searched = trainer(nl.Adam), trainer(nl.Adam)
    before = np.random.mtrand._rand.get_state(legacy=False)["state"]["key"].copy()
    nl.find_lr(searched, X, 2 * X, batch_size=8, end=1e3)
    np.testing.assert_array_equal(np.random.mtrand._rand.get_state(legacy=False)["state"]["key"], before)
    assert searched.optimizer.lr == plain.optimizer.lr
    histories = [each.fit(X, 2 * X, epochs=3, progress=False)["loss"] for each in (plain, searched)]
    assert histories[0] == histories[1]


def test_the_rates_rise_by_one_factor_and_the_run_ends_where_the_loss_explodes():
    found = nl.find_lr(trainer(), X, 2 * X, batch_size=8, start=1e-3, end=1e6, steps=90)
    np.testing.assert_allclose(np.diff(np.log(found.rates)), np.log(1e9) / 89)
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 90
    assert found.rates[0] == 1e-3
    whole = nl.find_lr(trainer(accumulate=2), X, 2 * X, batch_size=8, start=1e-6, end=1e-3, steps=7)
    assert len(whole.rates) == 7
    assert whole.rates[-1] == pytest.approx(1e-3)


def test_the_suggestion_is_a_tenth_of_the_rate_with_the_least_smoothed_loss():
    found = LearningRates([0.25, 0.5, 1.0], [1.0, 0.0, 2.0])
    np.testing.assert_allclose(found.smoothed, [1, 0.9 / 1.9, (0.9**2 + 2) / (1 + 0.9 + 0.9**2)])
    assert found.suggestion == 0.05
    assert repr(found) == "LearningRates(3 steps from 0.25 to 1, suggestion 0.05)"


def test_the_plot_shows_both_losses_and_the_suggestion():
    ax = LearningRates([0.25, 0.5, 1.0], [1.0, 0.0, 2.0]).plot(ax=Figure().subplots())
    loss, smoothed, suggestion = ax.get_lines()
    assert loss.get_ydata().tolist() == [1, 0, 2]
    assert smoothed.get_ydata()[0] == 1
    assert suggestion.get_xdata()[0] == 0.05
    assert [line.get_color() for line in (loss, smoothed, suggestion)] == [OKABE_ITO[i] for i in (0, 0, 1)]


def test_what_it_cannot_search_is_refused():
    for options in ({"start": 0.0}, {"start": 20.0}, {"steps": 1}, {"end": -1.0}, {"start": 1.0, "end": 1.0}):
        with pytest.raises(InvalidValueError):
            nl.find_lr(trainer(), X, 2 * X, **options)
    with pytest.raises(InvalidTypeError, match="LBFGS"):
        nl.find_lr(trainer(nl.LBFGS), X, 2 * X)
    with pytest.raises(InvalidTypeError, match="Trainer"):
        nl.find_lr(nl.ReLU(), X, X)


def test_batches_and_arrays_on_disk_are_searched_as_arrays_in_memory(tmp_path):
    np.save(tmp_path / "x.npy", X)
    on_disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    rises = {"batch_size": 8, "start": 1e-4, "end": 1e-2, "steps": 12}
    in_memory = nl.find_lr(trainer(), X, 2 * X, **rises)
    assert nl.find_lr(trainer(), on_disk, 2 * X, **rises).losses.tolist() == in_memory.losses.tolist()
    batches = [(X[i : i + 8], 2 * X[i : i + 8]) for i in range(0, 40, 8)]
    del rises["batch_size"]
    for given in (batches, lambda: iter(batches)):
        found = nl.find_lr(trainer(), given, **rises)
        assert found.rates.tolist() == in_memory.rates.tolist()
        assert found.losses[0] == nl.find_lr(trainer(), given, start=1e-4, end=1.0, steps=2).losses[0]
    with pytest.raises(InvalidTypeError, match="can be gone through only once"):
        nl.find_lr(trainer(), iter(batches))


def steps_until_it_stops(losses):
    """Return after how many of these losses a run ends, None if it does not."""
    rise = _Rise(np.geomspace(1e-3, 1.0, 40))
    trainer = SimpleNamespace(optimizer=SimpleNamespace(steps=7, lr=None), batch_loss=None, stop=False)
    rise.on_fit_begin(trainer)
    for n, loss in enumerate(losses):
        assert trainer.optimizer.lr == rise.rates[n]
        trainer.batch_loss = -1e9
        rise.on_batch_end(trainer)  # without a step, as where gradients are accumulated
        trainer.batch_loss = loss
        trainer.optimizer.steps += 1
        rise.on_batch_end(trainer)
        if trainer.stop:
            return n + 1
    return None


def test_a_run_ends_when_the_smoothed_loss_is_4_times_its_least_and_not_before_the_eleventh_step():
    def last_for(level, target):
        """Return the loss after twelve of this level that makes the smoothed loss the target."""
        return (target * (1 - 0.9**13) - 0.9 * level * (1 - 0.9**12)) / 0.1

    assert FEWEST == 10
    assert steps_until_it_stops([1.0] * 12 + [last_for(1, 3.9)]) is None
    assert steps_until_it_stops([1.0] * 12 + [last_for(1, 4.1)]) == 13
    assert steps_until_it_stops([2.0] * 12 + [last_for(2, 7.9)]) is None
    assert steps_until_it_stops([2.0] * 12 + [last_for(2, 8.1)]) == 13
    assert steps_until_it_stops([-1.0] * 12 + [last_for(-1, 1.9)]) is None
    assert steps_until_it_stops([-1.0] * 12 + [last_for(-1, 2.1)]) == 13
    assert steps_until_it_stops([1.0] + [1e6] * 20) == 11
    assert steps_until_it_stops(np.linspace(5, 1, 39)) is None
    assert steps_until_it_stops(np.linspace(5, 1, 40)) == 40


def test_a_loss_that_is_not_finite_ends_the_run_and_is_an_error_only_at_the_first_step(capsys):
    found = nl.find_lr(trainer(), X, 2 * X, batch_size=40, start=1e-3, end=1e300, steps=12)
    assert 1 < len(found.rates) < 12
    assert np.isfinite(found.losses).all()
    with pytest.raises(NonFiniteError):
        nl.find_lr(trainer(), X, np.full_like(X, np.nan))
    assert capsys.readouterr() == ("", "")
    assert len(nl.find_lr(trainer(accumulate=3), X, 2 * X, batch_size=40, end=1e-3, steps=9).rates) == 9


def test_the_defaults_are_those_that_the_reference_tells():
    defaults = {name: each.default for name, each in inspect.signature(nl.find_lr).parameters.items()}
    assert defaults == {"trainer": inspect.Parameter.empty, "x": inspect.Parameter.empty, "t": None, "batch_size": 32,
                        "start": 1e-6, "end": 10.0, "steps": 100}  # fmt: skip
    plateau = ReduceOnPlateau()  # as in PyTorch
    assert (plateau.factor, plateau.patience, plateau.threshold, plateau.cooldown, plateau.min_lr) == (0.1, 10, 1e-4, 0, 0)
