"""Hooks, and stopping early with the best weights."""

import numpy as np
import pytest

import netlib as nl
from netlib import InvalidTypeError, InvalidValueError, MissingError
from netlib.training import Callback, EarlyStopping, Trainer

X = np.linspace(-1, 1, 20)[:, None]


def trainer(*callbacks, **options):
    model = nl.Sequential(nl.Affine(1, 1, rng=0, dtype="float64"))
    return Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1), callbacks=callbacks, seed=0, **options)


def fit(of, **options):
    return of.fit(X, 2 * X, **{"batch_size": 5, "progress": False, **options})


class Diary(Callback):
    def __init__(self):
        self.lines = []

    def on_fit_begin(self, trainer):
        self.lines.append(f"begin {trainer.epochs} {len(trainer.history)}")

    def on_batch_end(self, trainer):
        self.lines.append(f"batch {trainer.epoch}.{trainer.batch} steps {trainer.optimizer.steps}")
        assert np.isfinite(trainer.batch_loss)

    def on_epoch_end(self, trainer):
        self.lines.append(f"epoch {trainer.epoch} rows {len(trainer.history)}")

    def on_fit_end(self, trainer):
        self.lines.append("end")


def test_hooks_are_called_at_the_turning_points():
    diary = Diary()
    fit(trainer(diary), epochs=2, batch_size=10)
    assert diary.lines == [
        "begin 2 0",
        *("batch 1.1 steps 1", "batch 1.2 steps 2", "epoch 1 rows 1"),
        *("batch 2.1 steps 3", "batch 2.2 steps 4", "epoch 2 rows 2"),
        "end",
    ]


def test_with_accumulation_a_step_comes_after_so_many_batches_and_after_the_last():
    diary = Diary()
    fit(trainer(diary, accumulate=3))
    assert [line.split()[-1] for line in diary.lines[1:5]] == ["0", "0", "1", "2"]


class StopAt(Callback):
    def __init__(self, epoch, batch=None):
        self.epoch, self.batch = epoch, batch

    def on_batch_end(self, trainer):
        if (trainer.epoch, trainer.batch) == (self.epoch, self.batch):
            trainer.stop = True

    def on_epoch_end(self, trainer):
        if self.batch is None and trainer.epoch == self.epoch:
            trainer.stop = True


def test_a_callback_ends_training_after_the_epoch():
    history = fit(trainer(StopAt(2)), epochs=5)
    assert history["epoch"] == [1, 2]
    assert not history.interrupted


def test_a_callback_ends_training_after_the_batch_and_an_epoch_that_is_not_completed_has_no_row():
    diary = Diary()
    history = fit(trainer(StopAt(2, batch=3), diary), epochs=5)
    assert history["epoch"] == [1]
    assert diary.lines[-2:] == ["batch 2.3 steps 7", "end"]


def test_a_batch_whose_step_was_not_yet_due_is_forgotten():
    stopped = trainer(StopAt(1, batch=3), accumulate=2)
    fit(stopped)
    assert stopped.optimizer.steps == 1
    assert all(not p.grad.any() for p in stopped.model.parameters().values())


def test_a_fit_after_one_that_was_stopped_runs_on():
    stopped = trainer(StopAt(1))
    assert len(fit(stopped, epochs=3)) == 1
    stopped.callbacks.clear()
    assert len(fit(stopped, epochs=3)) == 3


class Walk(Callback):
    """Moves the weight along a given path, one value an epoch, so that every measure is known."""

    def __init__(self, path):
        self.path = path

    def on_batch_end(self, trainer):
        trainer.model[0].weight.value = [[self.path[trainer.epoch - 1]]]
        trainer.model[0].bias.value = [0.0]


def walk(path, epochs=None, **options):
    """Train along the path, where 2 is best; return the trainer, the stopping, the history."""
    stopping = EarlyStopping(**options)
    walking = trainer(Walk(path), stopping)
    history = fit(walking, epochs=epochs or len(path), validation=(X, 2 * X))
    return walking, stopping, history


def weight(trainer):
    return trainer.model[0].weight.value.item()


def test_the_best_weights_come_back_when_patience_is_lost():
    walking, stopping, history = walk([0.0, 1.0, 1.5, 0.5, 0.4, 1.9, 1.9], patience=2)
    assert history["epoch"] == [1, 2, 3, 4, 5]
    assert weight(walking) == 1.5
    assert stopping.best_epoch == 3
    assert stopping.best == min(history["val_loss"])


def test_the_best_weights_come_back_also_when_the_last_epoch_is_reached():
    walking, _, history = walk([0.0, 1.5, 1.0], patience=10)
    assert len(history) == 3
    assert weight(walking) == 1.5


def test_the_best_weights_are_a_copy_that_later_steps_do_not_change():
    walking, _, _ = walk([1.0, 1.5, 0.0, -1.0, -2.0], patience=10)
    assert weight(walking) == 1.5


def test_the_weights_are_copied_back_into_the_memory_that_the_optimizer_holds():
    walking, _, _ = walk([1.5, 0.0], patience=10)
    held = walking.model[0].weight.value
    assert held.item() == 1.5
    walking.model.forward(X)
    walking.model.backward(X)
    walking.optimizer.step()
    assert walking.model[0].weight.value is held
    assert held.item() != 1.5


def test_weights_come_back_as_they_were_where_the_last_are_the_best():
    walking, stopping, _ = walk([0.0, 1.0, 1.5], patience=1)
    assert weight(walking) == 1.5
    assert stopping.best_epoch == 3


def test_each_better_epoch_renews_the_patience():
    _, _, history = walk([0.0, -0.5, 0.1, -0.5, 0.2, -0.5, -0.5], patience=2)
    assert len(history) == 7


def test_a_lead_below_min_delta_does_not_renew_the_patience_but_the_weights_are_the_best():
    walking, _, history = walk([1.0, 1.01, 1.02, 1.5], patience=2, min_delta=0.1)
    assert len(history) == 3
    assert weight(walking) == 1.02


def test_small_leads_that_add_up_to_min_delta_do_renew_the_patience():
    _, _, history = walk([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], patience=2, min_delta=0.2)
    assert len(history) == 6


def test_mode_max_waits_for_larger_values():
    walking, stopping, _ = walk([1.9, 0.0, 1.0], monitor="val_loss", mode="max", patience=10)
    assert weight(walking) == 0.0
    assert stopping.best_epoch == 2


def test_a_value_that_is_nan_is_never_the_best():
    seen = iter([0.0, float("nan"), 0.5, float("nan"), 0.7])  # the first is asked for before the first step
    stopping = EarlyStopping("score", patience=10)
    walking = trainer(Walk([1.0, 2.0, 3.0, 4.0]), stopping, metrics={"score": lambda y, t: next(seen)})
    with pytest.warns(UserWarning, match=r"EarlyStopping\(.*score is NaN in epoch 1") as caught:
        fit(walking, epochs=4)
    assert len(caught) == 1
    assert weight(walking) == 2.0


def test_an_unknown_column_is_refused_before_any_step_with_those_there_are():
    stopping = trainer(EarlyStopping("val_loss"))
    with pytest.raises(MissingError, match=r"'val_loss'.*epoch, loss, lr, seconds.*validation"):
        fit(stopping)
    assert stopping.optimizer.steps == 0


def test_the_best_of_an_earlier_training_is_forgotten():
    stopping = EarlyStopping(patience=2)
    walking = trainer(Walk([1.9, 1.0]), stopping)
    fit(walking, epochs=2, validation=(X, 2 * X))
    walking.callbacks[0].path = [1.0, 1.2, 0.0]
    history = fit(walking, epochs=3, validation=(X, 2 * X))
    assert len(history) == 3
    assert weight(walking) == 1.2
    assert stopping.best == history["val_loss"][1]
    assert stopping.best_epoch == 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"patience": 0}, InvalidValueError),
        ({"patience": 1.5}, InvalidTypeError),
        ({"min_delta": -1}, InvalidValueError),
        ({"min_delta": float("nan")}, InvalidValueError),
        ({"mode": "auto"}, InvalidValueError),
    ],
)
def test_stopping_that_cannot_work_is_refused(arguments, error):
    with pytest.raises(error):
        EarlyStopping(**arguments)


def test_it_reads_like_the_call_that_made_it():
    assert repr(EarlyStopping("loss", patience=3)) == "EarlyStopping(monitor='loss', patience=3)"
