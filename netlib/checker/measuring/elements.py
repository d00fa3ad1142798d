"""The elements to measure: all, or in a large layer random directions and a sample."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from ...arrays import Array
from ..analytic import LEAST, as_numbers, gradients, left_out, random_douts, random_signed, repeat
from ..blocks import blocks, slices
from ..context import CheckContext
from ..equality import is_same
from ..report import Finding
from ..twin import Twin
from .differences import UNKNOWN, VAGUE, Differences, Slopes
from .matrices import is_symmetric, symmetric_part

LEAST_ELEMENTS = 16
"""Elements to measure where the gradient is wrong along a random direction."""
FEWEST_ELEMENTS = 2
"""Elements to measure where it is right along all directions, however slow forward is."""

KEEPING_DIRECTIONS = 3
"""Directions to try where single elements cannot be moved."""
SLOW = 5e-3
"""Seconds of a forward above which one random direction is enough."""
FIRST = 16
"""Elements that tell whether all are plainly wrong."""
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
        differences.refusal = ""
        mine = as_numbers(context.yours.by_name.get(name))
        is_comparable = mine is not None and mine.shape == array.shape
        flat = mine.ravel() if mine is not None and is_comparable else np.zeros(array.size)
        agrees = True
        if context.is_sampled and is_comparable:
            n_directions = 1 if context.twin.seconds > SLOW else 2
            tries = [compare_along(differences, name, flat, random_direction(array, rng)) for _ in range(n_directions)]
            known_tries = [each for each in tries if not np.isnan(each.slope)]
            agrees = all(each.agrees for each in known_tries)
            context.report.directions[name] = len(known_tries)
            context.report.chances[name] = chance_of_a_miss(flat, min((each.bound for each in known_tries), default=np.inf))
        slopes = context.slopes[name] = Slopes(array.size, differences.y.size)
        count = affordable[name]
        if context.is_sampled:
            least = min(LEAST_ELEMENTS, max(FEWEST_ELEMENTS, int(seconds / cost)))
            count = max(count // 3, FEWEST_ELEMENTS) if is_comparable and agrees else max(count, least)
        elements = choose_elements(context, name, min(array.size, count), rng)
        measure_elements(context, differences, name, elements, flat, rng, seconds)
        known = ~np.isnan(slopes.slope)
        if not agrees and not known.all() and context.agrees(flat, slopes)[known].all():
            wrong = locate(differences, name, flat, random_direction(array, rng))
            measure_elements(context, differences, name, np.array([wrong]), flat, rng, seconds)
        if is_comparable and differences.refusal and np.isnan(slopes.slope[elements]).any():
            compare_within_kind(context, differences, name, flat, rng)


def measure_elements(
    context: CheckContext, differences: Differences, name: str, elements: Array, yours: Array, rng: np.random.Generator, seconds: float
) -> None:
    """Measure some elements of an array, and refine the doubtful ones."""
    slopes = context.slopes[name]
    differences.measure(name, elements, slopes)
    doubtful = elements[slopes.is_kink[elements] | slopes.is_vague(VAGUE, elements) | ~context.agrees(yours, slopes)[elements]]
    if doubtful.size > FIRST:
        doubtful = rng.permutation(doubtful)
    refine_doubtful(context, differences, name, doubtful, yours, seconds)
    is_tiny = (slopes.sizes(elements) == 0) & (np.abs(yours[elements]) <= differences.least_slope)
    is_hidden = is_tiny & ~context.agrees(yours, slopes)[elements]
    is_measured = ~slopes.is_kink[elements] & ~np.isnan(slopes.slope[elements])
    vague = elements[(slopes.is_vague(UNKNOWN, elements) | is_hidden) & is_measured]
    n_refused = int(np.isnan(slopes.slope[elements]).sum())
    if n_refused and differences.refusal:
        text = f"{n_refused} of {elements.size} elements could not be compared: forward refuses numbers a step away"
        context.report.note("vacuous", name, f"{text}, {differences.refusal}")
    if vague.size:
        slopes.slope[vague] = np.nan
        text = f"{vague.size} of {elements.size} elements could not be compared: their slopes drown in the rounding of the output"
        context.report.note("vacuous", name, f"{text}; check the layer without the large constant, or at other numbers")


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
    n = max(1, min(FIRST, int(seconds / 4 / cost)))
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


class Along(NamedTuple):
    """A comparison along a direction, with all elements at once."""

    agrees: bool
    bound: float
    """The error of a single element from which a random direction disagrees for certain."""
    mine: float
    slope: float


def random_direction(array: Array, rng: np.random.Generator) -> Array:
    """Return a direction with a nonzero part for every element; a long one repeats numbers."""
    return repeat(partial(random_signed, rng), array.shape, np.dtype(float))


def compare_along(differences: Differences, name: str, yours: Array, direction: Array) -> Along:
    """Compare your gradient with forward along a direction."""
    before = np.inf
    scale = sum(float(g @ g) for g in (g[along != 0] for g, along in blocks(yours, direction))) ** 0.5
    for step in (1e-1, 1e-2, 1e-3, 1e-4):
        slope, noise, mine = differences.along(name, direction, yours, step)
        allowed = 8 * noise + differences.relative * scale
        apart = slope - mine
        if abs(apart) <= allowed:
            return Along(True, allowed / LEAST, mine, slope)
        if abs(apart - before) < 0.1 * abs(apart):  # kinks in between give less at a shorter step
            break
        before = apart
    return Along(False, 0.0, mine, slope)


def locate(differences: Differences, name: str, yours: Array, direction: Array) -> int:
    """Return an element whose gradient is wrong, found by halving the array."""
    start, stop = 0, yours.size
    while stop - start > 1:
        middle = (start + stop) // 2
        half = np.zeros(yours.size)
        half[start:middle] = direction.ravel()[start:middle]
        if compare_along(differences, name, yours, half.reshape(direction.shape)).agrees:
            start = middle
        else:
            stop = middle
    return start


def compare_within_kind(context: CheckContext, differences: Differences, name: str, yours: Array, rng: np.random.Generator) -> None:
    """Compare along directions that preserve an input's structure, which forward may require.

    A symmetric matrix stays symmetric. Rows keep the properties that they share with averages of
    rows, such as a sum of 1.
    """
    array = differences.twin.slots[name]
    if not name.startswith("input") or array.ndim < 2 or len(array) < 2:
        return
    n_directions = 0
    for _ in range(KEEPING_DIRECTIONS):
        if is_symmetric(array):
            direction = symmetric_part(random_direction(array, rng))
        else:
            direction = array[rng.permutation(len(array))] - array
        along = compare_along(differences, name, yours, direction)
        if np.isnan(along.slope):
            continue
        n_directions += 1
        if not along.agrees:
            cause = f"along a direction that forward takes your gradient gives {along.mine:.6g}, forward {along.slope:.6g}"
            context.report.find(Finding("wrong-formula", name, f"{cause}; it refuses steps of single elements"))
            return
    if n_directions:
        context.report.directions[name] = n_directions


def chance_of_a_miss(yours: Array, bound: float) -> float:
    """Return the share of elements that could be doubled or zero without being noticed."""
    n_nonzero = np.count_nonzero(yours)
    n_small = sum(np.count_nonzero((np.abs(g) < bound) & (g != 0)) for (g,) in blocks(yours))
    return n_small / n_nonzero if n_nonzero else 0.0


def find_moving(twin: Twin, eps: float, rng: np.random.Generator) -> set[str] | None:
    """Return the names of nonzero gradients, if backward and forward agree.

    They are compared along a random direction for each array. Returns None if they disagree, or if
    a pass writes into an input.
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
    ignored = left_out(twin, yours)
    for name, array in twin.slots.items():
        if name in ignored:
            continue
        g = yours.by_name[name]
        flat = np.zeros(array.shape) if g is None else as_numbers(g)
        if (
            flat is None
            or flat.shape != array.shape
            or not compare_along(differences, name, flat.ravel(), random_direction(array, rng)).agrees
        ):
            return None
        if flat.any():
            moving.add(name)
    return moving


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
        chosen.append(_largest_elements(mine.reshape(-1), part))
    chosen.append(rng.integers(0, size, count))
    return np.array(list(dict.fromkeys(int(i) for each in chosen for i in each))[:count])


def _largest_elements(flat: Array, count: int) -> Array:
    """Return the numbers of the largest elements, found block by block."""
    found = np.arange(0)
    for part in slices(flat.size):
        candidates = np.concatenate([found, np.arange(part.start, min(part.stop, flat.size))])
        found = candidates[np.argpartition(np.abs(flat[candidates]), -min(count, candidates.size))[-count:]]
    return found
