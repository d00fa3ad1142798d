"""The layout, checked by geometry: boxes are closed rectangles, edges are segments."""

import json
import random
import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from netlib import InvalidValueError
from netlib.drawing.layout import BOX_GAP, arrange

ROOT = Path(__file__).parents[2]
EPSILON = 1e-6
ROUND, SMALL = (44, 44), (30, 30)


def labelled(nodes, edges, label=lambda: (110, 90)):
    """Give each edge a box of its own for its label, as a drawing does."""
    sizes, halves = list(nodes), []
    for source, target in edges:
        halves += [(source, len(sizes)), (len(sizes), target)]
        sizes.append(label())
    return sizes, halves


def random_graph(seed):
    chance = random.Random(seed)
    nodes = [(chance.choice([10, 30, 44, 90]), chance.choice([10, 30, 60])) for _ in range(chance.randint(2, 30))]
    edges = [(chance.randrange(max(0, i - 6), i), i) for i in range(1, len(nodes)) for _ in range(chance.choice([1, 1, 1, 2]))]
    return labelled(nodes, edges, lambda: (chance.uniform(10, 400), chance.uniform(10, 200)))


def fifty_layers():
    """Return layers with two parameters each and a few skips: three hundred boxes with labels."""
    chance = random.Random(0)
    nodes, edges = [SMALL], []
    while len(nodes) < 148:
        last, here = max(0, len(nodes) - 3), len(nodes)
        nodes += [(90, 60), SMALL, SMALL]
        edges += [(last, here), (here + 1, here), (here + 2, here)]
        if chance.random() < 0.3 and here > 12:
            edges.append((here - 12, here))
    return labelled(nodes, edges)


PLANAR = {
    "chapter": labelled([SMALL, SMALL, ROUND, SMALL, ROUND, (60, 44), SMALL], [(0, 2), (1, 2), (2, 4), (3, 4), (4, 5), (5, 6)]),
    "residual": labelled(
        [SMALL, (14, 14), (90, 60), ROUND, (90, 60), ROUND, SMALL, *[SMALL] * 4],
        [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (1, 5), (5, 6), (7, 2), (8, 2), (9, 4), (10, 4)],
    ),
    "diamond": labelled([SMALL, ROUND, ROUND, ROUND, SMALL], [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]),
    "binary tree": labelled([ROUND] * 15, [(i, (i - 1) // 2) for i in range(1, 15)]),
    "fan": labelled([SMALL, *[ROUND] * 6, SMALL], [pair for i in range(1, 7) for pair in ((0, i), (i, 7))]),
    "twice": labelled([SMALL, ROUND, ROUND], [(0, 1), (0, 1), (1, 2), (0, 2)]),
}
GRAPHS = PLANAR | {
    "one box": ([(30, 20)], []),
    "boxes alone": ([(30, 20), (400, 200), (10, 10)], []),
    "parts": ([(30, 20)] * 7 + [(300, 200)], [(0, 1), (3, 4), (4, 5), (3, 5)]),
    "bare and twice": ([ROUND] * 4, [(0, 1), (0, 1), (1, 2), (2, 3), (0, 3), (0, 3)]),
    "fifty layers": fifty_layers(),
    **{f"random {seed}": random_graph(seed) for seed in range(50)},
}


@pytest.fixture(params=["graphlay", "heights"], autouse=True)
def library(request, monkeypatch):
    """Lay out with graphlay, and without."""
    if request.param == "heights":
        monkeypatch.setitem(sys.modules, "graphlay", None)
    return request.param


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]


def rectangles(sizes, centres):
    return [(x - width / 2, y - height / 2, x + width / 2, y + height / 2) for (x, y), (width, height) in zip(centres, sizes, strict=True)]


def enters(start, end, rectangle):
    """Return whether the segment enters the rectangle, by Liang and Barsky's clipping."""
    first, last = 0.0, 1.0
    for here, there, edge, other in zip(start, end, rectangle[:2], rectangle[2:], strict=True):
        low, high = edge + EPSILON, other - EPSILON
        if here == there:
            if not low < here < high:
                return False
        else:
            near, far = sorted(((low - here) / (there - here), (high - here) / (there - here)))
            first, last = max(first, near), min(last, far)
    return first < last


def crosses(a, b, c, d):
    def side(p, q, r):
        area = (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
        return (area > EPSILON) - (area < -EPSILON)

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def crossings(routes):
    return sum(any(crosses(*s, *t) for s in pairwise(one) for t in pairwise(other)) for one, other in combinations(routes, 2))


def test_the_referees_see_what_they_should():
    assert enters((0, 0), (10, 10), (4, 4, 6, 6))
    assert not enters((0, 0), (10, 0), (4, 0, 6, 6))  # along its border
    assert not enters((0, 0), (3, 3), (4, 4, 6, 6))
    assert crossings([[(0, 0), (2, 2)], [(0, 2), (2, 0)], [(0, 3), (2, 3)]]) == 1


def test_no_two_boxes_come_closer_than_the_gap(graph):
    sizes, edges = graph
    boxes = rectangles(sizes, arrange(sizes, edges).centres)
    for a, b in combinations(boxes, 2):
        beside = max(a[0], b[0]) >= min(a[2], b[2]) - EPSILON
        assert beside or max(a[1], b[1]) - min(a[3], b[3]) >= BOX_GAP - EPSILON


def test_no_edge_runs_through_a_box(graph):
    sizes, edges = graph
    centres, routes, _, _ = arrange(sizes, edges)
    boxes = rectangles(sizes, centres)
    assert not [(edge, box) for edge, route in enumerate(routes) for box in boxes if any(enters(*s, box) for s in pairwise(route))]


def test_each_edge_goes_rightwards_from_the_right_side_of_its_source_to_the_left_side_of_its_target(graph):
    sizes, edges = graph
    centres, routes, _, _ = arrange(sizes, edges)
    boxes = rectangles(sizes, centres)
    assert len(routes) == len(edges)
    for (source, target), route in zip(edges, routes, strict=True):
        assert route[0] == pytest.approx((boxes[source][2], centres[source][1]), abs=EPSILON)
        assert route[-1] == pytest.approx((boxes[target][0], centres[target][1]), abs=EPSILON)
        assert boxes[target][0] > boxes[source][2]
        assert all(there[0] > here[0] for here, there in pairwise(route))


def test_boxes_and_routes_just_fill_the_picture(graph):
    sizes, edges = graph
    centres, routes, width, height = arrange(sizes, edges)
    boxes = rectangles(sizes, centres)
    points = [(x, y) for route in routes for x, y in route] + [box[:2] for box in boxes] + [box[2:] for box in boxes]
    assert min(x for x, _ in points) == pytest.approx(0, abs=EPSILON)
    assert max(x for x, _ in points) == pytest.approx(width)
    assert all(-EPSILON <= y <= height + EPSILON for _, y in points)
    assert height - (max(y for _, y in points) - min(y for _, y in points)) <= 1 + EPSILON  # a line outside has half its room beyond it


@pytest.mark.parametrize("name", PLANAR)
def test_a_graph_that_can_be_drawn_without_crossings_is(name):
    assert crossings(arrange(*PLANAR[name]).routes) == 0


def test_a_long_chain_is_one_straight_line():
    sizes, edges = labelled([ROUND, SMALL, (90, 61.7)] * 20, [(i, i + 1) for i in range(59)])
    centres, routes, _, height = arrange(sizes, edges)
    assert {y for _, y in centres} == {height / 2}
    assert all(len(route) == 2 for route in routes)


def test_the_chapters_main_line_is_straight_and_its_parameters_join_from_below():
    sizes, edges = PLANAR["chapter"]
    centres = arrange(sizes, edges).centres
    x, w, dot, b, plus, f, loss = centres[:7]
    assert x[1] == dot[1] == plus[1] == f[1] == loss[1]
    assert w[1] > x[1]
    assert b[1] > x[1]
    assert w[0] == x[0]
    assert b[0] == dot[0]  # the column before its label, which is before the +


def test_a_residual_block_keeps_its_layers_on_one_line_and_its_skip_in_one_piece():
    sizes, edges = PLANAR["residual"]
    centres, routes, _, _ = arrange(sizes, edges)
    assert len({centres[i][1] for i in range(7)}) == 1
    skip_label = edges[2 * 5][1]
    over = routes[edges.index((skip_label, 5))]
    assert over[0][1] == over[1][1]
    assert len(over) == 3  # straight, then down to the +


def test_a_source_stands_right_before_its_first_user_and_not_at_the_far_left():
    chain = [(i, i + 1) for i in range(9)]
    centres = arrange([ROUND] * 12, [*chain, (10, 7), (11, 4), (11, 8)]).centres
    assert centres[10][0] == centres[6][0]
    assert centres[11][0] == centres[3][0]


def test_columns_are_as_wide_as_their_widest_box():
    centres, _, width, _ = arrange([(10, 10), (400, 10), (10, 10), (50, 10)], [(0, 1), (1, 2), (0, 3), (3, 2)])
    assert centres[1][0] == centres[3][0]
    assert 420 < width < 420 + 2 * 60


def test_no_boxes_make_an_empty_picture():
    assert arrange([], []) == ([], [], 0, 0)


@pytest.mark.exhaustive
def test_without_graphlay_edges_of_random_graphs_do_not_cross_more_often(library):
    n = sum(crossings(arrange(*GRAPHS[f"random {seed}"]).routes) for seed in range(50))
    assert n == {"graphlay": 21, "heights": 22}[library]


def test_the_same_graph_gives_the_same_numbers_again_and_in_another_process(library):
    graphs = [random_graph(seed) for seed in (3, 17, 23)]
    here = json.dumps([arrange(*graph) for graph in graphs])
    assert json.dumps([arrange(*graph) for graph in graphs]) == here
    missing = "" if library == "graphlay" else "sys.modules['graphlay'] = None; "
    code = f"import json, sys; {missing}from netlib.drawing.layout import arrange; "
    code += "json.dump([arrange(*g) for g in json.load(sys.stdin)], sys.stdout)"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(graphs),
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={"PATH": "", "PYTHONHASHSEED": seed},
        )
        assert done.stdout == here


def test_nothing_handed_over_changes():
    sizes, edges = random_graph(5)
    before = json.dumps([sizes, edges])
    arrange(sizes, edges)
    assert json.dumps([sizes, edges]) == before


@pytest.mark.parametrize("edges", [[(0, 1), (1, 2), (2, 0)], [(1, 1)]])
def test_a_circle_is_refused(edges):
    with pytest.raises(InvalidValueError, match="cycle"):
        arrange([ROUND] * 3, edges)


@pytest.mark.parametrize("size", [(0, 10), (10, -1), (float("nan"), 10), (10, float("inf"))])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(InvalidValueError, match="box 1 is"):
        arrange([ROUND, size], [(0, 1)])


@pytest.mark.parametrize("edge", [(0, 2), (-1, 0)])
def test_an_edge_to_nowhere_is_refused(edge):
    with pytest.raises(InvalidValueError, match="unknown box"):
        arrange([ROUND, ROUND], [edge])
