"""A batch compared with one of its rows: if forward keeps rows separate, so must backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array
from ..analytic import Gradients, as_numbers, gradients
from ..blocks import LARGE, largest, largest_finite
from ..equality import is_close
from ..guards import UserCodeError
from ..twin import Twin
from .samples import FEW

ROUNDING = 1e-13
"""A gradient this much smaller than another is 0 up to rounding, such as that of keys' bias."""


class Rows(NamedTuple):
    """How backward treats the rows of a batch, which forward keeps separate."""

    mixed: set[str]
    """The inputs for which dout in one row reaches other rows."""
    unlike: set[str]
    """The inputs and parameters for which a row in a batch has another gradient than alone."""


def compare_rows(twin: Twin, ys: Sequence[Array], douts: Sequence[Array], tolerance: float) -> Rows | None:
    """Compare the last row of a batch with a batch of that row; None if forward mixes rows.

    The last few rows are enough where rows are large.
    """
    n = np.shape(ys[0])[0] if ys and np.ndim(ys[0]) else 0
    if n < 2 or not twin.takes_dout or any(np.shape(y)[:1] != (n,) for y in ys):
        return None
    batched = [i for i, x in enumerate(twin.inputs) if np.shape(x)[:1] == (n,)]
    given = inputs = twin.inputs
    if sum(map(np.size, inputs)) > LARGE:
        inputs = [x[-FEW:] if i in batched else x for i, x in enumerate(inputs)]
        ys, douts = [y[-FEW:] for y in ys], [d[-FEW:] for d in douts]
    try:
        twin.inputs = inputs
        twin.forward()
        there = gradients(twin, [_last_row_alone(d) for d in douts], are_spent=True)
        twin.inputs = [_moved(x) if i in batched and i in twin.float_inputs else x for i, x in enumerate(inputs)]
        if not _agree([y[:-1] for y in ys], [np.atleast_1d(z)[:-1] for z in twin.forward()], tolerance):
            return None
        twin.inputs = [x[-1:] if i in batched else x for i, x in enumerate(inputs)]
        if not _agree([y[-1:] for y in ys], twin.forward(), tolerance):
            return None
        shapes = {f"input {i}": np.shape(x) for i, x in enumerate(inputs)} | {path: p.shape for path, p in twin.parameters.items()}
        return _compare(shapes, there, gradients(twin, [d[-1:] for d in douts]), batched, tolerance)
    except UserCodeError:
        return None
    finally:
        twin.inputs = given


def _compare(shapes: dict[str, tuple[int, ...]], there: Gradients, alone: Gradients, batched: list[int], tolerance: float) -> Rows | None:
    if there.error is not None or alone.error is not None:
        return None
    rows = Rows(set(), set())
    noise = ROUNDING * max((largest_finite(g) for g in map(as_numbers, there.by_name.values()) if g is not None), default=0.0)
    apart = {f"input {i}" for i in batched}
    for name in there.by_name:
        g, one = (None if each is None else as_numbers(each) for each in (there.by_name[name], alone.by_name[name]))
        if g is None or one is None or g.shape != shapes[name]:
            continue
        sizes = largest(g), largest(one)
        if not np.isfinite(sizes).all():
            continue
        if name in apart and largest(g[:-1]) > tolerance * sizes[0]:
            rows.mixed.add(name)
        if max(sizes) > noise and not is_close(g[-1:] if name in apart else g, one, tolerance):
            rows.unlike.add(name)
    return rows


def _agree(ys: Sequence[Any], zs: Sequence[Any], tolerance: float) -> bool:
    return len(ys) == len(zs) and all(is_close(y, z, tolerance) for y, z in zip(ys, zs, strict=True))


def _last_row_alone(dout: Array) -> Array:
    one = np.zeros_like(dout)
    one[-1] = dout[-1]
    return one


def _moved(x: Array) -> Array:
    other = x.copy()
    other[-1] = other[-1] * 1.05 + 1e-3
    return other
