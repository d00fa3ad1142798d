"""Kill trainings at random moments, resume them, and compare the results with trainings that were never killed.

``python tests/training/kill.py --kills 1000 --seed 0``

A training runs in a child process, which SIGKILL ends: half of the time when a random time has passed, and half of the time at a
random line of the code that writes the checkpoint. Whatever is in the folder then must be readable. The next child resumes. Once
a child comes to the end, its parameters, history, predictions and random generators must be those of a training without
checkpoints, bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from importlib.util import find_spec
from pathlib import Path

if __name__ == "__main__":  # a test that imports this keeps its own settings
    os.environ.setdefault("NETLIB_ACCELERATOR", "numpy")  # compiled kernels would be loaded again in every child
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import netlib as nl

PACKAGE = Path(nl.__file__).parent
LINES = 1500
"""Kill at one of so many lines; a write has several hundred."""
EPOCHS, BATCH_SIZE, SEEDS = 6, 8, 5
KEEP = 2
EVERY = [1, 2, "1 batch", "3 batches", "7 batches"]
SUFFIXES = [".npz", ".safetensors"] if find_spec("safetensors") else [".npz"]


def train(seed: int, callbacks: list[nl.Callback], resume: Path | None = None) -> bytes:
    """Return a digest of everything that a training leaves."""
    rng = np.random.default_rng(seed)
    x, t = rng.standard_normal((40, 6)), rng.integers(0, 3, 40)
    model = nl.Sequential(nl.Affine(6, 16, rng=rng), nl.ReLU(), nl.Dropout(0.3, rng=rng), nl.Affine(16, 3, rng=rng))
    optimizer = nl.Adam(model, lr=nl.schedules.Cosine(0.05, steps=EPOCHS * 4))
    metrics = {"accuracy": nl.accuracy}
    callbacks = [*callbacks, nl.EarlyStopping(patience=3)]
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), optimizer, metrics, callbacks=callbacks, clip_norm=1.0, seed=rng)
    history = trainer.fit(x, t, epochs=EPOCHS, batch_size=BATCH_SIZE, validation=0.2, progress=False, resume=resume)
    columns = {name: column for name, column in history.to_dict().items() if name != "seconds"}
    parts = [repr(columns).encode(), trainer.predict(x).tobytes(), repr(rng.bit_generator.state).encode()]
    parts += [array.tobytes() for array in model.state_dict().values()]
    return hashlib.sha256(b"".join(parts)).digest()


def kill_at_line(number: int) -> None:
    """Let this process be killed at the line of that number in the code that writes."""
    left = number

    def count(frame, event, argument):
        nonlocal left
        left -= event == "line"
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return count

    sys.settrace(lambda frame, event, argument: count if writes(frame.f_code) else None)


def writes(code) -> bool:
    """Return whether a function is one of those that write a checkpoint."""
    path = Path(code.co_filename)
    return path in (PACKAGE / "training" / "checkpoint.py", PACKAGE / "files" / "writing.py") or (
        path.parent == PACKAGE / "files" and "write" in code.co_name
    )


class Child:
    """A process that computes ``task()``, 32 bytes."""

    def __init__(self, task):
        self._output, end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.write(end, task())
                os._exit(0)
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
        os.close(end)

    def kill_after(self, seconds: float) -> None:
        """Kill the process, unless it ends earlier."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
                return
            time.sleep(0.0005)
        os.kill(self.pid, signal.SIGKILL)

    def result(self) -> bytes | None:
        """Return the bytes, or None if the process was killed."""
        _, status = os.waitpid(self.pid, 0)
        content = os.read(self._output, 32)
        os.close(self._output)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return None
        assert status == 0, "the child failed"
        return content


def check_files(folder: Path, suffix: str) -> None:
    """Read everything in the folder but temporary files."""
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    allowed = [name for name in names if name in (f"run{suffix}", f"run-best{suffix}") or name.startswith("run-epoch-")]
    assert names == allowed, names
    for name in names:
        nl.load(folder / name)


def temporary_files(folder: Path) -> set[Path]:
    return {path for path in folder.iterdir() if path.name.startswith(".")}


class Killer:
    """Kills children until there have been enough, and counts."""

    def __init__(self, kills: int, seed: int) -> None:
        self.kills, self.rng = kills, np.random.default_rng(seed)
        self.counts: Counter[str] = Counter()
        self.expected = [Child(partial(train, seed, [])).result() for seed in range(SEEDS)]
        assert len(set(self.expected)) == SEEDS
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            Child(partial(train, 0, checkpoints(Path(folder) / "run.npz", "3 batches"))).result()
            self.seconds = time.perf_counter() - begin

    def run(self) -> None:
        """Kill children in one training after the other."""
        while self.counts["kills"] < self.kills:
            with tempfile.TemporaryDirectory() as folder:
                every, suffix = EVERY[self.rng.integers(len(EVERY))], SUFFIXES[self.rng.integers(len(SUFFIXES))]
                hundreds = self.counts["kills"] // 100
                self.kill_one_training(Path(folder) / f"run{suffix}", every, int(self.rng.integers(SEEDS)))
                if self.counts["kills"] // 100 > hundreds:
                    print(self.counted, flush=True)

    @property
    def counted(self) -> str:
        """The counts as text."""
        return ", ".join(f"{count} {what}" for what, count in self.counts.items())

    def kill_one_training(self, path: Path, every: int | str, seed: int) -> None:
        """Train to the end through kills and resumes, and check the result and the files."""
        result, counts = None, self.counts
        while result is None:
            before = temporary_files(path.parent)
            counts["resumes"] += path.exists()
            result = self.one_child(path, every, seed)
            counts["kills"] += result is None
            counts["kills during a write"] += result is None and bool(temporary_files(path.parent) - before)
            counts["kills before the first checkpoint"] += result is None and not path.exists()
            check_files(path.parent, path.suffix)
        counts["trainings"] += 1
        assert result == self.expected[seed], f"seed {seed}, every {every}, {path.suffix}: another result"
        check_the_end(path)

    def one_child(self, path: Path, every: int | str, seed: int) -> bytes | None:
        """Return the result of a child that goes on with the training, or None if it was killed."""
        at_a_line = self.rng.random() < 0.5
        line, seconds = int(self.rng.integers(1, LINES)), self.rng.uniform(0, self.seconds / 2)

        def task() -> bytes:
            if at_a_line and self.counts["kills"] < self.kills:
                kill_at_line(line)
            return train(seed, checkpoints(path, every), resume=path)

        child = Child(task)
        if not at_a_line and self.counts["kills"] < self.kills:
            child.kill_after(seconds)
        return child.result()


def checkpoints(path: Path, every: int | str) -> list[nl.Callback]:
    return [nl.Checkpoint(path, every=every, keep=KEEP, best="val_loss")]


def check_the_end(path: Path) -> None:
    """Check that no more is kept than should be, and that the files of killed writers vanish at a later write."""
    assert len([*path.parent.glob("run-epoch-*")]) <= KEEP
    long_ago = time.time() - 3600
    for each in temporary_files(path.parent):
        os.utime(each, (long_ago, long_ago))
    for each in (path, path.with_stem("run-best")):
        nl.save(nl.load(each), each)
    assert not temporary_files(path.parent)


def main() -> None:
    """Kill so many children, and print what was hit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="how many processes to kill (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    args = parser.parse_args()
    begin = time.perf_counter()
    killer = Killer(args.kills, args.seed)
    killer.run()
    print(f"{killer.counted}, in {time.perf_counter() - begin:.0f} s; every result as without a kill")


if __name__ == "__main__":
    main()
