"""Training never ends for want of a console that can show its lines."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import netlib as nl

SCRIPT = """
import numpy as np, netlib as nl
model = nl.Affine(2, 1, rng=0)
trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.01), {{"→ größer": nl.mean_absolute_error}}, seed=0)
history = trainer.fit(np.ones((8, 2)), np.ones((8, 1)), epochs={epochs})
{after}
"""


def environment(encoding):
    return {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(nl.__file__).parents[1]), "NETLIB_ACCELERATOR": "numpy"}


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "utf-8"])
def test_a_console_without_the_characters_shows_escapes(encoding):
    code = SCRIPT.format(epochs=12, after="print(len(history))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=environment(encoding))
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode(encoding).splitlines()
    assert lines[-1] == "12"
    name = "→ größer".encode(encoding, "backslashreplace").decode(encoding)
    assert f"  {name} " in lines[0]


def test_a_history_is_ascii_but_for_the_names_of_its_columns():
    history = nl.History(["epoch", "loss"])
    for epoch in range(100):
        history.append({"epoch": epoch, "loss": 0.5})
    assert str(history).isascii()


def test_lines_reach_a_pipe_at_once():
    code = SCRIPT.format(epochs=1, after="import os; os._exit(0)")  # nothing that is left in a buffer is written
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=environment("utf-8"))
    assert done.stdout.decode().startswith("epoch 1/1")


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX pipe")
def test_a_closed_pipe_ends_the_lines_and_not_the_training(tmp_path):
    code = SCRIPT.format(epochs=50, after=f"open({str(tmp_path / 'done')!r}, 'w').write(str(len(history)))")
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, env=environment("utf-8")) as process:
        os.close(writer)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert (tmp_path / "done").read_text() == "50"
