"""Your gradient against the measured one: wrong elements, and choices at kinks."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ...arrays import Array
from ...layer import Layer
from ..analytic import gradients
from ..context import CheckContext
from ..guards import UserCodeError
from ..twin import make_twin
from .differences import Differences, Slopes

TINY, COARSE = 1e-5, 0.1
"""Differences that an approximation explains: at once, and if longer steps confirm it."""


def compare(context: CheckContext, name: str) -> Array:
    """Record the error of an array in the report, and return which elements are wrong."""
    slopes = context.slopes[name]
    yours = np.asarray(context.yours.by_name[name], float).ravel()
    known = ~np.isnan(slopes.slope)
    context.report.covered[name] = int(known.sum()), yours.size
    wrong = (known & ~context.agrees(yours, slopes)) | ~np.isfinite(yours)
    kinks = known & slopes.is_kink & ~wrong
    if kinks.any():
        context.report.kinks[name] = int(kinks.sum())
    smooth = known & ~kinks
    with np.errstate(all="ignore"):
        mine, slope = yours[smooth], slopes.slope[smooth]
        larger, apart = np.maximum(np.abs(mine), np.abs(slope)), np.abs(mine - slope)
        floor = 1e-3 * float(larger[np.isfinite(larger)].max(initial=0.0))
        relative = np.where(apart == 0, 0.0, apart / np.maximum(np.maximum(larger, floor), np.finfo(float).tiny))
    largest = float(np.where(np.isnan(relative), np.inf, relative).max(initial=0.0))
    context.report.errors[name] = largest if np.isfinite(yours).all() else np.inf
    return np.asarray(wrong.reshape(context.twin.slots[name].shape))


def approximation_error(context: CheckContext, name: str, wrong: Array) -> float | None:
    """Return the largest difference relative to the largest slope, if forward is an approximation.

    For each element, either the difference is tiny, as for an error function accurate to seven
    digits, or your gradient is the slope over longer steps, as for a table or a search that stops
    at a tolerance.
    """
    slopes, elements = context.slopes[name].slope, np.flatnonzero(wrong)
    slope, yours = slopes[elements], np.asarray(context.yours.by_name[name], float).ravel()[elements]
    if not (np.isfinite(yours) & ~np.isnan(slope)).all():
        return None
    largest = float(np.abs(slopes[~np.isnan(slopes)]).max())
    apart = np.abs(yours - slope)
    is_alike = apart <= 0.01 * np.abs(slope)
    if not largest or (apart > COARSE * largest).any():
        return None
    doubtful = np.flatnonzero(apart > np.where(is_alike, TINY, 0.1 * TINY) * largest)[:64]
    if doubtful.size:
        far, error = Differences(context.twin, context.douts, context.eps, context.ys).far_slopes(name, elements[doubtful])
        if not (np.abs(yours[doubtful] - far) + error < 0.2 * apart[doubtful]).all():
            return None
    return float(apart.max() / largest)


def is_choice_at_kinks(
    layer: Layer, inputs: tuple[Any, ...], context: CheckContext, name: str, wrong: Array, rng: np.random.Generator
) -> bool:
    """Return whether the difference is a choice of slopes at kinks inside the layer.

    In this case, backward and forward agree at nearby points.

    A kink that reaches a single output has no such choice: its slope must lie between those on its
    two sides.
    """
    slopes = context.slopes[name]
    flat = wrong.ravel()
    if slopes.jacobian is None or (flat & ~slopes.is_kink).any() or (flat & ((slopes.jacobian != 0).sum(axis=1) <= 1)).any():
        return False
    elements = rng.permutation(np.flatnonzero(flat))[:64]
    for _ in range(2):
        twin = make_twin(layer, inputs, context.eps)
        twin.copies_inputs, twin.writes_parameters = context.twin.copies_inputs, context.twin.writes_parameters
        for array in twin.slots.values():
            size = float(np.sqrt(np.mean(np.square(array)))) or 1.0 if array.size else 1.0
            array[...] += np.asarray(1e-3 * size * rng.normal(size=array.shape), array.dtype)
        nearby = copy.copy(context)
        nearby.twin = twin
        try:
            twin.forward()
        except UserCodeError:
            continue  # what the layer refuses proves nothing
        yours = gradients(twin, context.douts).by_name.get(name)
        if yours is None or np.shape(yours) != wrong.shape:
            return False
        differences = Differences(twin, context.douts, context.eps)
        there = Slopes(slopes.slope.size, differences.y.size)
        differences.measure(name, elements, there)
        differences.refine(name, elements, there)
        if not nearby.agrees(np.asarray(yours, float).ravel(), there)[elements].all():
            return False
    context.report.kinks[name] = context.report.kinks.get(name, 0) + int(flat.sum())
    context.report.errors[name] = 0.0
    return True
