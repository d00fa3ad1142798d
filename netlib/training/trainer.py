"""The training loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from math import isfinite
from time import perf_counter
from typing import Any

import numpy as np

from ..arrays import RNG, Array, as_count, as_number, as_rng
from ..data.batches import row_batches
from ..errors import InvalidValueError, ShapeError
from ..layer import Layer, as_layer
from ..optimizers import Optimizer, clip_grad_norm, grad_norm
from ..restoring import preserve_modes
from .arguments import Metric, as_callbacks, as_metrics, as_optimizer_of
from .callbacks import Callback
from .checks import as_metric_of, check_before_training
from .history import History
from .interruption import Interruption
from .nonfinite import nonfinite_gradient, nonfinite_loss
from .progress import Progress
from .samples import as_inputs, as_samples, joined, with_validation


class Trainer:
    """Trains a model: batches, steps, measures, and what must not go wrong in between.

    Parameters
    ----------
    model : Layer
    loss : Layer
        ``forward(y, t)`` is a float, ``backward(dout)`` dL/dy.
    optimizer : Optimizer
        Over parameters of the model.
    metrics : dict of str to callable, optional
        Further columns of the history: functions ``(y, t) -> float``, computed on all outputs of an epoch at once, and once on the first
        rows before training, to see whether they work. Netlib's own get ``threshold=0.5`` where the model ends in `Sigmoid`, else 0.
    callbacks : sequence of Callback
        What is hooked in, in order.
    clip_norm : float, optional
        Gradients longer than this are scaled down to it before each step.
    accumulate : int
        How many batches make one step, as if they were one large batch.
    seed, rng : int or numpy.random.Generator, optional
        Where the order of samples comes from: either of the two.

    Attributes
    ----------
    epoch, batch, epochs : int
        Where training stands, counted from 1, and how many epochs were asked for.
    batch_loss : float
        Of the last batch.
    history : History
        Of the last training.
    stop : bool
        Set it to end training after the batch or epoch that is being done.

    Examples
    --------
    >>> import netlib as nl
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> model = nl.Sequential(nl.Affine(1, 1, rng=0))
    >>> trainer = Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.3), metrics={"r2": nl.r2_score}, seed=0)
    >>> history = trainer.fit(x, 2 * x + 1, epochs=10, batch_size=8, validation=0.2, progress=False)
    >>> history.columns
    ('epoch', 'loss', 'r2', 'val_loss', 'val_r2', 'lr', 'seconds')
    >>> bool(history["val_r2"][-1] > 0.99)
    True
    >>> trainer.predict([[0.0]]).round(2)
    array([[1.]], dtype=float32)
    """

    def __init__(self, model: Layer, loss: Layer, optimizer: Optimizer, metrics: Mapping[str, Metric] | None = None, *,
                 callbacks: Iterable[Callback] = (), clip_norm: float | None = None, accumulate: int = 1,
                 seed: RNG = None, rng: RNG = None) -> None:  # fmt: skip
        where = "Trainer"
        self.model = as_layer(model, f"{where}, model")
        self.loss = as_layer(loss, f"{where}, loss")
        self.optimizer = as_optimizer_of(model, optimizer, where)
        self.metrics = as_metrics(metrics, where)
        self.callbacks = as_callbacks(callbacks, where)
        self.clip_norm = None if clip_norm is None else as_number(clip_norm, "clip_norm", where, least=0)
        self.accumulate = as_count(accumulate, "accumulate", where, least=1)
        if self.clip_norm == 0:
            raise InvalidValueError("clip_norm is 0, so nothing would be learned", where=where)
        if seed is not None and rng is not None:
            raise InvalidValueError("got both a seed and an rng, wanted one of them", where=where)
        if getattr(loss, "reduction", "mean") not in ("mean", "sum"):
            hint = "Make the loss with reduction='mean' or 'sum'."
            raise InvalidValueError(f"{loss!r} gives an array, but training needs a number", where=where, hint=hint)
        self.rng = as_rng(seed if rng is None else rng, where)
        self._split_seed = int(self.rng.integers(2**63))
        self.epochs = self.epoch = self.batch = 0
        self.batch_loss = float("nan")
        self.history = History(self._columns(validated=False))
        self.stop = False

    def fit(self, x: Any, t: Any, epochs: int = 1, batch_size: int = 32, validation: Any = None,
            shuffle: bool = True, progress: bool = True) -> History:  # fmt: skip
        """Train, and return what it was like.

        Ctrl-C ends training after the batch that is being done; a second one breaks off at once.

        Parameters
        ----------
        x : array_like (N, …), or tuple of them
            A tuple where the model takes several inputs.
        t : array_like (N, …)
            Targets.
        epochs, batch_size : int
            How often all samples are gone through, and how many at a time; the last batch may have fewer.
        validation : float or (x, t), optional
            What is measured after each epoch without learning from it: a share of the samples, drawn by the trainer's seed, the
            same in every fit; or samples of its own.
        shuffle : bool
            Whether each epoch has a new order of chance.
        progress : bool
            Whether a line is printed for each epoch, and on a terminal a bar is shown.

        Returns
        -------
        History
            With a row for each completed epoch; ``history.interrupted`` tells of Ctrl-C.

        Raises
        ------
        ShapeError, InvalidValueError, InvalidTypeError
            Before any step, for samples or numbers that cannot work.
        NonFiniteError
            Where the loss or the gradient of a batch is not finite. Parameters are those before that batch.
        """
        where = "Trainer.fit"
        epochs, batch_size = as_count(epochs, "epochs", where), as_count(batch_size, "batch_size", where, least=1)
        samples, held_out = with_validation(as_samples(x, t, where), validation, self._split_seed, where)
        n_batches = -(-len(samples[-1]) // batch_size)
        with Interruption() as ctrl_c, preserve_modes(self.model), np.errstate(all="ignore"), \
             Progress(progress, epochs, epochs * n_batches) as shown:  # fmt: skip
            check_before_training(self.model, self.loss, self.metrics, samples)
            if held_out is not None:  # what does not fit is better refused now than an epoch later
                check_before_training(self.model, self.loss, self.metrics, held_out, "validation ")
                self._evaluate([a[:batch_size] for a in held_out], batch_size)
            self.epochs, self.epoch, self.batch, self.stop = epochs, 0, 0, False
            self.history = History(self._columns(validated=held_out is not None))
            self._discard_gradients()
            try:
                self._call_back("on_fit_begin")
                while self.epoch < epochs and not (self.stop or ctrl_c.requested):
                    self.epoch += 1
                    self._run_epoch(samples, held_out, batch_size, shuffle, ctrl_c, shown)
            except KeyboardInterrupt:
                if ctrl_c.requested:
                    raise
                ctrl_c.requested = True
            except BaseException:
                self._call_back("on_fit_error")
                raise
            finally:
                self._discard_gradients()
            self.history.interrupted = ctrl_c.requested
            self._call_back("on_fit_end")
            if ctrl_c.requested:
                shown.say(f"interrupted after {len(self.history)} of {epochs} epochs")
        return self.history

    def evaluate(self, x: Any, t: Any, batch_size: int = 256) -> dict[str, float]:
        """Return the loss and the metrics over all samples, in evaluation mode. Nothing in the model changes.

        Parameters
        ----------
        x, t
            As in `fit`.
        batch_size : int
            How many samples go through the model at a time.
        """
        batch_size = as_count(batch_size, "batch_size", "Trainer.evaluate", least=1)
        return self._evaluate(as_samples(x, t, "Trainer.evaluate"), batch_size)

    def predict(self, x: Any, batch_size: int = 256) -> Any:
        """Return the outputs of the model for all samples, in evaluation mode. Nothing in the model changes.

        Parameters
        ----------
        x : array_like (N, …), or tuple of them
            No rows at all go through the model as they are, as one empty batch.
        batch_size : int
            How many samples go through the model at a time.

        Returns
        -------
        ndarray (N, …)
            A tuple of them where the model has several outputs.
        """
        batch_size = as_count(batch_size, "batch_size", "Trainer.predict", least=1)
        return self.model.predict(*as_inputs(x, "Trainer.predict"), batch_size=batch_size)

    def _run_epoch(self, samples: Sequence[Array], held_out: Sequence[Array] | None, batch_size: int, shuffle: bool,
                   ctrl_c: Interruption, shown: Progress) -> None:  # fmt: skip
        """Train for one epoch and write its row, unless it is broken off between two batches."""
        start, rate = perf_counter(), self.optimizer.lr
        self.model.train()
        measured = self._learn(samples, batch_size, shuffle, ctrl_c, shown)
        if measured is None:
            return
        if held_out is not None:
            measured |= {f"val_{name}": value for name, value in self._evaluate(held_out, batch_size).items()}
        row = {"epoch": self.epoch, **measured, "lr": rate, "seconds": perf_counter() - start}
        self.history.append(row)
        shown.epoch_done(row)
        self._call_back("on_epoch_end")

    def _learn(
        self, samples: Sequence[Array], batch_size: int, shuffle: bool, ctrl_c: Interruption, shown: Progress
    ) -> dict[str, float] | None:
        """Go through all samples once; return loss and metrics, or None where it was broken off."""
        model, loss, means = self.model, self.loss, self._means
        n, done, group = len(samples[-1]), 0, 0
        order = self.rng.permutation(n) if shuffle else None
        total = 0.0
        outputs = []
        around_batch = self._around_batch if self.callbacks else nullcontext
        for self.batch, (*inputs, t) in enumerate(row_batches(samples, batch_size, order), start=1):
            if done == group:
                group = min(n, done + self.accumulate * batch_size)
                group_size = group - done
            with around_batch():
                y = model.forward(*inputs)
                value = self.batch_loss = float(loss.forward(y, t))
                if not isfinite(value):
                    raise nonfinite_loss(model, inputs, t, value, self._place)
                model.backward_parameters(loss.backward(len(t) / group_size if means else 1.0))
            done += len(t)
            total += value * len(t) if means else value
            if self.metrics:
                outputs.append(y)
            if done == group:
                self._step()
            shown.batch_done(value)
            self._call_back("on_batch_end")
            if (self.stop or ctrl_c.requested) and done < n:
                return None
        targets = samples[-1] if order is None else samples[-1].take(order, axis=0)
        return self._measures(total, outputs, targets, len(samples) - 1)

    def _step(self) -> None:
        """Let the optimizer use the gradients up, after a look at their length."""
        norm = grad_norm(self.optimizer)
        if not isfinite(norm):
            raise nonfinite_gradient(self.model, self._place)
        if self.clip_norm is not None and norm > self.clip_norm:
            clip_grad_norm(self.optimizer, self.clip_norm)
        self.optimizer.step()

    def _evaluate(self, samples: Sequence[Array], batch_size: int) -> dict[str, float]:
        total = 0.0
        outputs = []
        for *inputs, t in row_batches(samples, batch_size):
            y = self.model.predict(*inputs)
            value = float(self.loss.predict(y, t))
            total += value * len(t) if self._means else value
            if self.metrics:
                outputs.append(y)
        return self._measures(total, outputs, samples[-1], len(samples) - 1)

    def _measures(self, total: float, outputs: list[Any], t: Array, n_inputs: int) -> dict[str, float]:
        measured = {"loss": total / len(t) if self._means else total}
        y = joined(outputs) if self.metrics else None
        for name, metric in self.metrics.items():
            value = as_metric_of(self.model, n_inputs, metric, y)(y, t)
            if np.ndim(value) != 0:
                raise ShapeError(f"the metric {name!r} gave an array of shape {np.shape(value)}, wanted a number", where="Trainer")
            measured[name] = float(value)
        return measured

    def _columns(self, validated: bool) -> list[str]:
        measured = ["loss", *self.metrics]
        return ["epoch", *measured, *(f"val_{name}" for name in measured if validated), "lr", "seconds"]

    @property
    def _means(self) -> bool:
        return getattr(self.loss, "reduction", "mean") == "mean"

    @property
    def _place(self) -> str:
        return f"epoch {self.epoch}, batch {self.batch}"

    def _discard_gradients(self) -> None:
        self.optimizer.zero_grad()
        self.model.zero_grad()

    def _around_batch(self) -> AbstractContextManager[object]:
        with ExitStack() as contexts:
            for callback in self.callbacks:
                contexts.enter_context(callback.around_batch(self))
            return contexts.pop_all()

    def _call_back(self, hook: str) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(self)
