"""What goes through each layer while a model is trained: statistics and histograms, never whole arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array, as_count
from ..errors import MissingError
from ..layer import Layer
from ..recording import Call, watched
from ..representation import call_text
from .callbacks import Callback
from .trainer import Trainer

LOWEST, HIGHEST, BINS_A_DECADE = -20, 20, 5
BINS = (HIGHEST - LOWEST) * BINS_A_DECADE
EDGES = np.logspace(LOWEST, HIGHEST, BINS + 1)


class Statistics(NamedTuple):
    """What is kept of the values that went through a layer in one batch."""

    mean: float
    std: float
    rms: float
    """The root of the mean square."""
    min: float
    max: float
    zeros: float
    """Which share is exactly 0."""
    nonfinite: float
    """Which share is NaN or infinite; all other statistics leave these out."""
    histogram: Array
    """How many have a magnitude between two neighbours of `EDGES`; zeros have none, the outermost bins hold all beyond them."""


def statistics_of(arrays: Any) -> Statistics:
    """Return what is kept of an array, or of a tuple of them.

    Examples
    --------
    >>> kept = statistics_of(np.array([3.0, 0.0, -4.0, np.inf]))
    >>> kept.mean, kept.max, kept.zeros, kept.nonfinite, int(kept.histogram.sum())
    (-0.3333333333333333, 3.0, 0.25, 0.25, 2)
    """
    values = np.concatenate([np.ravel(a) for a in (arrays if isinstance(arrays, tuple) else (arrays,))]).astype(np.float64)
    finite = values[np.isfinite(values)]
    some = finite if finite.size else np.array([np.nan])
    exponents = np.clip(np.log10(np.abs(finite[finite != 0])), LOWEST, HIGHEST)
    return Statistics(
        mean=float(some.mean()),
        std=float(some.std()),
        rms=float(np.sqrt(np.mean(some * some))),
        min=float(some.min()),
        max=float(some.max()),
        zeros=1 - int(np.count_nonzero(values)) / max(values.size, 1),
        nonfinite=1 - finite.size / max(values.size, 1),
        histogram=np.histogram(exponents, BINS, (LOWEST, HIGHEST))[0].astype(np.int32),
    )


class Track:
    """What went through one layer: a table with a row for each batch that was looked at.

    ``track["mean"]`` is a column as an array: ``batch``, and the fields of `Statistics`; ``track["histogram"]`` has one histogram a row.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._batches: list[int] = []
        self._rows: list[Statistics] = []

    def append(self, batch: int, row: Statistics) -> None:
        """Add the row of one more batch."""
        self._batches.append(batch)
        self._rows.append(row)

    def __getitem__(self, column: str) -> Array:
        if column == "batch":
            return np.array(self._batches)
        if column not in Statistics._fields:
            raise MissingError(f"has no column {column!r}, only: {', '.join(('batch', *Statistics._fields))}", where="Track")
        return np.array([getattr(row, column) for row in self._rows])

    def __len__(self) -> int:
        return len(self._rows)


class LayerStatistics(Callback):
    """Records how large the outputs of every layer are, and dL/d(output), as histograms over time.

    It looks at the training step itself, from outside, at any layer, a user's own and those inside it included. Training goes on with the
    same bits. Of the arrays only statistics are kept.

    The gradients are those of the outputs, since dL/d(output) of a layer is dL/d(output) of the last one times the Jacobians in between:
    it is the product of many factors that vanishes or explodes. The gradient of a weight has the layer's input as one more factor, and
    layers without parameters have none.

    Parameters
    ----------
    every : int
        It looks at the first batch of a training and at every so many after it. A step that is looked at takes longer.

    Attributes
    ----------
    activations, gradients : dict of str to Track
        By the path of the layer, in the order of forward. A batch that ended in an error is there as far as it came.

    Notes
    -----
    X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010, look at the same
    two quantities, layer by layer. `netlib.plot.activations` and `netlib.plot.gradients` draw them.

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.xor(64, rng=0)
    >>> model, record = nl.Sequential(nl.Affine(2, 8, rng=0), nl.Sigmoid(), nl.Affine(8, 2, rng=1)), nl.LayerStatistics(every=2)
    >>> trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.SGD(model, lr=0.1), callbacks=[record], seed=0)
    >>> history = trainer.fit(x, t, epochs=2, batch_size=16, progress=False)
    >>> list(record.activations), record.gradients["1"]["batch"]
    (['0', '1', '2'], array([1, 3, 5, 7]))
    >>> bool((record.gradients["0"]["rms"] < record.gradients["1"]["rms"]).all())  # a sigmoid's slope is at most 1/4
    True
    """

    def __init__(self, every: int = 10) -> None:
        self.every = as_count(every, "every", "LayerStatistics", least=1)
        self.activations: dict[str, Track] = {}
        self.gradients: dict[str, Track] = {}
        self._batch = 0

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Forget an earlier training."""
        self.activations, self.gradients = {}, {}
        self._batch = 0

    def around_batch(self, trainer: Trainer) -> AbstractContextManager[object]:
        """Look, if it is time."""
        self._batch += 1
        return nullcontext() if (self._batch - 1) % self.every else self._looking(trainer.model)

    @contextmanager
    def _looking(self, model: Layer) -> Iterator[None]:
        kinds: dict[str, str] = {}
        outputs: dict[str, Statistics] = {}
        douts: dict[str, Statistics] = {}

        def output(call: Call) -> None:
            kinds[call.path] = type(call.layer).__name__
            outputs[call.path] = statistics_of(call.output)

        def gradient(path: str, layer: Layer, dout: Any) -> None:
            douts[path] = statistics_of(dout)

        try:
            with watched(model, output, gradient):
                yield
        finally:
            for tracks, kept in ((self.activations, outputs), (self.gradients, douts)):
                for path, kind in kinds.items():  # in the order of forward
                    if path in kept:
                        tracks.setdefault(path, Track(kind)).append(self._batch, kept[path])

    def __repr__(self) -> str:
        return call_text(self)
