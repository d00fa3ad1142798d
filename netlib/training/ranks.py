"""The processes that train together: a single one, or the ranks of an MPI job."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import numpy as np

from ..arrays import Array
from ..errors import InvalidValueError, RankError
from ..execution import with_total
from ..kernels.threads import at_most_threads, cores
from ..layer import Layer
from ..random_state import generators, set_state, state
from .channel import Channel, channel_of, require_communicator
from .resuming import excerpts

if TYPE_CHECKING:
    from .measuring import Measuring
    from .sources import Source
    from .trainer import Trainer


class Agreed(NamedTuple):
    """What all ranks know about a batch."""

    loss: float
    """The loss of the whole batch."""
    weight: float
    """The weight that it is the mean over."""
    is_last: bool
    """Whether no rank has a further batch."""
    stops: bool
    """Whether any rank stops after this batch."""


class Alone:
    """One process, with whole batches. The operations over all ranks of `Ranks` do nothing here."""

    rank, size = 0, 1
    n_statistics = 1
    """How many statistics of a batch there are, each of some of its samples."""
    seed: tuple[int, ...] = ()
    """What makes random numbers of this rank differ from those of rank 0."""

    def together(self) -> AbstractContextManager[object]:
        """Return a context in which all ranks fit or evaluate."""
        return nullcontext()

    def around_batch(self) -> AbstractContextManager[object]:
        """Return a context in which layers compute statistics over all ranks."""
        return nullcontext()

    def rehearsing(self) -> AbstractContextManager[object]:
        """Return a context in which layers count this rank's share for every other rank too."""
        return nullcontext()

    def around_loss(self, n_losses: int) -> AbstractContextManager[object]:
        """Return a context in which each of `n_losses` losses is that of the whole batch."""
        return nullcontext()

    def add_nothing(self, n_losses: int) -> None:
        """Take part in the sums of `n_losses` losses, without samples."""

    def begin(self, trainer: Trainer, facts: dict[str, str], source: Source, held_out: Source | None) -> None:
        """Raise if a rank differs from the first in facts or samples, else copy its state."""

    def begin_evaluation(self, source: Source) -> None:
        """Raise if a rank has other samples than the first."""

    def end_epoch(self, trainer: Trainer) -> None:
        """Raise if a rank has diverged, and copy the buffers of the first to all."""

    def draw_apart(self, layer: Layer, saved: Sequence[Sequence[Any]] = ()) -> None:
        """Let each rank draw its own random numbers, or continue from as many `saved` states."""

    def reference(self, weight: float, before: float | None) -> float:
        """Return the weight of the whole batch, given that of this rank's share, or `before`."""
        return weight or 1.0

    def agree(self, value: float, weight: float, is_mean: bool, is_last: bool = True, stops: bool = False) -> Agreed:
        """Return what all ranks know, given what this one knows about its share."""
        return Agreed(value, weight, is_last, stops)

    def any(self, here: bool) -> bool:
        """Return whether `here` is true on any rank."""
        return here

    def sum(self, arrays: Sequence[Array]) -> None:
        """Add up arrays over all ranks, in place."""

    def from_first(self, make: Callable[[], Any]) -> Any:
        """Return the result of the function, which only the first rank calls."""
        return make()

    def gather(self, item: Any) -> list[Any]:
        """Return the item of each rank."""
        return [item]

    def merged(self, measuring: Measuring) -> Measuring:
        """Return the measurements of all ranks."""
        return measuring

    def __str__(self) -> str:
        return ""


class Ranks(Alone):
    """The ranks of an MPI job, each of which trains on a share of every batch.

    Parameters
    ----------
    channel : Channel
    sync_batch_norm : bool
        Whether batch norm computes its statistics over all ranks.

    Attributes
    ----------
    threads : int
        How many threads this rank uses while it trains or evaluates: the cores of the machine,
        divided by the number of ranks that run on them.
    """

    def __init__(self, channel: Channel, sync_batch_norm: bool) -> None:
        self._channel, self._sync = channel, sync_batch_norm
        self.rank, self.size = channel.rank, channel.size
        self.n_statistics = 1 if sync_batch_norm else self.size
        self.seed = (self.rank,) if self.rank else ()
        here, of_ranks = set(cores()), channel.on_this_machine()
        self.threads = max(len(here) // sum(not here.isdisjoint(each) for each in of_ranks), 1)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Tell the other ranks of an error that leaves the block, and wait for them at its end."""
        try:
            with at_most_threads(self.threads):
                yield
                self._channel.agree()
        except BaseException as error:
            self._channel.fail(error)
            raise

    def around_batch(self) -> AbstractContextManager[object]:
        """Return a context in which layers compute statistics over all ranks."""
        return with_total(self._total) if self._sync else nullcontext()

    def rehearsing(self) -> AbstractContextManager[object]:
        """Return a context in which layers count this rank's share for every other rank too."""
        return with_total(lambda sums: self.size * sums) if self._sync else nullcontext()

    def around_loss(self, n_losses: int) -> AbstractContextManager[object]:
        """Return a context in which each of `n_losses` losses is that of the whole batch."""
        return with_total(self._total if n_losses else None)

    def add_nothing(self, n_losses: int) -> None:
        """Take part in the sums of `n_losses` losses, without samples."""
        for _ in range(n_losses):
            self._total(np.zeros(2))

    def _total(self, array: Array) -> Array:
        total = array.copy()
        self._channel.sum([total])
        return total

    def begin(self, trainer: Trainer, facts: dict[str, str], source: Source, held_out: Source | None) -> None:
        """Raise if a rank differs from the first in facts or samples, else copy its state."""
        model, optimizer = trainer.model, trainer.optimizer
        arrays = model.state_dict()
        shapes = ", ".join(f"{path} {each.shape} {each.dtype}" for path, each in arrays.items())
        callbacks = ", ".join(type(each).__name__ for each in trainer.callbacks)
        samples = source.identity() | (held_out.identity("validation ") if held_out else {})
        self._require_same({**facts, "the list of callbacks": callbacks, "the list of arrays": shapes, **samples}, "Trainer.fit")
        trainer.rng = copy.deepcopy(trainer.rng)  # layers may draw from the same
        drawing = generators(model)
        kept = (
            model.state_dict(), optimizer.state_dict(), trainer.split_seed, state(trainer.rng), [*map(state, drawing)]
        )  # fmt: skip
        arrays_of_model, state_of_optimizer, trainer.split_seed, of_trainer, of_layers = self._channel.from_first(kept)
        if self.rank:
            model.load_state_dict(arrays_of_model)
            optimizer.load_state_dict(state_of_optimizer)
            set_state(trainer.rng, of_trainer)
            for generator, of_first in zip(drawing, of_layers, strict=True):
                set_state(generator, of_first)

    def begin_evaluation(self, source: Source) -> None:
        """Raise if a rank has other samples than the first."""
        self._require_same({"the data": source.description, **source.identity()}, "Trainer.evaluate")

    def _require_same(self, facts: dict[str, str], where: str) -> None:
        first, *others = self._channel.gather(facts)
        differences = [
            f"{name} is {', and on rank 0 '.join(excerpts(of_rank[name], text))} on rank {rank}"
            for rank, of_rank in enumerate(others, start=1)
            for name, text in first.items()
            if of_rank[name] != text
        ]
        if differences:
            hint = "Every rank must run the same program. If each has its own samples, pass batches."
            raise InvalidValueError(f"the ranks differ: {'; '.join(differences[:5])}", where=where, hint=hint)

    def end_epoch(self, trainer: Trainer) -> None:
        """Raise if a rank has diverged, and copy the buffers of the first to all."""
        numbers = 0
        for parameter in trainer.model.parameters().values():
            numbers = crc32(parameter.value.tobytes(), numbers)
        first, *others = self._channel.gather({"weights are": numbers, "random generator of the trainer is": str(state(trainer.rng))})
        for rank, of_rank in enumerate(others, start=1):
            for what, value in first.items():
                if of_rank[what] != value:
                    hint = "Callbacks and layers must do the same on all ranks. Random numbers must come from generators of the model."
                    message = f"in epoch {trainer.epoch} the {what} no longer the same on rank {rank} as on rank 0"
                    raise RankError(message, where="Trainer.fit", hint=hint)
        buffers = trainer.model.buffers()
        values = self._channel.from_first({path: buffer.value for path, buffer in buffers.items()} if buffers else None)
        for path, buffer in buffers.items():
            buffer.value = values[path]

    def draw_apart(self, layer: Layer, saved: Sequence[Sequence[Any]] = ()) -> None:
        """Let each rank draw its own random numbers, or continue from as many `saved` states."""
        drawing = generators(layer)
        if len(saved) == self.size:
            for generator, of_rank in zip(drawing, saved[self.rank], strict=True):
                set_state(generator, of_rank)
            return
        for generator in drawing:
            set_state(generator, _state_of_rank(generator, self.rank))

    def reference(self, weight: float, before: float | None) -> float:
        """Return the weight of the whole batch, given that of this rank's share, or `before`."""
        return self._channel.agree(weight)[0] or 1.0 if before is None else before

    def agree(self, value: float, weight: float, is_mean: bool, is_last: bool = True, stops: bool = False) -> Agreed:
        """Return what all ranks know, given what this one knows about its share."""
        total, whole, further, stopping = self._channel.agree(value * weight if is_mean else value, weight, not is_last, stops)
        mean = total / whole if whole else 0.0
        return Agreed(mean if is_mean else total, whole, not further, stopping > 0)

    def any(self, here: bool) -> bool:
        """Return whether `here` is true on any rank."""
        return self._channel.agree(here)[0] > 0

    def sum(self, arrays: Sequence[Array]) -> None:
        """Add up arrays over all ranks, in place."""
        self._channel.sum(arrays)

    def from_first(self, make: Callable[[], Any]) -> Any:
        """Return the result of the function, which only the first rank calls."""
        return self._channel.from_first(make() if self.rank == 0 else None)

    def gather(self, item: Any) -> list[Any]:
        """Return the item of each rank."""
        return self._channel.gather(item)

    def merged(self, measuring: Measuring) -> Measuring:
        """Return the measurements of all ranks."""
        return measuring.merged(self._channel.gather(measuring.state_dict()))

    def __str__(self) -> str:
        return f"{self.size} ranks, with {self.threads} thread{'s' if self.threads > 1 else ''} each"


def as_ranks(communicator: Any, sync_batch_norm: bool, where: str) -> Alone:
    """Return the ranks of a communicator. One rank, or none, is a single process."""
    if communicator is None:
        return Alone()
    require_communicator(communicator, where)
    return Ranks(channel_of(communicator), sync_batch_norm) if communicator.Get_size() > 1 else Alone()


def _state_of_rank(generator: Any, rank: int) -> Any:
    """Return a state for `generator` of its kind, by its next number and the rank.

    >>> a, b, c = (_state_of_rank(np.random.default_rng(0), rank) for rank in (1, 1, 2))
    >>> a == b, a == c
    (True, False)
    """
    if hasattr(generator, "bit_generator"):
        seed = int(generator.integers(2**63))
        return type(generator.bit_generator)(np.random.SeedSequence([seed, rank])).state
    seed = int(generator.randint(2**31))
    return np.random.RandomState([seed, rank]).get_state(legacy=False)
