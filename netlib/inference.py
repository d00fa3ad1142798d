"""Running a model without leaving a trace in it: the machinery behind `Layer.predict`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import Array, as_array, as_count
from .errors import ShapeError
from .execution import execution

if TYPE_CHECKING:
    from .layer import Layer


def outputs_of(layer: Layer, inputs: Sequence[Any], batch_size: int | None, progress: bool) -> Any:
    """Return what `layer` makes of `inputs` in evaluation mode, `batch_size` rows at a time."""
    before = execution.keeps, execution.evaluates, execution.op  # as in `keeping_nothing`, which would cost a microsecond more
    execution.keeps, execution.evaluates, execution.op = False, True, None
    try:
        if batch_size is None:
            return layer.untraced().forward(*inputs)
        where = f"{type(layer).__name__}.predict"
        batch_size = as_count(batch_size, "batch_size", where, least=1)
        return _in_batches(layer, _as_rows(inputs, where), batch_size, progress, where)
    finally:
        execution.keeps, execution.evaluates, execution.op = before


def _as_rows(inputs: Sequence[Any], where: str) -> list[Array]:
    arrays = [as_array(x, where) for x in inputs]
    if not arrays or any(a.ndim == 0 for a in arrays):
        raise ShapeError("got an input without rows, wanted arrays of shape (N, …)", where=where, hint="Leave batch_size out.")
    lengths = {len(a) for a in arrays}
    if len(lengths) > 1:
        shapes = " and ".join(str(a.shape) for a in arrays)
        raise ShapeError(f"got inputs of shapes {shapes}, wanted equally many rows", where=where)
    return arrays


def _in_batches(layer: Layer, arrays: Sequence[Array], batch_size: int, progress: bool, where: str) -> Any:
    """Fill arrays for all rows batch by batch, so that no more than one batch is held besides the result."""
    n = len(arrays[0])
    if n <= batch_size:
        return _checked(layer.untraced().forward(*arrays), n, where)
    starts: Any = range(0, n, batch_size)
    if progress:
        from tqdm import tqdm

        starts = tqdm(starts, unit="batch", leave=False)
    results: tuple[Array, ...] = ()
    is_single = True
    for start in starts:
        rows = slice(start, start + batch_size)
        y = _checked(layer.untraced().forward(*(a[rows] for a in arrays)), len(arrays[0][rows]), where)
        is_single = not isinstance(y, tuple)
        outputs = (y,) if is_single else y
        if not results:
            results = tuple(np.empty((n, *each.shape[1:]), each.dtype) for each in outputs)
        for result, each in zip(results, outputs, strict=True):
            result[rows] = each
    return results[0] if is_single else results


def _checked(y: Any, n: int, where: str) -> Any:
    """Return `y`, after refusing outputs of other than `n` rows: they could not be put together."""
    for each in y if isinstance(y, tuple) else (y,):
        if np.ndim(each) == 0 or len(each) != n:
            message = f"{n} rows became an output of shape {np.shape(each)}, wanted as many rows"
            raise ShapeError(message, where=where, hint="Leave batch_size out: the samples are not independent.")
    return y
