"""Statistics and histograms of each layer's outputs and gradients during training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array, as_count
from ..errors import MissingError
from ..layer import Layer
from ..recording import Call, watch_calls
from .callbacks import Callback
from .trainer import Trainer

LOWEST, HIGHEST, BINS_A_DECADE = -20, 20, 5
BINS = (HIGHEST - LOWEST) * BINS_A_DECADE
EDGES = np.logspace(LOWEST, HIGHEST, BINS + 1)


class Statistics(NamedTuple):
    """The statistics of a layer's outputs or gradients in one batch."""

    mean: float
    std: float
    rms: float
    """The root of the mean square."""
    min: float
    max: float
    zeros: float
    """The share of values that are exactly 0."""
    nonfinite: float
    """The share of NaN and infinity, which all other statistics leave out."""
    histogram: Array
    """The number of values whose magnitude lies between each two neighbours in `EDGES`.

    Zeros are not counted. The first and the last bin include all values beyond.
    """


def statistics_of(arrays: Any) -> Statistics:
    """Return the statistics of an array, or of a tuple of arrays.

    Examples
    --------
    >>> s = statistics_of(np.array([3.0, 0.0, -4.0, np.inf]))
    >>> s.mean, s.max, s.zeros, s.nonfinite, int(s.histogram.sum())
    (-0.3333333333333333, 3.0, 0.25, 0.25, 2)
    """
    arrays = arrays if isinstance(arrays, tuple) else (arrays,)
    values = np.concatenate([np.ravel(a) for a in arrays]).astype(np.float64)
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
    """The statistics of one layer: a table with one row for each recorded batch.

    ``track["mean"]`` is a column as an array. The columns are ``batch`` and the fields of
    `Statistics`. ``track["histogram"]`` has one histogram per row.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._batches: list[int] = []
        self._rows: list[Statistics] = []

    def append(self, batch: int, row: Statistics) -> None:
        """Append the row of a batch."""
        self._batches.append(batch)
        self._rows.append(row)

    def __getitem__(self, column: str) -> Array:
        if column == "batch":
            return np.array(self._batches)
        if column not in Statistics._fields:
            columns = ", ".join(("batch", *Statistics._fields))
            raise MissingError(f"has no column {column!r}, only: {columns}", where="Track")
        return np.array([getattr(row, column) for row in self._rows])

    def __len__(self) -> int:
        return len(self._rows)

    def state_dict(self) -> dict[str, Any]:
        """Return the table as plain values and arrays."""
        columns = {column: self[column] for column in ("batch", *Statistics._fields)}
        return {"kind": self.kind, **columns}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> Track:
        """Return the table that `state_dict` describes."""
        track = cls(state["kind"])
        numbers = [state[column].tolist() for column in Statistics._fields if column != "histogram"]
        for batch, *row, histogram in zip(state["batch"].tolist(), *numbers, state["histogram"], strict=True):
            track.append(batch, Statistics._make([*row, histogram]))
        return track


class LayerStatistics(Callback):
    """Statistics of every layer's output and of dL/d(output), recorded during training.

    It records every layer, including your own layers and those inside them. The results of training
    stay the same, bit for bit. Only statistics are kept, not the arrays.

    The gradients are those of the outputs, because dL/d(output) of a layer is that of the last
    layer times all Jacobians in between. This product of many factors may vanish or explode. The
    gradient of a weight has the layer's input as a further factor, and layers without parameters
    have none.

    Parameters
    ----------
    every : int
        The interval between recorded batches, starting with the first. A recorded step takes
        longer.

    Attributes
    ----------
    activations, gradients : dict of str to Track
        By the path of the layer, in the order of forward. If a batch raises an error, it has a row
        for the layers that ran before.

    Notes
    -----
    X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural
    networks, AISTATS 2010, examine the same two quantities, layer by layer.
    `netlib.plot.activations` and `netlib.plot.gradients` draw them.

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.xor(64, rng=0)
    >>> model = nl.Sequential(nl.Affine(2, 8, rng=0), nl.Sigmoid(), nl.Affine(8, 2, rng=1))
    >>> loss, optimizer = nl.SoftmaxCrossEntropy(), nl.SGD(model, lr=0.1)
    >>> record = nl.LayerStatistics(every=2)
    >>> trainer = nl.Trainer(model, loss, optimizer, callbacks=[record], seed=0)
    >>> history = trainer.fit(x, t, epochs=2, batch_size=16, progress=False)
    >>> list(record.activations), record.gradients["1"]["batch"]
    (['0', '1', '2'], array([1, 3, 5, 7]))

    The slope of a sigmoid is at most 1/4, so the gradient shrinks on the way back:

    >>> bool((record.gradients["0"]["rms"] < record.gradients["1"]["rms"]).all())
    True
    """

    needed_to_resume = False

    def __init__(self, every: int = 10) -> None:
        self.every = as_count(every, "every", "LayerStatistics", least=1)
        self.activations: dict[str, Track] = {}
        self.gradients: dict[str, Track] = {}
        self._batch = 0

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Discard the records of an earlier training."""
        self.activations, self.gradients = {}, {}
        self._batch = 0

    def around_batch(self, trainer: Trainer) -> AbstractContextManager[object]:
        """Record the batch if it is due."""
        is_due = self._batch % self.every == 0
        self._batch += 1
        return self._record_batch(trainer.model) if is_due else nullcontext()

    def state_dict(self) -> dict[str, Any]:
        """Return the records so far."""
        tracks = {"activations": self.activations, "gradients": self.gradients}
        tables = {name: {path: track.state_dict() for path, track in by_path.items()} for name, by_path in tracks.items()}
        return {"batch": self._batch, **tables}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._batch = state["batch"]
        self.activations = {path: Track.from_state_dict(each) for path, each in state["activations"].items()}
        self.gradients = {path: Track.from_state_dict(each) for path, each in state["gradients"].items()}

    @contextmanager
    def _record_batch(self, model: Layer) -> Iterator[None]:
        kinds: dict[str, str] = {}
        outputs: dict[str, Statistics] = {}
        douts: dict[str, Statistics] = {}

        def record_output(call: Call) -> None:
            kinds[call.path] = type(call.layer).__name__
            outputs[call.path] = statistics_of(call.output)

        def record_gradient(path: str, layer: Layer, dout: Any) -> None:
            douts[path] = statistics_of(dout)

        try:
            with watch_calls(model, record_output, record_gradient):
                yield
        finally:
            for tracks, rows in ((self.activations, outputs), (self.gradients, douts)):
                for path, kind in kinds.items():  # in the order of forward
                    if path in rows:
                        tracks.setdefault(path, Track(kind)).append(self._batch, rows[path])
