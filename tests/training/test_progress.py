"""What is shown while training runs."""

import io
import re
import subprocess
import sys

import numpy as np
import pytest

import netlib as nl
from netlib.training import Trainer
from netlib.training.progress import number_text

X = np.linspace(-1, 1, 20)[:, None]


def fit(epochs=2, progress=True, callbacks=(), **options):
    model = nl.Sequential(nl.Affine(1, 1, rng=0))
    optimizer = nl.SGD(model, lr=0.1)
    trained = Trainer(model, nl.MeanSquaredError(), optimizer, metrics={"r2": nl.r2_score}, callbacks=callbacks, seed=0)
    return trained.fit(X, 2 * X, epochs=epochs, batch_size=5, progress=progress, **options)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_every_epoch_has_a_line_on_stdout_with_its_measures(capsys):
    history = fit(epochs=10, validation=0.2)
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert len(lines) == 10
    assert captured.err == ""
    loss, r2, val_loss, val_r2 = (number_text(history[name][0]) for name in ("loss", "r2", "val_loss", "val_r2"))
    assert lines[0] == f"epoch  1/10  loss {loss}  r2 {r2}  val_loss {val_loss}  val_r2 {val_r2}  {history['seconds'][0]:.2f} s"
    assert lines[9].startswith("epoch 10/10  loss ")


def test_progress_false_is_silent_even_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    fit(progress=False)
    assert capsys.readouterr().out == terminal.getvalue() == ""


def test_a_terminal_shows_one_bar_over_all_batches_with_the_loss(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    fit(epochs=3)
    assert "/12 [" in terminal.getvalue()
    assert re.search(r"batch/s, loss \d\.\d{4}\]", terminal.getvalue())
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]


def test_a_resumed_training_says_where_it_begins_and_its_bar_begins_there(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    path = tmp_path / "run.npz"
    fit(epochs=2, callbacks=[nl.Checkpoint(path)], resume=path)
    fit(epochs=3, resume=path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"there is no file {path} yet, so training begins from the start"
    assert lines[3] == f"resumed from {path}: epoch 2/3, batch 4/4"
    assert [line.split("  ")[0] for line in lines[4:]] == ["epoch 3/3"]
    assert "| 8/12 [" in terminal.getvalue()


def test_without_a_stderr_training_runs_all_the_same(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert len(fit()) == 2


def test_tqdm_is_imported_only_where_a_bar_is_shown():
    code = "import sys; sys.path.insert(0, 'tests/training'); from test_progress import fit; fit(); assert 'tqdm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0.0000"), (0.12345, "0.1235"), (-2.0, "-2.0000"), (1e-5, "1e-05"), (123456789.0, "1.23e+08"), (float("nan"), "nan")],
)
def test_numbers_are_shown_so_that_they_say_something(number, text):
    assert number_text(number) == text
