"""Which elements are measured: all, or in a large layer random directions and a sample."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ..analytic import as_numbers, gradients, random_douts
from ..context import CheckContext
from ..equality import is_same
from ..report import Finding
from ..twin import Twin
from .differences import Differences, Slopes

LEAST_ELEMENTS = 16
"""Elements to measure where the gradient is wrong along a random direction."""
FEWEST_ELEMENTS = 2
"""Elements to measure where it is right along all directions, however slow forward is."""

SLOW = 5e-3
"""Seconds of a forward above which one random direction is enough."""
CLOSER_LOOK = 12
"""Forwards that refining an element takes, about."""


def measure(context: CheckContext, rng: np.random.Generator, seconds: float) -> None:
    """Fill in the slopes of every array."""
    differences = Differences(context.twin, context.douts, context.eps, context.ys)
    cost = 2 * context.twin.seconds
    sizes = {name: array.size for name, array in context.twin.slots.items()}
    context.is_sampled = cost * sum(sizes.values()) > seconds
    affordable = share_out(sizes, int(0.35 * seconds / cost)) if context.is_sampled else sizes
    for name, array in context.twin.slots.items():
        slopes = context.slopes[name] = Slopes(array.size, differences.y.size)
        mine = as_numbers(context.yours.by_name.get(name))
        is_comparable = mine is not None and mine.shape == array.shape
        flat = mine.ravel() if mine is not None and is_comparable else np.zeros(array.size)
        off = None
        if context.is_sampled and is_comparable:
            context.report.directions[name] = n_directions = 1 if context.twin.seconds > SLOW else 2
            off = find_disagreement(differences, name, flat, n_directions, rng)
        count = affordable[name]
        if context.is_sampled:
            count = max(count // 3, FEWEST_ELEMENTS) if is_comparable and not off else max(count, LEAST_ELEMENTS)
        elements = choose_elements(context, name, min(array.size, count), rng)
        differences.measure(name, elements, slopes)
        doubtful = np.flatnonzero(slopes.is_measured & (slopes.is_kink | ~context.agrees(flat, slopes)))
        if doubtful.size > 64:
            doubtful = rng.permutation(doubtful)
        refine_doubtful(context, differences, name, doubtful, flat, seconds)
        known = ~np.isnan(slopes.slope)
        if off and not known.all() and context.agrees(flat, slopes)[known].all():
            _report_direction(context, name, *off)


def share_out(sizes: dict[str, int], affordable: int) -> dict[str, int]:
    """Return how many elements of each array to measure: all of a small one."""
    left, counts = affordable, {}
    for n, (name, size) in enumerate(sorted(sizes.items(), key=lambda item: item[1])):
        counts[name] = min(size, max(0, left) // (len(sizes) - n))
        left -= counts[name]
    return counts


def refine_doubtful(context: CheckContext, differences: Differences, name: str, doubtful: Array, yours: Array, seconds: float) -> None:
    """Refine doubtful elements, unless the first ones turn out to be plainly wrong."""
    slopes = context.slopes[name]
    cost = CLOSER_LOOK * context.twin.seconds
    n = max(1, min(64, int((seconds / 2 + 2) / cost)))
    first, rest = doubtful[:n], doubtful[n:]
    differences.refine(name, first, slopes)
    if not rest.size:
        return
    if (~slopes.is_kink[first] & ~context.agrees(yours, slopes)[first]).all():
        slopes.is_kink[rest] = False
        return
    done = int(seconds / 2 / cost)
    differences.refine(name, rest[:done], slopes)
    slopes.slope[rest[done:]], slopes.is_kink[rest[done:]] = np.nan, False


def find_disagreement(differences: Differences, name: str, yours: Array, n: int, rng: np.random.Generator) -> tuple[float, float] | None:
    """Return your slope and forward's along a random direction where they differ, or None."""
    shape = differences.twin.slots[name].shape
    scale = float(np.sqrt(yours @ yours))
    for _ in range(n):
        direction = rng.uniform(-1.5, 1.5, shape)
        mine = float(yours @ direction.ravel())
        for step in (1e-1, 1e-2, 1e-3, 1e-4):
            slope, noise = differences.along(name, direction, step)
            if not abs(slope - mine) > 8 * noise + 1e-4 * scale:
                break
        else:
            return mine, slope
    return None


def find_moving(twin: Twin, eps: float, rng: np.random.Generator) -> set[str] | None:
    """Return the names of gradients that are not zero, where backward and forward agree.

    They are compared along a random direction through each array. Returns None where they disagree,
    or where a pass writes into an input.
    """
    given = [np.array(x) for x in twin.inputs]
    ys = [np.array(y) for y in twin.forward()]
    if not all(np.isfinite(y).all() for y in ys):
        return set()
    douts = random_douts(ys, rng, twin.takes_dout)
    yours = gradients(twin, douts)
    if yours.error is not None or not all(map(is_same, given, twin.inputs)):
        return None
    differences = Differences(twin, douts, eps, ys)
    moving = set()
    for name, array in twin.slots.items():
        g = yours.by_name[name]
        flat = np.zeros(array.shape) if g is None else as_numbers(g)
        if flat is None or flat.shape != array.shape or find_disagreement(differences, name, flat.ravel(), 1, rng):
            return None
        if flat.any():
            moving.add(name)
    return moving


def _report_direction(context: CheckContext, name: str, mine: float, slope: float) -> None:
    n = int(np.isnan(context.slopes[name].slope).sum())
    gives = f"along a random direction your gradient gives {mine:.6g}, forward {slope:.6g}"
    cause = f"{gives}: some of the {n} elements not looked at one by one are wrong"
    context.report.find(Finding("wrong-formula", name, cause, "check a smaller layer of the same kind: then every element is compared"))


def choose_elements(context: CheckContext, name: str, count: int, rng: np.random.Generator) -> Array:
    """Choose the largest elements of your gradient, a square submatrix, and random ones."""
    shape, size = context.twin.slots[name].shape, context.twin.slots[name].size
    if count >= size:
        return np.arange(size)
    mine = as_numbers(context.yours.by_name.get(name))
    part = max(1, count // 4)
    chosen = [np.array([0, size - 1])]
    if len(shape) == 2:
        side = min(max(2, int(part**0.5)), *shape)
        few = rng.choice(min(shape), side, replace=False)
        chosen.append((few[:, None] * shape[1] + few).ravel())
    if mine is not None and mine.shape == shape:
        chosen.append(np.argpartition(np.abs(mine).ravel(), -part)[-part:])
    chosen.append(rng.integers(0, size, count))
    return np.array(list(dict.fromkeys(int(i) for each in chosen for i in each))[:count])
