"""Epochs of netlib: in a hand-written loop, and in the Trainer with bar, metrics and callback."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np

import netlib as nl

from ..case import EPOCH_STEPS, EPOCHS, LR
from .netlib_ import Fast, Pure, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..case import Case
    from . import Step


class Loop(Pure):
    """Shuffled batches, and the mean loss of the epoch."""

    takes_weights = False  # it shuffles the batches itself

    def train(self, case: Case) -> Step:
        """Return some epochs."""
        n = EPOCH_STEPS * case.batch
        x, t, rng = case.inputs(n), case.targets(n)[0], np.random.default_rng(0)
        model, loss = build(case), nl.SoftmaxCrossEntropy()
        optimizer = nl.Adam(model, lr=LR)

        def epochs() -> float:
            for _ in range(EPOCHS):
                order, total = rng.permutation(n), 0.0
                for i in range(0, n, case.batch):
                    chosen = order[i : i + case.batch]
                    y = model.forward(x[chosen])
                    total += loss.forward(y, t[chosen])
                    model.backward(loss.backward(), input_gradient=False)
                    optimizer.step()
            return total / EPOCH_STEPS

        return epochs


class LastLoss(nl.Callback):
    """Keeps the loss of the last batch."""

    def on_batch_end(self, trainer: nl.Trainer) -> None:
        """Keep it."""
        self.loss = trainer.batch_loss


class Fit(Pure):
    """``Trainer.fit`` on a terminal."""

    takes_weights = False

    def train(self, case: Case) -> Step:
        """Return some epochs."""
        n = EPOCH_STEPS * case.batch
        x, t = case.inputs(n), case.targets(n)[0]
        model = build(case)
        metrics: dict[str, Any] = {"accuracy": nl.accuracy, "top 3": partial(nl.top_k_accuracy, k=3), "f1": nl.f1_score}
        loss, optimizer = nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=LR)
        trainer = nl.Trainer(model, loss, optimizer, metrics, callbacks=[LastLoss()], seed=0)

        def epochs() -> float:
            with terminal():
                return float(trainer.fit(x, t, epochs=EPOCHS, batch_size=case.batch)["loss"][-1])

        return epochs


class FastLoop(Loop, Fast):
    """The loop with the extra `fast`."""


class FastFit(Fit, Fast):
    """``Trainer.fit`` with the extra `fast`."""


@contextmanager
def terminal() -> Iterator[None]:
    """Replace standard error by a pseudo-terminal, so that a bar is drawn."""
    ours, theirs = os.openpty()
    reader = Thread(target=_read_all, args=(ours,))
    reader.start()
    stderr = sys.stderr
    try:
        with os.fdopen(theirs, "w") as sys.stderr:
            yield
    finally:
        sys.stderr = stderr
        reader.join()


def _read_all(descriptor: int) -> None:
    try:
        while os.read(descriptor, 65536):
            pass
    except OSError:  # the terminal was closed
        pass
    finally:
        os.close(descriptor)
