"""Continuing sequences of ids with a model that scores the next id: `generate`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import RNG, Array, ArrayLike, as_array, as_count, as_number, as_rng
from .errors import InvalidTypeError, InvalidValueError, NonFiniteError, ShapeError
from .execution import without_caching
from .layer import Layer, as_layer

WHERE = "generate"


def generate(model: Layer, prompt: ArrayLike, steps: int, temperature: float = 1.0, top_k: int | None = None, rng: RNG = None) -> Array:
    """Continue sequences of ids: draw the next id from the model's scores, `steps` times.

    The id k follows with probability softmax(scores / temperature)[k].

    Parameters
    ----------
    model : Layer
        Takes ids (N, T) and returns scores (N, T, vocabulary): those at position t are for the next
        id, and must not depend on later ids. It runs in evaluation mode and does not change.
    prompt : array_like of int (T,) or (N, T)
        The beginning of the sequences. Several rows are continued independently.
    steps : int
        The number of ids to add to each sequence.
    temperature : float
        Below 1, likely ids become even more likely; 0 always takes the id with the highest score,
        the first if there are several.
    top_k : int, optional
        Draw only among the `top_k` ids with the highest scores.
    rng : int or Generator, optional
        Random generator or seed.

    Returns
    -------
    int64 array (T + steps,) or (N, T + steps)
        The prompt and its continuation.

    Raises
    ------
    InvalidTypeError
        If the prompt does not consist of integers.
    InvalidValueError
        If the prompt is empty or has an id outside the vocabulary, if the sequence becomes longer
        than a layer of the model can take, such as a `PositionalEmbedding`, or if an argument is
        out of its range.
    ShapeError
        If the prompt or the scores have another shape.
    NonFiniteError
        If a score is NaN or infinity, or all scores of a row are minus infinity.

    Notes
    -----
    If every layer works on each position separately (`Layer.is_positionwise`) or continues from
    what it keeps of earlier positions (`Layer.forward_next`), each step computes only the new
    position. Attention then uses cached keys and values, and a step takes time in proportion to T.
    If there is any other layer, each step runs the model on the whole sequence.

    Examples
    --------
    A table of scores, one row for each id: b follows a, and c follows b.

    >>> import netlib as nl
    >>> table = nl.Affine.from_arrays([[0.0, 9.0, 0.0], [0.0, 0.0, 9.0], [9.0, 0.0, 0.0]])
    >>> class OneHot(nl.Layer):
    ...     def forward(self, ids):
    ...         return np.eye(3)[ids]
    >>> ids = generate(nl.Sequential(OneHot(), table), [0], steps=5, temperature=0)
    >>> "".join("abc"[i] for i in ids)
    'abcabc'
    """
    model = as_layer(model, WHERE)
    ids = _as_ids(prompt)
    steps = as_count(steps, "steps", WHERE)
    temperature = as_number(temperature, "temperature", WHERE, least=0)
    if top_k is not None:
        top_k = as_count(top_k, "top_k", WHERE, least=1)
    rng = as_rng(rng, WHERE)
    rows = np.atleast_2d(ids)
    start, end = rows.shape[1], rows.shape[1] + steps
    _require_room(model, start, steps)

    result = np.empty((len(rows), end), np.int64)
    result[:, :start] = rows
    scorer = _Scorer(model)
    before = rng.bit_generator.state
    try:
        for n in range(start, end):
            result[:, n] = [choose(row, temperature, top_k, rng) for row in scorer.scores(result[:, :n])]
    except BaseException:
        rng.bit_generator.state = before
        raise
    return result.reshape(*ids.shape[:-1], end)


def choose(scores: Array, temperature: float, top_k: int | None, rng: np.random.Generator) -> int:
    """Return an id, given a score for each.

    >>> choose(np.array([0.0, 2.0, 1.0]), 0.0, None, np.random.default_rng(0))
    1
    """
    if temperature == 0:
        return int(scores.argmax())
    with np.errstate(over="ignore", under="ignore"):
        p = np.exp((scores.astype(np.float64) - scores.max()) / temperature)
        p[np.argsort(-scores, kind="stable")[top_k or scores.size :]] = 0
        sums = p.cumsum()
        return int(sums.searchsorted(sums[-1] * rng.random(), side="right"))


class _Scorer:
    """The scores of the next id, computed from the new positions only if the model can do so."""

    def __init__(self, model: Layer) -> None:
        self._model = model
        self._is_incremental = True
        self._past: Any = None
        self._n_past = 0

    def scores(self, ids: Array) -> Array:
        """Return the scores (N, vocabulary) of the id after `ids` (N, T), which grow by columns."""
        y, new = self._run(ids)
        if not isinstance(y, np.ndarray) or y.ndim != 3 or y.shape[:2] != new.shape or not y.shape[2]:
            got = f"scores of shape {y.shape}" if isinstance(y, np.ndarray) else type(y).__name__
            raise ShapeError(f"ids of shape {new.shape} gave {got}, expected (N, T, vocabulary)", where=WHERE)
        scores = y[:, -1]
        vocabulary = scores.shape[1]
        if ids.max() >= vocabulary:
            row, place = np.argwhere(ids >= vocabulary)[0].tolist()
            message = f"the id {ids[row, place]} at ({row}, {place}) is outside the vocabulary, expected 0 to {vocabulary - 1}"
            raise InvalidValueError(message, where=WHERE)
        for row, highest in enumerate(scores.max(axis=-1)):
            if not np.isfinite(highest):
                message = f"the highest score for position {ids.shape[1]} of row {row} is {highest}, expected a finite number"
                raise NonFiniteError(message, where=WHERE, hint="Is a parameter of the model NaN?")
        return scores

    def _run(self, ids: Array) -> tuple[Any, Array]:
        """Return the outputs of the model, and the ids passed to it."""
        if self._is_incremental:
            new = ids[:, self._n_past :]
            with without_caching(evaluates=True):
                following = self._model.for_inference().forward_next(self._past, new)
            if following is not NotImplemented:
                y, self._past = following
                self._n_past = ids.shape[1]
                return y, new
            self._is_incremental, self._past = False, None
        return self._model.predict(ids), ids


def _as_ids(prompt: ArrayLike) -> Array:
    """Return the prompt as an integer array (T,) or (N, T), or raise."""
    ids = as_array(prompt, WHERE)
    if ids.ndim not in (1, 2):
        hint = "Wrap the number: [id]." if ids.ndim == 0 else ""
        raise ShapeError(f"the prompt has shape {ids.shape}, expected (T,) or (N, T)", where=WHERE, hint=hint)
    if not ids.size:
        message = f"the prompt has shape {ids.shape}, expected at least one id"
        raise InvalidValueError(message, where=WHERE, hint="Begin with an id that stands for the start.")
    if ids.dtype.kind not in "iu":
        hint = "Convert it with prompt.astype(int)."
        raise InvalidTypeError(f"the prompt is an array of {ids.dtype}, expected integers", where=WHERE, hint=hint)
    if ids.min() < 0:
        place = tuple(np.argwhere(ids < 0)[0].tolist())
        raise InvalidValueError(f"the id at {place} is {ids[place]}, expected 0 or more", where=WHERE)
    return ids


def _require_room(model: Layer, start: int, steps: int) -> None:
    """Raise if the model takes fewer positions than needed, which is all but the last id."""
    n = start + max(steps, 1) - 1
    for path, layer in model.walk():
        if layer.max_length is not None and n > layer.max_length:
            message = f"a prompt of {start} ids and {steps} steps need {n} positions, expected at most {layer.max_length}"
            where = " ".join(filter(None, (path, str(layer))))
            raise InvalidValueError(message, where=f"{WHERE}, {where}")
