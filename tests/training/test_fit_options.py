"""Which samples are held out, left out or changed, and the callbacks about steps, time and files."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

import netlib as nl
from netlib import InvalidValueError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3)).astype(np.float32)
T = np.repeat([0, 1, 2], [42, 12, 6])


class Log(list):
    """A subclass of list, which a prediction shares with the layer; it copies plain lists."""


class Watch(nl.Identity):
    """Writes down the rows that pass in training, and those in evaluation."""

    def __init__(self):
        self.rows, self.evaluated = Log(), Log()

    def forward(self, x):
        (self.rows if self.training else self.evaluated).append(np.array(x))
        return super().forward(x)


def trainer(callbacks=(), seed=0, model=None, **options):
    model = model or nl.Sequential(Watch(), nl.Affine(3, 3, rng=0))
    return nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.SGD(model, lr=0.1), callbacks=callbacks, seed=seed, **options)


def fit(trained, t=T, **options):
    history = trained.fit(X, t, **{"progress": False, "batch_size": 8} | options)
    return history, getattr(trained.model[0], "rows", None)


def numbers_of(rows):
    """Return the numbers of the samples among X."""
    return [int(np.flatnonzero((row == X).all(axis=1))[0]) for part in rows for row in part]


@pytest.mark.parametrize("t", [T, np.eye(3)[T], T[:, None] > 0])
def test_stratified_validation_holds_out_the_share_of_each_class(t):
    model = nl.Sequential(Watch(), nl.Affine(3, 3 if t.shape[-1] != 1 else 1, rng=0))
    loss = nl.SigmoidCrossEntropy() if t.shape[-1] == 1 else nl.SoftmaxCrossEntropy()
    _, rows = fit(nl.Trainer(model, loss, nl.SGD(model, lr=0.1), seed=0), t, validation=0.25, stratify=True)
    kept = numbers_of(rows)
    assert len(set(kept)) == 45
    classes = T > 0 if t.shape[-1] == 1 else T
    for each in np.unique(classes):
        assert abs(np.sum(classes[kept] == each) - 0.75 * np.sum(classes == each)) < 1


def test_without_shuffle_the_last_part_is_held_out():
    _, rows = fit(trainer(), validation=0.25, shuffle=False)
    assert numbers_of(rows) == list(range(45))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": 0.0}, "validation is 0, expected a share between 0 and 1"),
        ({"validation": 1.0}, "validation is 1, expected a share between 0 and 1"),
        ({"stratify": True}, "stratify needs validation=, a share"),
        ({"stratify": True, "validation": 0.2, "shuffle": False}, "stratify=True with shuffle=False.*Leave stratify out"),
        ({"stratify": True, "validation": 0.2, "t": np.zeros((60, 3))}, r"one class per sample.*\(60, 3\).*validation=\(x, t\)"),
    ],
)
def test_shares_and_stratification_that_cannot_be_are_refused(options, message):
    with pytest.raises(InvalidValueError, match=message):
        fit(trainer(), **options)


def test_drop_last_leaves_out_a_smaller_last_batch_but_not_the_only_one():
    _, rows = fit(trainer(), drop_last=True, epochs=2)
    assert [len(part) for part in rows] == [8] * 14
    _, rows = fit(trainer(), drop_last=True, batch_size=60)
    assert [len(part) for part in rows] == [60]
    _, rows = fit(trainer(), drop_last=True, batch_size=61)
    assert [len(part) for part in rows] == [60]


def test_a_transform_changes_batches_of_training_alone_and_depends_on_seed_epoch_and_batch():
    def shifted(x, t, rng):
        return x + rng.integers(1, 1000, size=(len(x), 1)).astype(np.float32), t

    def seen(seed):
        trained = trainer(seed=seed)
        _, rows = fit(trained, transform=shifted, epochs=2, shuffle=False, validation=(X, T))
        assert max(np.abs(part).max() for part in trained.model[0].evaluated) < 10
        return [(part - X[8 * i : 8 * i + 8])[:, 0].round() for i, part in zip([*range(8)] * 2, rows, strict=True)]

    first, again, other = seen(0), seen(0), seen(1)
    assert all(map(np.array_equal, first, again))
    assert len({part[0] for part in first}) == 16
    assert not any(map(np.array_equal, first, other))


def test_a_transform_that_returns_no_pair_is_named():
    with pytest.raises(TypeError) as caught:
        fit(trainer(), transform=lambda x, t, rng: None)
    assert "must return (x, t)" in caught.value.__notes__[0]


def test_a_callback_may_change_gradients_before_each_step():
    class Double(nl.Callback):
        def on_step_begin(self, trainer):
            for gradient in trainer.optimizer.gradients():
                np.multiply(gradient, 2, out=gradient)

    doubled, plain = trainer([Double()], accumulate=3), trainer(accumulate=3)
    plain.optimizer.lr = 0.2
    for each in (doubled, plain):
        fit(each, epochs=2)
        assert each.optimizer.steps == 6
    np.testing.assert_allclose(doubled.model[1].weight.value, plain.model[1].weight.value, rtol=1e-5)


def test_the_csv_log_can_be_read_after_each_epoch_and_continues_when_training_does(tmp_path):
    path, lengths = tmp_path / "log.csv", []

    def table():
        with open(path, encoding="utf-8") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]

    class Reader(nl.Callback):
        needed_to_resume = False

        def on_epoch_end(self, trainer):
            lengths.append(len(table()))

    def run(epochs, **options):
        trained = trainer([nl.CSVLog(path), Reader(), nl.Checkpoint(tmp_path / "run.npz")], model=nl.Sequential(nl.Affine(3, 3, rng=0)))
        return fit(trained, epochs=epochs, **options)[0]

    run(2)
    history = run(4, resume=tmp_path / "run.npz")
    assert lengths == [1, 2, 3, 4]
    assert table() == list(history)
    run(1)
    assert len(table()) == 1
    with pytest.raises(InvalidValueError, match="there is no folder"):
        fit(trainer([nl.CSVLog(tmp_path / "none" / "log.csv")]))


def test_a_time_limit_ends_training_and_a_resumed_one_goes_on(tmp_path, monkeypatch):
    clock = iter(range(1000, 10**6))
    monkeypatch.setattr(nl.training.time_limit, "perf_counter", lambda: next(clock))

    def run(limit, **options):
        callbacks = [nl.TimeLimit(limit), nl.Checkpoint(tmp_path / "run.npz")]
        return fit(trainer(callbacks, model=nl.Sequential(nl.Affine(3, 3, rng=0))), epochs=3, **options)[0]

    assert len(run(15)) == 2  # 15 is not over 15
    assert len(run(1000, resume=tmp_path / "run.npz")) == 3
    with pytest.raises(InvalidValueError, match="seconds is 0"):
        nl.TimeLimit(0)
    assert nl.TimeLimit(0.5).seconds == 0.5


def test_a_time_limit_lets_training_go_on_only_if_it_has_stopped_it_itself():
    limit, other = nl.TimeLimit(1000), SimpleNamespace(stop=True)
    limit.load_state_dict({"has_stopped": True})  # without a training there is nothing to let go on
    limit.on_fit_begin(other)
    limit.on_batch_end(other)
    assert limit.state_dict() == {"has_stopped": False}
    limit.load_state_dict(limit.state_dict())
    assert other.stop
    limit.load_state_dict({"has_stopped": True})
    assert not other.stop


def test_the_sum_of_histories_numbers_epochs_on_and_has_all_columns():
    trained = trainer()
    first, _ = fit(trained, epochs=2)
    second, _ = fit(trained, epochs=1, validation=0.2)
    both = first + second
    assert both["epoch"] == [1, 2, 3]
    assert both["loss"] == first["loss"] + second["loss"]
    assert np.isnan(both["val_loss"][:2]).all()
    assert both["val_loss"][2:] == second["val_loss"]
    assert (first["epoch"], second["epoch"], (nl.History(["epoch"]) + second)["epoch"]) == ([1, 2], [1], [1])
