"""Ctrl-C: it ends training between batches and leaves everything usable."""

import signal

import numpy as np
import pytest

import netlib as nl
from netlib.training import Callback, EarlyStopping, Trainer

X = np.linspace(-1, 1, 20)[:, None]


class Press(Callback):
    """Presses Ctrl-C after a batch, once or more often."""

    def __init__(self, epoch, batch, times=1):
        self.at, self.times = (epoch, batch), times

    def on_batch_end(self, trainer):
        if (trainer.epoch, trainer.batch) == self.at:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


class Raise(Callback):
    def __init__(self, hook, epoch=1):
        self.epoch = epoch
        setattr(self, hook, self.interrupt)

    def interrupt(self, trainer):
        if trainer.epoch == self.epoch:
            raise KeyboardInterrupt


class Diary(Callback):
    def __init__(self):
        self.ended = 0

    def on_fit_end(self, trainer):
        self.ended += 1


def trainer(*callbacks, **options):
    model = nl.Sequential(nl.Affine(1, 1, rng=0, dtype="float64"))
    return Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1), callbacks=callbacks, seed=0, **options)


def fit(of, **options):
    return of.fit(X, 2 * X, **{"epochs": 3, "batch_size": 5, "progress": False, **options})


def test_ctrl_c_ends_training_after_the_batch_and_keeps_the_completed_epochs():
    diary = Diary()
    pressed = trainer(Press(2, 3), diary)
    history = fit(pressed)
    assert history.interrupted
    assert history["epoch"] == [1]
    assert pressed.optimizer.steps == 7
    assert diary.ended == 1


def test_the_model_is_that_of_the_steps_that_were_done_and_trains_on():
    pressed, counted = trainer(Press(1, 2)), trainer()
    fit(pressed)
    counted.fit(X, 2 * X, batch_size=5, progress=False)
    assert pressed.optimizer.steps == 2
    assert all(not p.grad.any() for p in pressed.model.parameters().values())
    assert pressed.model.training
    pressed.callbacks.clear()
    again = fit(pressed)
    assert len(again) == 3
    assert not again.interrupted


def test_ctrl_c_during_a_step_ends_training_after_that_batch():
    class Pressing(nl.SGD):
        def step(self):
            super().step()
            if self.steps == 2:
                signal.raise_signal(signal.SIGINT)

    pressed = trainer()
    pressed.optimizer = Pressing(pressed.model, lr=0.1)
    assert fit(pressed).interrupted
    assert pressed.optimizer.steps == 2


def test_ctrl_c_in_the_last_batch_of_an_epoch_keeps_that_epoch():
    history = fit(trainer(Press(2, 4)), validation=(X, 2 * X))
    assert history.interrupted
    assert history["epoch"] == [1, 2]


def test_the_handler_from_before_is_back_afterwards():
    def own(*_):
        raise AssertionError("this one must not be asked during fit")

    before = signal.signal(signal.SIGINT, own)
    try:
        fit(trainer(Press(1, 1)))
        assert signal.getsignal(signal.SIGINT) is own
        with pytest.raises(nl.ShapeError):
            trainer().fit(X, X[:, 0], progress=False)
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)


def test_where_ctrl_c_is_ignored_it_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        history = fit(trainer(Press(1, 1)))
        assert len(history) == 3
        assert not history.interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_second_ctrl_c_breaks_off_at_once_and_the_handler_is_back():
    before = signal.getsignal(signal.SIGINT)
    pressed = trainer(Press(2, 1, times=2))
    with pytest.raises(KeyboardInterrupt):
        fit(pressed)
    assert signal.getsignal(signal.SIGINT) is before
    assert len(pressed.history) == 1
    assert pressed.model.training


@pytest.mark.parametrize(("hook", "rows"), [("on_fit_begin", 0), ("on_batch_end", 1), ("on_epoch_end", 2)])
def test_a_keyboard_interrupt_in_a_callback_ends_training_likewise(hook, rows):
    diary = Diary()
    history = fit(trainer(Raise(hook, epoch=0 if hook == "on_fit_begin" else 2), diary))
    assert history.interrupted
    assert len(history) == rows
    assert diary.ended == 1


def test_a_keyboard_interrupt_in_a_layer_leaves_no_gradient_and_no_half_step():
    class Interrupting(nl.Identity):
        def backward(self, dout):
            raise KeyboardInterrupt

    model = nl.Sequential(nl.Affine(1, 1), Interrupting(), nl.Affine(1, 1))
    interrupted = Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1), seed=0)
    before = [p.value.copy() for p in model.parameters().values()]
    history = fit(interrupted)
    assert history.interrupted
    assert all(np.array_equal(p.value, v) for p, v in zip(model.parameters().values(), before, strict=True))
    assert all(not p.grad.any() for p in model.parameters().values())


def test_the_best_weights_come_back_after_ctrl_c():
    class Walk(Callback):
        def on_batch_end(self, trainer):
            trainer.model[0].weight.value = [[[1.5, 0.0, 0.5][trainer.epoch - 1]]]

    pressed = trainer(Walk(), EarlyStopping(patience=10), Press(3, 2))
    history = fit(pressed, validation=(X, 2 * X))
    assert history["epoch"] == [1, 2]
    assert pressed.model[0].weight.value.item() == 1.5


def test_progress_says_that_training_was_interrupted(capsys):
    fit(trainer(Press(2, 1)), progress=True)
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("epoch 1/3")
    assert last == "interrupted after 1 of 3 epochs"
