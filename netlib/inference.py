"""Running a model without changing it: the implementation of `Layer.predict`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import Array, as_array, as_count
from .errors import ShapeError
from .execution import execution

if TYPE_CHECKING:
    from .layer import Layer


def predict(layer: Layer, inputs: Sequence[Any], batch_size: int | None, progress: bool) -> Any:
    """Return the outputs of `layer` in evaluation mode, computed `batch_size` rows at a time."""
    # as in `without_caching`, which would take a microsecond longer
    before = execution.keeps, execution.evaluates, execution.op
    execution.keeps, execution.evaluates, execution.op = False, True, None
    try:
        if batch_size is None:
            return layer.for_inference().forward(*inputs)
        where = f"{type(layer).__name__}.predict"
        batch_size = as_count(batch_size, "batch_size", where, least=1)
        return _predict_in_batches(layer, _as_rows(inputs, where), batch_size, progress, where)
    finally:
        execution.keeps, execution.evaluates, execution.op = before


def _as_rows(inputs: Sequence[Any], where: str) -> list[Array]:
    arrays = [as_array(x, where) for x in inputs]
    if not arrays or any(a.ndim == 0 for a in arrays):
        message = "got an input without rows, expected arrays of shape (N, …)"
        raise ShapeError(message, where=where, hint="Leave batch_size out.")
    lengths = {len(a) for a in arrays}
    if len(lengths) > 1:
        shapes = " and ".join(str(a.shape) for a in arrays)
        raise ShapeError(f"got inputs of shapes {shapes}, expected equal numbers of rows", where=where)
    return arrays


def _predict_in_batches(layer: Layer, arrays: Sequence[Array], batch_size: int, progress: bool, where: str) -> Any:
    """Fill the arrays of the result batch by batch, so that only one more batch is in memory."""
    n = len(arrays[0])
    if n <= batch_size:
        return _require_rows(layer.for_inference().forward(*arrays), n, where)
    starts: Any = range(0, n, batch_size)
    if progress:
        from tqdm import tqdm

        starts = tqdm(starts, unit="batch", leave=False)
    results: tuple[Array, ...] = ()
    is_single = True
    for start in starts:
        rows = slice(start, start + batch_size)
        y = layer.for_inference().forward(*(a[rows] for a in arrays))
        y = _require_rows(y, len(arrays[0][rows]), where)
        is_single = not isinstance(y, tuple)
        outputs = (y,) if is_single else y
        if not results:
            results = tuple(np.empty((n, *each.shape[1:]), each.dtype) for each in outputs)
        for result, each in zip(results, outputs, strict=True):
            result[rows] = each
    return results[0] if is_single else results


def _require_rows(y: Any, n: int, where: str) -> Any:
    """Return `y`, or raise if an output does not have `n` rows and so cannot be concatenated."""
    for each in y if isinstance(y, tuple) else (y,):
        if np.ndim(each) == 0 or len(each) != n:
            message = f"{n} rows gave an output of shape {np.shape(each)}, expected {n} rows"
            hint = "Leave batch_size out: the samples are not independent."
            raise ShapeError(message, where=where, hint=hint)
    return y
