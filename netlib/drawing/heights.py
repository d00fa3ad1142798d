"""The order of boxes within columns and their heights, where graphlay is not installed.

Boxes are ordered by the mean place of their neighbours, one column after the other, in sweeps to
the right and to the left, as by Sugiyama, Tagawa and Toda (see `layout.arrange`). Boxes on long
paths are then aligned into horizontal lines, as in Brandes and Köpf, "Fast and simple horizontal
coordinate assignment", Graph Drawing 2001, and the lines placed between each other.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Iterable, Sequence
from graphlib import TopologicalSorter
from itertools import pairwise
from operator import itemgetter

Point = tuple[float, float]
Neighbours = Sequence[list[int]]

SWEEPS = 12  # of ordering; most graphs need two or three
ROUNDS = 8  # of placing lines


def heights(boxes: Sequence[Point], ranks: Sequence[int], paths: Sequence[Sequence[int]], gap: float) -> list[float]:
    """Return the y of the centre of each box.

    Parameters
    ----------
    boxes : sequence of (width, height)
    ranks : sequence of int
        The column of each box.
    paths : sequence of sequence of int
        The boxes that each edge joins, in consecutive columns; it only passes the ones in between.
    gap : float
        The gap between two boxes of a column.

    Examples
    --------
    Two boxes go into a third, on a line with the first of them:

    >>> heights([(10, 10), (10, 10), (20, 20)], [0, 0, 1], [[0, 2], [1, 2]], gap=5)
    [0.0, 15.0, 0.0]
    """
    before: list[list[int]] = [[] for _ in boxes]
    after: list[list[int]] = [[] for _ in boxes]
    for path in paths:
        for source, target in pairwise(path):
            before[target].append(source)
            after[source].append(target)
    columns = _ordered_columns(ranks, before, after)
    passed = {i for path in paths for i in path[1:-1]}
    line_of = _lines(columns, ranks, before, after, passed)
    distances = [(line_of[a], line_of[b], (boxes[a][1] + boxes[b][1]) / 2 + gap) for column in columns for a, b in pairwise(column)]
    pulls = [(line_of[a], line_of[b]) for a in range(len(boxes)) for b in after[a] if line_of[a] != line_of[b]]
    ys = _placed(max(line_of, default=-1) + 1, distances, pulls)
    return [ys[line] for line in line_of]


def _ordered_columns(ranks: Sequence[int], before: Neighbours, after: Neighbours) -> list[list[int]]:
    """Return the boxes of each column from top to bottom, in the best of four orders."""
    backwards = [i for i, targets in enumerate(after) if not targets], before
    forwards = [i for i, sources in enumerate(before) if not sources], after
    orders = []
    for ends, beyond in (backwards, forwards, _reversed(*backwards), _reversed(*forwards)):
        columns: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
        for i in _depth_first(ends, beyond):
            columns[ranks[i]].append(i)
        orders.append(_improved(columns, before, after))
        if not orders[-1][0]:
            break
    return min(orders, key=itemgetter(0))[1]


def _reversed(ends: list[int], beyond: Neighbours) -> tuple[list[int], Neighbours]:
    return ends[::-1], [others[::-1] for others in beyond]


def _depth_first(ends: Iterable[int], beyond: Neighbours) -> list[int]:
    found: dict[int, None] = {}
    waiting = [*ends][::-1]
    while waiting:
        i = waiting.pop()
        if i not in found:
            found[i] = None
            waiting += beyond[i][::-1]
    return list(found)


def _improved(columns: list[list[int]], before: Neighbours, after: Neighbours) -> tuple[int, list[list[int]]]:
    """Return the number of crossings, and the columns in a better order; `columns` change."""
    place = [0] * len(before)
    for column in columns:
        _number(column, place)
    best, fewest = [list(column) for column in columns], _crossings(columns, after, place)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        beside = after if sweep % 2 else before
        for column in reversed(columns) if sweep % 2 else columns:
            means = {i: sum(place[j] for j in beside[i]) / len(beside[i]) for i in column if beside[i]}
            reordered = iter(sorted(means if sweep % 4 < 2 else reversed(means), key=means.__getitem__))
            column[:] = [next(reordered) if i in means else i for i in column]
            _number(column, place)
        for column in columns:
            _swap_neighbours(column, before, after, place)
        if (n := _crossings(columns, after, place)) < fewest:
            best, fewest = [list(column) for column in columns], n
    return fewest, best


def _number(column: Sequence[int], place: list[int]) -> None:
    for k, i in enumerate(column):
        place[i] = k


def _swap_neighbours(column: list[int], before: Neighbours, after: Neighbours, place: list[int]) -> None:
    """Swap neighbours as long as that removes crossings."""
    is_better = True
    while is_better:
        is_better = False
        for k in range(len(column) - 1):
            a, b = column[k : k + 2]
            gain = sum((place[i] > place[j]) - (place[i] < place[j]) for beside in (before, after) for i in beside[a] for j in beside[b])
            if gain > 0:
                column[k : k + 2] = b, a
                place[a], place[b] = k + 1, k
                is_better = True


def _crossings(columns: Sequence[Sequence[int]], after: Neighbours, place: Sequence[int]) -> int:
    """Return how many pairs of edges cross."""
    n = 0
    for column in columns:
        ends: list[int] = []
        for i in column:
            n += sum(len(ends) - bisect(ends, place[j]) for j in after[i])
            for j in after[i]:
                insort(ends, place[j])
    return n


def _lines(
    columns: Sequence[Sequence[int]],
    ranks: Sequence[int],
    before: Neighbours,
    after: Neighbours,
    passed: set[int],
) -> list[int]:
    """Return the index of each box's line: the longest path, then the longest of the rest, etc.

    Lines do not cross.
    """
    place = [0] * len(ranks)
    for column in columns:
        _number(column, place)
    until, onwards = [0] * len(ranks), [0] * len(ranks)  # the boxes on the longest path to each, and from it
    for column in columns:
        for i in column:
            until[i] = max((until[j] for j in before[i]), default=0) + (i not in passed)
    for column in reversed(columns):
        for i in column:
            onwards[i] = max((onwards[j] for j in after[i]), default=0) + (i not in passed)
    steps = [(a, b) for b in range(len(ranks)) for a in before[b]]
    steps.sort(key=lambda step: (-until[step[0]] - onwards[step[1]], *step))
    left: dict[int, int] = {}
    taken: set[int] = set()
    joined: list[list[tuple[int, int]]] = [[] for _ in columns]
    for a, b in steps:
        here = place[a], place[b]
        if a not in taken and b not in left and all((here[0] < x) == (here[1] < y) for x, y in joined[ranks[a]]):
            left[b] = a
            taken.add(a)
            joined[ranks[a]].append(here)
    line_of = [0] * len(ranks)
    n = 0
    for column in columns:
        for i in column:
            if i in left:
                line_of[i] = line_of[left[i]]
            else:
                line_of[i], n = n, n + 1
    return line_of


def _placed(n: int, distances: Sequence[tuple[int, int, float]], pulls: Sequence[tuple[int, int]]) -> list[float]:
    """Return the heights of lines, near those with which they share an edge.

    Parameters
    ----------
    n : int
        The number of lines.
    distances : sequence of (upper, lower, distance)
        Lines and their minimum distance.
    pulls : sequence of (line, line)
        An edge between two lines.
    """
    above: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    below: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    for upper, lower, distance in distances:
        above[lower].append((upper, distance))
        below[upper].append((lower, distance))
    pulled: list[list[int]] = [[] for _ in range(n)]
    for a, b in pulls:
        pulled[a].append(b)
        pulled[b].append(a)
    order = list(TopologicalSorter({line: [upper for upper, _ in above[line]] for line in range(n)}).static_order())
    ys = [0.0] * n
    for line in order:
        ys[line] = max((ys[upper] + distance for upper, distance in above[line]), default=0.0)
    for _ in range(ROUNDS):
        for lines in (reversed(order), order):
            for line in lines:
                top = max((ys[upper] + distance for upper, distance in above[line]), default=float("-inf"))
                bottom = min((ys[lower] - distance for lower, distance in below[line]), default=float("inf"))
                if pulled[line]:
                    ys[line] = min(max(sum(ys[other] for other in pulled[line]) / len(pulled[line]), top), bottom)
    return ys
