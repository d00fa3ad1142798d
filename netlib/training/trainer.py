"""The training loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from math import isfinite
from typing import Any

import numpy as np

from ..arrays import RNG, Array, as_count, as_number, as_rng
from ..data.batches import row_batches
from ..data.path import Path
from ..errors import InvalidValueError, ShapeError
from ..layer import Layer, as_layer
from ..optimizers import Optimizer, clip_grad_norm, grad_norm
from ..restoring import preserve_modes
from .arguments import Metric, as_callbacks, as_metrics, as_optimizer_of
from .callbacks import Callback
from .checks import as_metric_of, check_before_training
from .epoch import EpochProgress
from .history import History
from .interruption import Interruption
from .nonfinite import nonfinite_gradient, nonfinite_loss
from .progress import Progress
from .resuming import facts_of, read_checkpoint
from .samples import as_inputs, as_samples, concatenate, with_validation


class Trainer:
    """Train a model with mini-batches.

    Parameters
    ----------
    model : Layer
    loss : Layer
        ``forward(y, t)`` returns a float, and ``backward(dout)`` returns dL/dy.
    optimizer : Optimizer
        An optimizer of parameters of the model.
    metrics : dict of str to callable, optional
        Further columns of the history: functions ``(y, t) -> float``, each computed once per epoch
        on all outputs, and once on a few rows before training, to see whether it works. Metrics of
        netlib get ``threshold=0.5`` if the model ends in `Sigmoid`, and otherwise 0.
    callbacks : sequence of Callback
        They are called in order.
    clip_norm : float, optional
        The maximum norm of the gradients. Longer ones are scaled down before each step.
    accumulate : int
        The number of batches per optimizer step, which act like one large batch.
    seed, rng : int or numpy.random.Generator, optional
        Random generator or seed for shuffling and splitting the samples. Pass one of the two.

    Attributes
    ----------
    epoch, batch, epochs : int
        The current epoch and batch, counted from 1, and the number of epochs to run.
    batch_loss : float
        The loss of the last batch.
    history : History
        The history of the last training.
    stop : bool
        Set it to True to end training after the current batch or epoch.

    Examples
    --------
    >>> import netlib as nl
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> model = nl.Sequential(nl.Affine(1, 1, rng=0))
    >>> loss, optimizer = nl.MeanSquaredError(), nl.SGD(model, lr=0.3)
    >>> trainer = Trainer(model, loss, optimizer, metrics={"r2": nl.r2_score}, seed=0)
    >>> t = 2 * x + 1
    >>> history = trainer.fit(x, t, epochs=10, batch_size=8, validation=0.2, progress=False)
    >>> history.columns
    ('epoch', 'loss', 'r2', 'val_loss', 'val_r2', 'lr', 'seconds')
    >>> bool(history["val_r2"][-1] > 0.99)
    True
    >>> trainer.predict([[0.0]]).round(2)
    array([[1.]], dtype=float32)
    """

    def __init__(self, model: Layer, loss: Layer, optimizer: Optimizer,
                 metrics: Mapping[str, Metric] | None = None, *,
                 callbacks: Iterable[Callback] = (), clip_norm: float | None = None,
                 accumulate: int = 1, seed: RNG = None, rng: RNG = None) -> None:  # fmt: skip
        where = "Trainer"
        self.model = as_layer(model, f"{where}, model")
        self.loss = as_layer(loss, f"{where}, loss")
        self.optimizer = as_optimizer_of(model, optimizer, where)
        self.metrics = as_metrics(metrics, where)
        # checkpoints last: they keep what the others have done
        self.callbacks = sorted(as_callbacks(callbacks, where), key=lambda each: not each.needed_to_resume)
        self.clip_norm = clip_norm
        if clip_norm is not None:
            self.clip_norm = as_number(clip_norm, "clip_norm", where, least=0)
        self.accumulate = as_count(accumulate, "accumulate", where, least=1)
        if self.clip_norm == 0:
            raise InvalidValueError("clip_norm is 0, so nothing would be learned", where=where)
        if seed is not None and rng is not None:
            raise InvalidValueError("got both a seed and an rng, expected one of them", where=where)
        if getattr(loss, "reduction", "mean") not in ("mean", "sum"):
            hint = "Make the loss with reduction='mean' or 'sum'."
            message = f"{loss!r} returns an array, but training needs a number"
            raise InvalidValueError(message, where=where, hint=hint)
        self.rng = as_rng(seed if rng is None else rng, where)
        self.split_seed = int(self.rng.integers(2**63))
        self.epochs = self.epoch = self.batch = 0
        self.batch_loss = float("nan")
        self.history = History(self._columns(validated=False))
        self.stop = False
        self.epoch_progress: EpochProgress | None = None
        self.facts: dict[str, str] = {}

    def fit(self, x: Any, t: Any, epochs: int = 1, batch_size: int = 32, validation: Any = None,
            shuffle: bool = True, progress: bool = True, resume: Path | None = None) -> History:  # fmt: skip
        """Train, and return the training history.

        Ctrl-C ends training after the current batch. A second Ctrl-C ends it at once.

        Parameters
        ----------
        x : array_like (N, …), or tuple of them
            The inputs. A tuple if the model takes several.
        t : array_like (N, …)
            The targets.
        epochs, batch_size : int
            The number of passes over all samples, and the number of samples per batch. The last
            batch may be smaller. If the model has a layer such as `BatchNorm`, which needs several
            samples, a last batch of one sample is added to the batch before it.
        validation : float or (x, t), optional
            Samples to evaluate after each epoch: the share of `x` and `t` to hold out, or separate
            samples. The held-out samples depend on the seed of the trainer and are the same in
            every fit.
        shuffle : bool
            Whether to shuffle the samples in every epoch.
        progress : bool
            Whether to print a line for each epoch, and to show a progress bar on a terminal.
        resume : str or path, optional
            A file of `Checkpoint`. Training goes on where it was written, to `epochs` in all, with
            the same results, bit for bit, as if it had never stopped, given the same samples. If
            there is no such file, training begins from the start. The states of all random
            generators come from the file, including that of NumPy's global one.

        Returns
        -------
        History
            One row for each completed epoch. ``history.interrupted`` says whether Ctrl-C ended it.

        Raises
        ------
        ShapeError, InvalidValueError, InvalidTypeError
            If the samples or numbers are invalid, or differ from those of the checkpoint. No step
            has been made then.
        FormatError
            If the file to resume from is damaged, or is no checkpoint.
        NonFiniteError
            If the loss or the gradient of a batch is not finite. The parameters are as before that
            batch.
        """
        where = "Trainer.fit"
        epochs = as_count(epochs, "epochs", where)
        batch_size = as_count(batch_size, "batch_size", where, least=1)
        samples = as_samples(x, t, where)
        saved = read_checkpoint(resume, f"{where}, resume") if resume is not None else None
        samples, held_out = with_validation(samples, validation, saved.split_seed if saved else self.split_seed, where)
        facts = facts_of(self, samples, held_out, batch_size, shuffle)
        if saved:
            saved.require_same(self.model, facts, epochs)
        n_batches = -(-max(len(samples[-1]) + 1 - self._least_samples, 1) // batch_size)
        with Interruption() as ctrl_c, preserve_modes(self.model), np.errstate(all="ignore"), \
             Progress(progress, epochs, epochs * n_batches) as shown:  # fmt: skip
            check_before_training(self.model, self.loss, self.metrics, samples)
            if held_out is not None:  # raise errors of validation now, not after an epoch
                check_before_training(self.model, self.loss, self.metrics, held_out, "validation ")
                self._evaluate([a[:batch_size] for a in held_out], batch_size)
            self.facts = facts
            self.epochs, self.epoch, self.batch, self.stop = epochs, 0, 0, False
            self.epoch_progress = None
            self.history = History(self._columns(validated=held_out is not None))
            self._discard_gradients()
            try:
                self._run_callbacks("on_fit_begin")
                if saved:
                    saved.restore(self, samples, batch_size, n_batches)
                    shown.resume(saved.name, self.epoch, self.batch, n_batches)
                elif resume is not None:
                    shown.say(f"there is no file {resume} yet, so training begins from the start")
                while len(self.history) < epochs and not (self.stop or ctrl_c.requested):
                    self._run_epoch(samples, held_out, batch_size, shuffle, ctrl_c, shown)
            except KeyboardInterrupt:
                if ctrl_c.requested:
                    raise
                ctrl_c.requested = True
            except BaseException:
                self._run_callbacks("on_fit_error")
                raise
            finally:
                self._discard_gradients()
            self.history.interrupted = ctrl_c.requested
            self._run_callbacks("on_fit_end")
            if ctrl_c.requested:
                shown.say(f"interrupted after {len(self.history)} of {epochs} epochs")
        return self.history

    def evaluate(self, x: Any, t: Any, batch_size: int = 256) -> dict[str, float]:
        """Return the loss and the metrics over all samples in evaluation mode.

        The model does not change.

        Parameters
        ----------
        x, t : array_like
            As in `fit`.
        batch_size : int
            The number of samples to process at a time.
        """
        batch_size = as_count(batch_size, "batch_size", "Trainer.evaluate", least=1)
        return self._evaluate(as_samples(x, t, "Trainer.evaluate"), batch_size)

    def predict(self, x: Any, batch_size: int = 256) -> Any:
        """Return the outputs of the model for all samples in evaluation mode.

        The model does not change.

        Parameters
        ----------
        x : array_like (N, …), or tuple of them
            The inputs. If N is 0, they are processed as one empty batch.
        batch_size : int
            The number of samples to process at a time.

        Returns
        -------
        ndarray (N, …)
            A tuple of arrays if the model has several outputs.
        """
        batch_size = as_count(batch_size, "batch_size", "Trainer.predict", least=1)
        return self.model.predict(*as_inputs(x, "Trainer.predict"), batch_size=batch_size)

    def _run_epoch(self, samples: Sequence[Array], held_out: Sequence[Array] | None, batch_size: int, shuffle: bool,
                   ctrl_c: Interruption, shown: Progress) -> None:  # fmt: skip
        """Train to the end of the epoch and append its row, unless training stops before."""
        if self.epoch_progress is None:
            self.epoch += 1
            self.epoch_progress = EpochProgress(self.rng, self.optimizer.lr)
        done = self.epoch_progress
        self.model.train()
        measured = self._train(done, samples, batch_size, shuffle, ctrl_c, shown)
        if measured is None:
            return
        if held_out is not None:
            evaluated = self._evaluate(held_out, batch_size)
            measured |= {f"val_{name}": value for name, value in evaluated.items()}
        row = {"epoch": self.epoch, **measured, "lr": done.lr, "seconds": done.seconds}
        self.history.append(row)
        self.epoch_progress = None
        shown.epoch_done(row)
        self._run_callbacks("on_epoch_end")

    def _train(self, epoch: EpochProgress, samples: Sequence[Array], batch_size: int, shuffle: bool,
               ctrl_c: Interruption, shown: Progress) -> dict[str, float] | None:  # fmt: skip
        """Train on the samples that are left; return loss and metrics, or None on a stop."""
        model, loss, is_mean = self.model, self.loss, self._loss_is_mean
        n, group, least = len(samples[-1]), self.accumulate * batch_size, self._least_samples
        order = epoch.shuffle(n) if shuffle else None
        around_batch = self._around_batch if self.callbacks else nullcontext
        for *inputs, t in row_batches(samples, batch_size, order, epoch.done, least):
            self.batch = epoch.batch = epoch.batch + 1
            if epoch.is_between_steps:
                left = n - epoch.done
                group_size = left if left - group < least else group
                epoch.step_at += group_size
            with around_batch():
                y = model.forward(*inputs)
                value = self.batch_loss = float(loss.forward(y, t))
                if not isfinite(value):
                    raise nonfinite_loss(model, inputs, t, value, self._location)
                model.backward_parameters(loss.backward(len(t) / group_size if is_mean else 1.0))
            epoch.done += len(t)
            epoch.total += value * len(t) if is_mean else value
            if self.metrics:
                epoch.outputs.append(y)
            if epoch.is_between_steps:
                self._step()
            shown.batch_done(value)
            self._run_callbacks("on_batch_end")
            if (self.stop or ctrl_c.requested) and epoch.done < n:
                return None
        targets = samples[-1] if order is None else samples[-1].take(order, axis=0)
        return self._measure(epoch.total, epoch.outputs, targets, len(samples) - 1)

    @property
    def _least_samples(self) -> int:
        """The least number of samples in a batch. A smaller last batch joins the one before."""
        return 2 if any(each.needs_several_samples for _, each in self.model.walk()) else 1

    def _step(self) -> None:
        """Check and clip the gradients, and make an optimizer step."""
        norm = grad_norm(self.optimizer)
        if not isfinite(norm):
            raise nonfinite_gradient(self.model, self._location)
        if self.clip_norm is not None and norm > self.clip_norm:
            clip_grad_norm(self.optimizer, self.clip_norm)
        self.optimizer.step()

    def _evaluate(self, samples: Sequence[Array], batch_size: int) -> dict[str, float]:
        total = 0.0
        outputs = []
        for *inputs, t in row_batches(samples, batch_size):
            y = self.model.predict(*inputs)
            value = float(self.loss.predict(y, t))
            total += value * len(t) if self._loss_is_mean else value
            if self.metrics:
                outputs.append(y)
        return self._measure(total, outputs, samples[-1], len(samples) - 1)

    def _measure(self, total: float, outputs: list[Any], t: Array, n_inputs: int) -> dict[str, float]:
        """Return loss and metrics, where `total` is the sum of the losses."""
        measured = {"loss": total / len(t) if self._loss_is_mean else total}
        y = concatenate(outputs) if self.metrics else None
        for name, metric in self.metrics.items():
            value = as_metric_of(self.model, n_inputs, metric, y)(y, t)
            if np.ndim(value) != 0:
                got = f"an array of shape {np.shape(value)}"
                message = f"the metric {name!r} returned {got}, expected a number"
                raise ShapeError(message, where="Trainer")
            measured[name] = float(value)
        return measured

    def _columns(self, validated: bool) -> list[str]:
        measured = ["loss", *self.metrics]
        validation = [f"val_{name}" for name in measured if validated]
        return ["epoch", *measured, *validation, "lr", "seconds"]

    @property
    def _loss_is_mean(self) -> bool:
        return getattr(self.loss, "reduction", "mean") == "mean"

    @property
    def _location(self) -> str:
        return f"epoch {self.epoch}, batch {self.batch}"

    def _discard_gradients(self) -> None:
        self.optimizer.zero_grad()
        self.model.zero_grad()

    def _around_batch(self) -> AbstractContextManager[object]:
        with ExitStack() as contexts:
            for callback in self.callbacks:
                contexts.enter_context(callback.around_batch(self))
            return contexts.pop_all()

    def _run_callbacks(self, method: str) -> None:
        for callback in self.callbacks:
            getattr(callback, method)(self)
