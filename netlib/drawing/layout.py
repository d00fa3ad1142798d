"""The layout of a graph, from left to right in columns: positions of boxes and routes of edges.

graphlay computes the order within columns and the heights where it is installed (MIT or Apache-2.0,
no dependencies, deterministic). It is a native extension, which is unavailable in a browser, and a
young project, so only `_heights` calls it, and `heights.py` does the same in Python: in the 50
random graphs of the tests, edges cross 22 times, with graphlay 21 times. Of the other layered
layouts that pip can install, igraph (GPL) and fast-sugiyama ignore the sizes of boxes, and grandalf
(GPL or EPL) had its last release in 2023 and crosses edges more often. Columns and routes are
computed here: edges bend only between columns, where there are no boxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import NamedTuple

from ..errors import InvalidValueError
from .heights import heights

Point = tuple[float, float]

BOX_GAP = 24.0  # between two boxes of a column
RANK_GAP = 28.0  # between two columns
WIDEST_RANK_GAP = 160.0
RUN_PER_RISE = 0.35  # width of a column gap relative to the steepest edge in it
WAYPOINT = (1.0, 1.0)  # size of an edge in a column that it crosses
ROUNDS = 8  # of straightening; two or three are enough for most graphs


class Arrangement(NamedTuple):
    """Positions of boxes and edges, with (0, 0) at the top left and y downwards.

    Attributes
    ----------
    centres : list of (x, y)
        The centre of each box.
    routes : list of list of (x, y)
        The corners of each edge, from the middle of the right side of its source to the middle of
        the left side of its target; x never decreases.
    width, height : float
        The size of the whole layout.
    """

    centres: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


def arrange(sizes: Sequence[Point], edges: Sequence[tuple[int, int]]) -> Arrangement:
    """Lay out a directed graph of boxes from left to right.

    No two boxes overlap and no edge crosses a box. A box without incoming edges is placed just
    before its first user, and a chain forms a straight line. The layout is deterministic. An edge
    with a label is laid out as two edges with a box between them.

    Parameters
    ----------
    sizes : sequence of (width, height)
        One for each box.
    edges : sequence of (source, target)
        Numbers of boxes. An edge may occur twice.

    Returns
    -------
    Arrangement

    Raises
    ------
    InvalidValueError
        For a size that is not positive and finite, an edge of unknown boxes, or a cycle.

    Notes
    -----
    Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system
    structures", IEEE Trans. SMC 11 (1981).

    Examples
    --------
    X and W go into a node:

    >>> centres, routes, width, height = arrange([(20, 20), (20, 20), (40, 40)], [(0, 2), (1, 2)])
    >>> centres
    [(10.0, 20.0), (10.0, 64.0), (68.0, 20.0)]
    >>> routes[0]
    [(20.0, 20.0), (48.0, 20.0)]
    >>> width, height
    (88.0, 74.0)
    """
    for number, (width, height) in enumerate(sizes):
        if not (0 < width < float("inf") and 0 < height < float("inf")):
            raise InvalidValueError(f"box {number} is {width} by {height}, expected positive and finite", where="arrange")
    for source, target in edges:
        if not (0 <= source < len(sizes) and 0 <= target < len(sizes)):
            raise InvalidValueError(f"edge ({source}, {target}) needs an unknown box: there are {len(sizes)}", where="arrange")
    ranks = _ranks(len(sizes), edges)
    boxes, paths = [(float(width), float(height)) for width, height in sizes], []
    for source, target in edges:  # an edge gets a waypoint in each column that it crosses
        crossed = range(ranks[source] + 1, ranks[target])
        paths.append([source, *range(len(boxes), len(boxes) + len(crossed)), target])
        boxes += [WAYPOINT] * len(crossed)
        ranks += crossed
    ys = _heights(boxes, ranks, paths)
    if _n_inverted(ys, paths) > 0:
        ys = [-y for y in ys]
    columns = _columns(ranks, ys)
    _straighten(ys, boxes, columns, paths)
    return _place(len(sizes), boxes, ranks, ys, columns, paths)


def _n_inverted(ys: Sequence[float], paths: Sequence[list[int]]) -> int:
    """Return the number of pairs of edges that enter a box in reverse order, minus the others."""
    arriving: dict[int, list[float]] = {}
    for path in paths:
        arriving.setdefault(path[-1], []).append(ys[path[-2]])
    return sum((a > b) - (a < b) for ends in arriving.values() for a, b in pairwise(ends))


def _steps(paths: Iterable[list[int]]) -> list[tuple[int, int]]:
    return [step for path in paths for step in pairwise(path)]


def _ranks(n_boxes: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the column of each box.

    Boxes move left as far as possible, then right to their users, then left to their sources, as
    long as the total length of edges does not increase.
    """
    before, after = _neighbours(n_boxes, edges)
    try:
        order = list(TopologicalSorter(dict(enumerate(before))).static_order())
    except CycleError as error:
        raise InvalidValueError("the edges form a cycle, expected a graph without cycles", where="arrange") from error
    ranks = [0] * n_boxes
    for i in order:
        ranks[i] = max((ranks[source] + 1 for source in before[i]), default=0)
    for i in reversed(order):
        if after[i] and len(after[i]) >= len(before[i]):
            ranks[i] = min(ranks[target] for target in after[i]) - 1
    for i in order:
        if before[i] and len(before[i]) >= len(after[i]):
            ranks[i] = max(ranks[source] for source in before[i]) + 1
    return ranks


def _heights(boxes: Sequence[Point], ranks: Sequence[int], paths: Sequence[list[int]]) -> list[float]:
    """Return the y of the centre of each box."""
    try:
        import graphlay
    except ImportError:
        return heights(boxes, ranks, paths, BOX_GAP)
    graph = {
        "nodes": [{"size": {"width": w, "height": h}, "rank": {"fixed": rank}} for (w, h), rank in zip(boxes, ranks, strict=True)],
        "edges": [{"source": source, "target": target} for source, target in _steps(paths)],
    }
    layout = graphlay.layout(graph, options={"direction": "leftright", "spacing": {"node_gap": BOX_GAP}})
    return [node["center"]["y"] for node in layout.nodes]


def _columns(ranks: Sequence[int], ys: Sequence[float]) -> list[list[int]]:
    columns: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for number in sorted(range(len(ranks)), key=ys.__getitem__):
        columns[ranks[number]].append(number)
    return columns


def _straighten(
    ys: list[float],
    boxes: Sequence[Point],
    columns: Sequence[list[int]],
    paths: Sequence[list[int]],
) -> None:
    """Put each chain of boxes on a straight line, at the height of one of its ends if possible.

    A chain moves only as far as its neighbours in the columns allow.
    """
    before, after = _neighbours(len(boxes), _steps(paths))
    chains = _chains(before, after)
    above: dict[int, tuple[int, float]] = {}  # the neighbour in the column, and its least distance
    below: dict[int, tuple[int, float]] = {}
    for column in columns:
        for a, b in pairwise(column):
            distance = (boxes[a][1] + boxes[b][1]) / 2 + BOX_GAP
            above[b], below[a] = (a, distance), (b, distance)
    for _ in range(ROUNDS):
        old = list(ys)
        for chain in chains:
            tops = [ys[above[i][0]] + above[i][1] for i in chain if i in above]
            bottoms = [ys[below[i][0]] - below[i][1] for i in chain if i in below]
            top, bottom = max(tops, default=float("-inf")), min(bottoms, default=float("inf"))
            if top <= bottom:
                ends = [ys[i] for i in before[chain[0]] + after[chain[-1]]]
                nearest = min(max(ys[chain[0]], top), bottom)
                y = next((y for y in ends if top <= y <= bottom), nearest)
                for i in chain:
                    ys[i] = y
        if ys == old:
            break


def _neighbours(n_boxes: int, edges: Iterable[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    """Return the sources of the edges into each box, and the targets of those out of it."""
    before: list[list[int]] = [[] for _ in range(n_boxes)]
    after: list[list[int]] = [[] for _ in range(n_boxes)]
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
    return before, after


def _chains(before: Sequence[list[int]], after: Sequence[list[int]]) -> list[list[int]]:
    """Return the longest chains of boxes with at most one edge in and one out."""
    is_link = [len(b) <= 1 and len(a) <= 1 for b, a in zip(before, after, strict=True)]
    chains = []
    for i, box_is_link in enumerate(is_link):
        if box_is_link and not (before[i] and is_link[before[i][0]]):
            chain = [i]
            while after[chain[-1]] and is_link[after[chain[-1]][0]]:
                chain.append(after[chain[-1]][0])
            chains.append(chain)
    return chains


def _place(
    n_boxes: int,
    boxes: Sequence[Point],
    ranks: Sequence[int],
    ys: Sequence[float],
    columns: Sequence[list[int]],
    paths: Sequence[list[int]],
) -> Arrangement:
    """Return the arrangement: columns from left to right, and the corners of all edges."""
    sides = _column_sides(boxes, ranks, ys, columns, paths)
    edges_of_boxes = [(y - height / 2, y + height / 2) for y, (_, height) in zip(ys, boxes, strict=True)]
    top = min((upper for upper, _ in edges_of_boxes), default=0.0)
    bottom = max((lower for _, lower in edges_of_boxes), default=0.0)
    centres = [(sum(sides[ranks[i]]) / 2, ys[i] - top) for i in range(n_boxes)]
    routes = []
    for path in paths:
        source, target = path[0], path[-1]
        route = [(centres[source][0] + boxes[source][0] / 2, centres[source][1])]
        for a, b in pairwise(path):
            if ys[a] != ys[b]:
                route += [(sides[ranks[a]][1], ys[a] - top), (sides[ranks[b]][0], ys[b] - top)]
        route.append((centres[target][0] - boxes[target][0] / 2, centres[target][1]))
        routes.append([route[0], *(b for a, b in pairwise(route) if b[0] - a[0] > 1e-6)])
    return Arrangement(centres, routes, sides[-1][1] if sides else 0.0, bottom - top)


def _column_sides(
    boxes: Sequence[Point],
    ranks: Sequence[int],
    ys: Sequence[float],
    columns: Sequence[list[int]],
    paths: Sequence[list[int]],
) -> list[tuple[float, float]]:
    """Return the left and the right side of each column; steep edges widen the gap after it."""
    rises = [0.0] * len(columns)
    for a, b in _steps(paths):
        rises[ranks[a]] = max(rises[ranks[a]], abs(ys[a] - ys[b]))
    sides, width = [], 0.0
    for column, rise in zip(columns, rises, strict=True):
        left, width = width, width + max(boxes[i][0] for i in column)
        sides.append((left, width))
        width += min(max(RANK_GAP, RUN_PER_RISE * rise), WIDEST_RANK_GAP)
    return sides
