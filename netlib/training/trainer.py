"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from math import isfinite
from typing import Any
from warnings import catch_warnings

import numpy as np

from ..arrays import RNG, as_count, as_number, as_rng
from ..data.path import Path
from ..errors import InvalidValueError
from ..execution import with_empty_means, without_caching
from ..layer import Layer, as_layer
from ..optimizers import Optimizer, clip_grad_norm
from ..optimizers.clipping import norm_of
from ..restoring import preserve_modes
from ..underflow import ignore_all
from .arguments import RESERVED, Metric, as_callbacks, as_metrics, as_optimizer_of
from .callbacks import Callback
from .checks import check_before_training
from .epoch import EpochProgress
from .history import History
from .interruption import Interruption
from .measuring import Measuring, concatenate, is_mean, parts_of
from .nonfinite import nonfinite_gradient, nonfinite_loss
from .progress import Progress
from .ranks import as_ranks
from .reading import is_on_disk
from .resuming import facts_of, read_checkpoint
from .samples import Batch, arguments_of_loss, as_inputs, as_samples, require_targets_of, total_weight
from .sources import ArraySource, Source, as_source, as_validation, split

Transform = Callable[[Any, Any, np.random.Generator], tuple[Any, Any]]


class Trainer:
    """A training loop with mini-batches.

    Parameters
    ----------
    model : Layer
    loss : Layer
        ``forward(y, t)`` returns a float, and ``backward(dout)`` returns dL/dy. With several
        outputs or targets it is ``forward(*outputs, *targets)``, and with weights they come last.
    optimizer : Optimizer
        An optimizer of the model's parameters. With `LBFGS`, each batch is one step of several
        iterations, so pass all samples as one batch.
    metrics : dict of str to callable, optional
        Further columns of the history: functions ``(y, t) -> float`` of all outputs of an epoch,
        also called once on a few rows before training, as a check. Metrics of netlib get
        ``threshold=0.5`` if the model ends in `Sigmoid`, and otherwise 0. They add up during the
        epoch, except `roc_auc`; for that and for your own functions, all outputs and targets of an
        epoch are kept. Metrics count every sample once, whatever its weight.
    callbacks : sequence of Callback
        They are called in order.
    clip_norm : float, optional
        The maximum norm of the gradients. Longer ones are scaled down before each step.
    accumulate : int
        The number of batches per optimizer step, which act like one large batch.
    seed, rng : int or numpy.random.Generator, optional
        Random generator or seed for shuffling and splitting the samples. Pass only one of the two.
    communicator : mpi4py.MPI.Comm, optional
        Trains on all ranks of an MPI job (extra ``mpi``), such as ``MPI.COMM_WORLD``: each computes
        the gradient of its share of every batch, and the gradients add up. The result is that of
        one process with whole batches, except for rounding and `Dropout`, for which each rank draws
        its own random numbers. `fit` and `evaluate` must be called on every rank; `predict` works
        on each rank separately.
    sync_batch_norm : bool
        Whether `BatchNorm` uses the mean and the variance of the whole batch instead of each rank's
        share, if there are several ranks. Without it, the running statistics are rank 0's.

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
    rank : int
        The number of this process in an MPI job, else 0. Rank 0 shows progress and writes files.

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
                 accumulate: int = 1, seed: RNG = None, rng: RNG = None,
                 communicator: Any = None, sync_batch_norm: bool = True) -> None:  # fmt: skip
        where = "Trainer"
        self.ranks = as_ranks(communicator, sync_batch_norm, where)  # first: then no error leaves another rank waiting
        self.rank = self.ranks.rank
        self.model = as_layer(model, f"{where}, model")
        self.loss = as_layer(loss, f"{where}, loss")
        self.optimizer = as_optimizer_of(model, optimizer, where)
        self.metrics = as_metrics(metrics, where)
        if taken := sorted(set(parts_of(self.loss)) & {*RESERVED, *self.metrics}):
            message = f"a part of the loss is named {taken[0]!r}, which is another column of the history"
            raise InvalidValueError(message, where=where, hint="Give the node another name.")
        # checkpoints last: they keep what the others have done
        self.callbacks = sorted(as_callbacks(callbacks, where), key=lambda each: not each.needed_to_resume)
        self.clip_norm = clip_norm
        if clip_norm is not None:
            self.clip_norm = as_number(clip_norm, "clip_norm", where, least=0)
        self.accumulate = as_count(accumulate, "accumulate", where, least=1)
        if self.clip_norm == 0:
            raise InvalidValueError("clip_norm is 0, so nothing would be learned", where=where)
        if self.optimizer.needs_closure and (self.accumulate > 1 or clip_norm is not None):
            message = f"{type(self.optimizer).__name__} works without accumulate and clip_norm"
            raise InvalidValueError(message, where=where, hint="Use a larger batch_size.")
        if seed is not None and rng is not None:
            raise InvalidValueError("got both a seed and an rng, expected one of them", where=where)
        if getattr(loss, "reduction", "mean") not in ("mean", "sum"):
            hint = "Make the loss with reduction='mean' or 'sum'."
            message = f"{loss!r} returns an array, but training needs a number"
            raise InvalidValueError(message, where=where, hint=hint)
        self._n_losses = sum(part.reduction != "none" for part in parts_of(self.loss).values())
        self.rng = as_rng(seed if rng is None else rng, where)
        self.split_seed = int(self.rng.integers(2**63))
        self.epochs = self.epoch = self.batch = 0
        self.batch_loss = float("nan")
        self.history = History(self._columns(validated=False))
        self.stop = False
        self.epoch_progress: EpochProgress | None = None
        self.facts: dict[str, str] = {}
        self._n_inputs: int  # known once there are samples

    def fit(self, x: Any, t: Any = None, epochs: int = 1, batch_size: int = 32, validation: Any = None,
            shuffle: bool = True, progress: bool = True, resume: Path | None = None, *, sample_weight: Any = None,
            stratify: bool = False, drop_last: bool = False, transform: Transform | None = None) -> History:  # fmt: skip
        """Train, and return the training history.

        Ctrl-C ends training after the current batch. A second Ctrl-C ends it at once.

        Parameters
        ----------
        x : array_like (N, …), or tuple of them
            The inputs. A tuple if the model takes several. Arrays on disk (`np.memmap`, h5py, zarr)
            are read batch by batch, one batch ahead. Without `t`, x is batches: an iterable that
            can be iterated again, or a function that returns an iterable, of ``(x, t)`` or
            ``(x, t, weight)``. They are used as given, without shuffling.
        t : array_like (N, …), or tuple of them
            The targets. Several are passed to the loss after the outputs of the model.
        epochs, batch_size : int
            The number of passes over all samples, and the number of samples per batch. The last
            batch may be smaller. If the model has a layer such as `BatchNorm`, which needs several
            samples, a last batch of one sample is added to the batch before it.
        validation : float, (x, t), (x, t, weight), or batches, optional
            Samples to evaluate after each epoch: the share of `x` and `t` to hold out, or separate
            samples. The held-out samples depend on the seed of the trainer and are the same in
            every fit. With ``shuffle=False`` they are the last ones.
        shuffle : bool
            Whether to shuffle the samples in every epoch.
        progress : bool
            Whether to print a line for each epoch, and to show a progress bar on a terminal.
        resume : str or path, optional
            A file of `Checkpoint`. Training continues where it was written, up to `epochs` in all,
            with the same results, bit for bit, as if it had never stopped, given the same samples.
            If there is no such file, training begins from the start. The states of all random
            generators come from the file, including that of NumPy's global one. Batches already
            seen are iterated again, so they must be the same in every pass.
        sample_weight : array_like (N,) or of the shape of the loss's terms, optional
            How much each sample counts in the loss. Metrics are not weighted. A batch whose weights
            are all 0 adds nothing to loss and gradient.
        stratify : bool
            Whether the held-out samples contain each class in proportion. Targets are class numbers
            or one-hot.
        drop_last : bool
            Whether to leave out the last batch if it is smaller than `batch_size`.
        transform : callable, optional
            ``transform(x, t, rng)`` returns the inputs and targets to train on instead of those of
            a batch, such as shifted images. Its random numbers depend only on the seed of the
            trainer, the epoch and the batch.

        Returns
        -------
        History
            One row for each completed epoch. ``history.interrupted`` says whether Ctrl-C ended it.

        Raises
        ------
        ShapeError, InvalidValueError, InvalidTypeError
            If the samples or numbers are invalid, or differ from those of the checkpoint. In this
            case, no step has been made.
        FormatError
            If the file to resume from is damaged, or is not a checkpoint.
        NonFiniteError
            If the loss or the gradient of a batch is not finite. The parameters are as before that
            batch.
        """
        with self.ranks.together():
            return self._fit(x, t, sample_weight, epochs, batch_size, validation, shuffle, progress, resume, stratify,
                             drop_last, transform)  # fmt: skip

    def _fit(self, x: Any, t: Any, sample_weight: Any, epochs: int, batch_size: int, validation: Any, shuffle: bool,
             progress: bool, resume: Path | None, stratify: bool, drop_last: bool, transform: Transform | None) -> History:  # fmt: skip
        where = "Trainer.fit"
        epochs = as_count(epochs, "epochs", where)
        batch_size = as_count(batch_size, "batch_size", where, least=1)
        least = self._least_samples
        source = as_source(x, t, sample_weight, batch_size, least, drop_last, where, self._share)
        saved, self.split_seed = self.ranks.from_first(
            lambda: (None if resume is None else read_checkpoint(resume, f"{where}, resume"), self.split_seed)
        )
        held_out: Source | None = None
        is_share = isinstance(validation, int | float | np.number)
        if stratify and not is_share:
            raise InvalidValueError("stratify needs validation=, a share to hold out", where=where)
        if is_share:
            seed = saved.split_seed if saved else self.split_seed
            source, held_out = split(source, validation, seed, shuffle, stratify, where)
        elif validation is not None:
            held_out = as_validation(validation, source, batch_size, where)
        require_targets_of(self.loss, source.head(), where)
        facts = facts_of(self, source, held_out, shuffle, transform)
        if saved:
            saved.require_same(self.model, facts, epochs)
        self.ranks.begin(self, {**facts, "epochs": str(epochs)}, source, held_out)
        n_batches = source.n_batches
        with Interruption() as ctrl_c, preserve_modes(self.model), ignore_all(), with_empty_means(), \
             Progress(progress and not self.rank, epochs, None if n_batches is None else epochs * n_batches) as shown:  # fmt: skip
            with catch_warnings(action="ignore") if self.rank else nullcontext():
                check_before_training(self.model, self.loss, self.metrics, source.head())
            if held_out is not None:  # raise errors of validation now, not after an epoch
                head = held_out.head()
                check_before_training(self.model, self.loss, self.metrics, head, "validation ")
                self._evaluate(ArraySource(head.take(slice(0, batch_size)), batch_size))
            self._n_inputs = len(source.head().inputs)
            self.facts = facts
            self.epochs, self.epoch, self.batch, self.stop = epochs, 0, 0, False
            if about_ranks := str(self.ranks):
                shown.say(about_ranks)
            self.epoch_progress = None
            self.history = History(self._columns(validated=held_out is not None))
            self._discard_gradients()
            try:
                self._run_callbacks("on_fit_begin")
                if saved:
                    saved.restore(self, source, transform)
                    shown.resume(saved.name, self.epoch, self.batch, n_batches)
                else:
                    self.ranks.draw_apart(self.model)
                    if resume is not None:
                        shown.say(f"there is no file {resume} yet, so training begins from the start")
                while len(self.history) < epochs and not self.ranks.any(self.stop or ctrl_c.requested):
                    self._run_epoch(source, held_out, shuffle, transform, ctrl_c, shown)
            except KeyboardInterrupt:
                if ctrl_c.requested or self.ranks.size > 1:
                    raise
                ctrl_c.requested = True
            except BaseException:
                self._run_callbacks("on_fit_error")
                raise
            finally:
                self._discard_gradients()
            self.history.interrupted = self.ranks.any(ctrl_c.requested)
            self._run_callbacks("on_fit_end")
            if self.history.interrupted:
                shown.say(f"interrupted after {len(self.history)} of {epochs} epochs")
        return self.history

    def evaluate(self, x: Any, t: Any = None, batch_size: int = 256, *, sample_weight: Any = None) -> dict[str, float]:
        """Return the loss and the metrics over all samples in evaluation mode.

        The model does not change.

        Parameters
        ----------
        x, t, sample_weight
            As in `fit`. Without `t`, x is batches.
        batch_size : int
            The number of samples to process at a time.
        """
        where = "Trainer.evaluate"
        batch_size = as_count(batch_size, "batch_size", where, least=1)
        with self.ranks.together():
            source = as_source(x, t, sample_weight, batch_size, 1, False, where, self._share)
            require_targets_of(self.loss, source.head(), where)
            self.ranks.begin_evaluation(source)
            return self._evaluate(source)

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
        where = "Trainer.predict"
        if any(map(is_on_disk, x if isinstance(x, tuple) else (x,))):
            first = x[0] if isinstance(x, tuple) else x
            batches = ArraySource(as_samples(x, first, None, where), batch_size).batches()
            return concatenate([self.model.predict(*batch.inputs) for batch in batches])
        return self.model.predict(*as_inputs(x, where), batch_size=batch_size)

    def _run_epoch(self, source: Source, held_out: Source | None, shuffle: bool, transform: Transform | None,
                   ctrl_c: Interruption, shown: Progress) -> None:  # fmt: skip
        """Train to the end of the epoch and append its row, unless training stops before."""
        if self.epoch_progress is None:
            self.epoch += 1
            self.epoch_progress = EpochProgress(self.rng, self.optimizer.lr, self.new_measuring())
        done = self.epoch_progress
        self.model.train()
        if not self._train(done, source, shuffle, transform, ctrl_c, shown):
            return
        self.ranks.end_epoch(self)
        measured = self._results(done.measuring)
        if held_out is not None:
            evaluated = self._evaluate(held_out)
            measured |= {f"val_{name}": value for name, value in evaluated.items()}
        seconds = self.ranks.from_first(lambda: done.seconds)
        row = {"epoch": self.epoch, **measured, "lr": done.lr, "seconds": seconds}
        self.history.append(row)
        self.epoch_progress = None
        shown.epoch_done(row)
        for callback in self.callbacks:
            self.stop = self.ranks.any(self.stop)
            callback.on_epoch_end(self)

    def new_measuring(self) -> Measuring:
        """Return a new object that measures loss and metrics of an epoch."""
        return Measuring(self.model, self.metrics, self._n_inputs, self.loss)

    def _results(self, measuring: Measuring) -> dict[str, float]:
        """Return loss and metrics over all ranks."""
        whole = self.ranks.merged(measuring)
        results: dict[str, float] = self.ranks.from_first(whole.results)
        return results

    def _train(self, epoch: EpochProgress, source: Source, shuffle: bool, transform: Transform | None,
               ctrl_c: Interruption, shown: Progress) -> bool:  # fmt: skip
        """Train on the batches that are left; return whether the epoch is complete."""
        ranks, has_mean = self.ranks, is_mean(self.loss)
        before_step, after_batch = self._overriding("on_step_begin"), self._overriding("on_batch_end")
        may_stop = ranks.size == 1 or bool(before_step or after_batch)
        order = source.order(epoch.rng) if shuffle else None
        around_batch = self._around_batch if self._overriding("around_batch") else ranks.around_batch
        with closing(source.batches_and_last(order, epoch.batch, epoch.fingerprint)) as batches:
            for given, is_last in batches:
                self.batch = epoch.batch = epoch.batch + 1
                if len(given):
                    epoch.last = given
                batch = given if transform is None else self.transformed(given, transform, source)
                n = len(batch)
                with around_batch():
                    y, value, weight = self._forward(batch, n)
                    epoch.whole = whole = ranks.reference(weight, None if self._n_losses else epoch.whole)
                    share = whole if self._n_losses else weight
                    self._backward(y, epoch.accumulate(share, whole * self.accumulate) if has_mean else 1.0, n)
                if n:
                    epoch.measuring.add(y, batch.t, n, value, weight)
                agreed = ranks.agree(value, weight, has_mean, is_last, self.stop or ctrl_c.requested)
                self.batch_loss = agreed.loss
                epoch.accumulated += agreed.weight if has_mean else 0.0
                epoch.n_accumulated += 1
                if agreed.is_last or epoch.n_accumulated == self.accumulate:
                    self._step(epoch, batch, before_step)
                shown.batch_done(self.batch_loss)
                for callback in after_batch:
                    callback.on_batch_end(self)
                if agreed.is_last:
                    return True
                if ranks.any(self.stop or ctrl_c.requested) if may_stop else agreed.stops:
                    return False
        return True

    def _forward(self, batch: Batch, n: int) -> tuple[Any, float, float]:
        """Return the outputs, the loss and the weight that it is the mean over.

        If the share of a rank is empty, the model runs only if its layers add up over ranks.
        """
        if not n:
            y = self.model.forward(*batch.inputs) if self._least_samples > 1 else None
            self.ranks.add_nothing(self._n_losses)
            return y, 0.0, 0.0
        y = self.model.forward(*batch.inputs)
        with self.ranks.around_loss(self._n_losses):
            value = float(self.loss.forward(*arguments_of_loss(self.loss, y, batch)))
        if not isfinite(value):
            raise nonfinite_loss(self.model, batch.inputs, batch.targets, value, self._location)
        return y, value, total_weight(self.loss, batch)

    def _backward(self, y: Any, factor: float, n: int) -> None:
        """Compute the gradients of the loss of `n` samples times a factor."""
        if n:
            with self.ranks.around_loss(self._n_losses):
                dout = self.loss.backward(factor)
            self.model.backward_parameters(_of_outputs(dout, y))
        elif y is not None:
            self.model.backward_parameters(tuple(map(np.zeros_like, y)) if isinstance(y, tuple) else np.zeros_like(y))

    def transformed(self, batch: Batch, transform: Transform | None, source: Source) -> Batch:
        """Return the transformed batch; a batch without samples keeps the form."""
        if transform is None:
            return batch
        if not len(batch):
            return self.transformed(source.head().take(slice(0, 1)), transform, source).take(slice(0, 0))
        rng = np.random.default_rng([self.split_seed, self.epoch, self.batch, *self.ranks.seed])
        try:
            x, t = transform(batch.x, batch.t, rng)
        except (TypeError, ValueError) as error:
            error.add_note("transform is called as transform(x, t, rng), and must return (x, t)")
            raise
        return as_samples(x, t, batch.weight, "Trainer.fit, transform")

    @property
    def _least_samples(self) -> int:
        """The smallest number of samples in a batch. A smaller last batch joins the one before."""
        return 2 * self.ranks.n_statistics if any(each.needs_several_samples for _, each in self.model.walk()) else 1

    def _step(self, epoch: EpochProgress, batch: Batch, before_step: Sequence[Callback]) -> None:
        """Check and clip the gradients, and make an optimizer step (for L-BFGS, on this batch)."""
        gradients = self.optimizer.gradients()
        self.ranks.sum(gradients)
        factor = epoch.end_group()
        if factor != 1.0:
            for gradient in gradients:
                np.multiply(gradient, factor, out=gradient)
        for callback in before_step:
            callback.on_step_begin(self)
        norm = norm_of(self.optimizer.gradients() if before_step else gradients)
        if not isfinite(norm):
            raise nonfinite_gradient(self.model, self._location)
        if self.clip_norm is not None and norm > self.clip_norm:
            clip_grad_norm(self.optimizer, self.clip_norm)
        step: Callable[..., None] = self.optimizer.step
        if self.optimizer.needs_closure:
            step(lambda: self._loss_and_gradients(batch))
        else:
            step()

    def _loss_and_gradients(self, batch: Batch) -> float:
        n = len(batch)
        with self.ranks.around_batch():
            y, value, weight = self._forward(batch, n)
            has_mean = is_mean(self.loss)
            agreed = self.ranks.agree(value, weight, has_mean)
            self._backward(y, weight / agreed.weight if has_mean and agreed.weight and not self._n_losses else 1.0, n)
        self.ranks.sum(self.optimizer.gradients())
        return agreed.loss

    def _evaluate(self, source: Source) -> dict[str, float]:
        measuring = Measuring(self.model, self.metrics, len(source.head().inputs), self.loss)
        has_parts = bool(parts_of(self.loss))  # they report their last values: no copies
        loss = self.loss if has_parts else self.loss.for_inference()
        with closing(source.batches_and_last()) as batches, with_empty_means():
            for batch, is_last in batches:
                if len(batch):
                    y = self.model.predict(*batch.inputs)
                    with self.ranks.around_loss(self._n_losses), nullcontext() if has_parts else without_caching(evaluates=True):
                        value = float(loss.forward(*arguments_of_loss(loss, y, batch)))
                    measuring.add(y, batch.t, len(batch), value, total_weight(loss, batch))
                else:  # the share of this rank
                    self.ranks.add_nothing(self._n_losses)
                if not self.ranks.any(not is_last):
                    break
        return self._results(measuring)

    def _columns(self, validated: bool) -> list[str]:
        measured = ["loss", *parts_of(self.loss), *self.metrics]
        validation = [f"val_{name}" for name in measured if validated]
        return ["epoch", *measured, *validation, "lr", "seconds"]

    @property
    def _share(self) -> tuple[int, int]:
        return self.rank, self.ranks.size

    @property
    def _location(self) -> str:
        return f"epoch {self.epoch}, batch {self.batch}"

    def _discard_gradients(self) -> None:
        self.optimizer.zero_grad()
        self.model.zero_grad()

    def _around_batch(self) -> AbstractContextManager[object]:
        with ExitStack() as contexts:
            contexts.enter_context(self.ranks.around_batch())
            for callback in self._overriding("around_batch"):
                contexts.enter_context(callback.around_batch(self))
            return contexts.pop_all()

    def _overriding(self, method: str) -> list[Callback]:
        """Return the callbacks that override the method."""
        base = getattr(Callback, method)
        return [each for each in self.callbacks if getattr(getattr(each, method), "__func__", None) is not base]

    def _run_callbacks(self, method: str) -> None:
        for callback in self.callbacks:
            getattr(callback, method)(self)


def _of_outputs(dout: Any, y: Any) -> Any:
    """Return only the gradients of the outputs `y`, if a loss also returns those of targets."""
    if not isinstance(dout, tuple):
        return dout
    return dout[: len(y)] if isinstance(y, tuple) else dout[0]
