"""Resume training after a crash: the result is the same, bit for bit, as without the crash.

A child process trains a network on the digits and writes a checkpoint every ten batches. In the
middle of an epoch it ends abruptly, as in a power cut. Then training is resumed from the file, and
compared with uninterrupted training.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import numpy as np

import netlib as nl


class PowerCut(nl.Callback):
    """End the process without any cleanup."""

    needed_to_resume = False  # the resumed training goes on without it

    def __init__(self, epoch: int, batch: int) -> None:
        self.epoch, self.batch = epoch, batch

    def on_batch_end(self, trainer: nl.Trainer) -> None:
        """End it after the given batch."""
        if (trainer.epoch, trainer.batch) == (self.epoch, self.batch):
            print(f"power cut in epoch {trainer.epoch}, after batch {trainer.batch}", flush=True)
            os._exit(1)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=8, help="number of passes over the digits (default: %(default)s)")
    parser.add_argument("--cut", type=int, default=4, metavar="EPOCH", help="the epoch of the power cut (default: %(default)s)")
    parser.add_argument("--file", default="digits.npz", help="name of the checkpoint in a temporary folder (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    return parser.parse_args()


def train(args: argparse.Namespace, path: Path, *others: nl.Callback) -> nl.Trainer:
    """Train from the start, or from the checkpoint at `path` if there is one."""
    x, t = nl.data.digits()
    rng = np.random.default_rng(args.seed)
    model = nl.Sequential(nl.Affine(64, 64, rng=rng), nl.ReLU(), nl.Dropout(0.2, rng=rng), nl.Affine(64, 10, rng=rng))
    loss, optimizer = nl.SoftmaxCrossEntropy(), nl.AdamW(model, lr=nl.schedules.Cosine(0.01, steps=args.epochs * 45))
    callbacks = [nl.Checkpoint(path, every="10 batches"), nl.EarlyStopping(patience=3), *others]
    trainer = nl.Trainer(model, loss, optimizer, {"accuracy": nl.accuracy}, callbacks=callbacks, seed=rng)
    trainer.fit(x, t, epochs=args.epochs, batch_size=32, validation=0.2, resume=path)
    return trainer


def is_same(a: nl.Trainer, b: nl.Trainer) -> bool:
    """Return whether all parameters and the histories are equal, except for the seconds."""
    a_state, b_state = a.model.state_dict(), b.model.state_dict()
    columns = [name for name in a.history.columns if name != "seconds"]
    return all(np.array_equal(a_state[path], b_state[path]) for path in a_state) and all(
        a.history[name] == b.history[name] for name in columns
    )


def main() -> None:
    """Train with a power cut and without, and compare."""
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / args.file
        print("training, in a child process")
        child = multiprocessing.get_context("spawn").Process(target=train, args=(args, path, PowerCut(args.cut, batch=30)))
        child.start()
        child.join()
        print(f"the checkpoint has {path.stat().st_size:,} bytes\n\nresuming")
        start = time.perf_counter()
        resumed = train(args, path)
        print(f"resumed and finished in {time.perf_counter() - start:.1f} s\n\ntraining without interruption")
        whole = train(args, Path(folder) / f"other-{args.file}")
        model = nl.load(path)
    same = is_same(resumed, whole)
    print(f"\nparameters and history are {'the same, bit for bit' if same else 'different'}")
    x, t = nl.data.digits()
    print(f"accuracy of the model in the checkpoint on all digits: {nl.accuracy(model.predict(x), t):.4f}")
    if not same:
        raise SystemExit("The resumed training differs. Please report this.")


if __name__ == "__main__":
    main()
