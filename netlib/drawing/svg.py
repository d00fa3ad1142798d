"""A picture as SVG: nodes, arrows in both directions, and the arrays on the wires."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from ..errors import not_installed
from . import numbers
from .blocks import Label, Shape, Text, line_of_text
from .elements import Wire
from .layout import Arrangement, Point, arrange
from .picture import Picture
from .wording import describe

MARGIN = 24
TOP = 2 * MARGIN + 8  # where the nodes begin, below the title
LEGEND_GAP = 40
APART = 3  # half the distance between the forward and the backward arrow

STYLE = """\
svg{--paper:#fff;--ink:#1b2330;--faint:#5b6675;--line:#8a95a5;--fill:#f3f5f8;--forward:#0a6186;--backward:#b0400f;--wrong:#c1121f}
@media (prefers-color-scheme:dark){svg{--paper:#12161d;--ink:#e8ebf0;--faint:#9aa5b4;--line:#66717f;--fill:#1d242e;--forward:#62c6ec;\
--backward:#ff9d6c;--wrong:#ff5c66}}
@media print{svg{--paper:#fff;--ink:#000;--faint:#444;--line:#666;--fill:#f3f5f8;--forward:#0a4d6b;--backward:#8f330b;--wrong:#a00}}
text{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:12px;fill:var(--ink);white-space:pre}
.paper{fill:var(--paper)}
.shape{fill:var(--fill);stroke:var(--line);stroke-width:1.5}
.group .shape,.entry .shape,.exit .shape{stroke-dasharray:5 3}
.fan-out .shape{fill:var(--paper);stroke:var(--backward)}
.symbol{font-size:15px;font-weight:700}
.name{font-weight:700}
.small{font-size:10.5px}
.faint{fill:var(--faint)}
.line{fill:none;stroke:var(--forward);stroke-width:1.6}
.back{fill:none;stroke:var(--backward);stroke-width:1.6}
.tip{stroke:none;fill:var(--forward)}
.back.tip{fill:var(--backward)}
.value .bracket{fill:none;stroke:var(--forward);stroke-width:1.2}
.grad .bracket{fill:none;stroke:var(--backward);stroke-width:1.2}
.value .name,.forward{fill:var(--forward)}
.grad text,.backward{fill:var(--backward)}
.grad .faint{fill:var(--faint)}
.wrong .back{stroke:var(--wrong);stroke-width:3}
.wrong .back.tip{stroke:none;fill:var(--wrong)}
.wrong .grad text,.wrong .grad .name{fill:var(--wrong)}
"""


def to_svg(picture: Picture, title: str, wrong: Sequence[int] = ()) -> str:
    """Return the picture as a self-contained SVG; equal pictures give equal bytes.

    Parameters
    ----------
    picture : Picture
    title : str
        Shown above the picture, and read by screen readers.
    wrong : sequence of int
        Numbers of the wires whose gradients are shown in red.
    """
    shapes = [Shape(picture, node) for node in picture.nodes]
    labels = [Label(picture, wire) for wire in picture.wires]
    place = _arrange(picture, shapes, labels)
    legend = list(_legend(picture))
    legend_width = sum(text.width + LEGEND_GAP for text in legend)
    width = max(place.width, legend_width, Text("name", title).width) + 2 * MARGIN
    height = place.height + TOP + 2 * MARGIN + 8

    size = f'width="{width:.0f}" height="{height:.0f}"'
    box = f'viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} {size} role="img">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(describe(picture))}</desc>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" {size}/>',
        f'<text class="name" x="{MARGIN}" y="{MARGIN + 4}">{escape(title)}</text>',
    ]
    for wire, label in zip(picture.wires, labels, strict=True):
        parts += _draw_wire(picture, wire, label, shapes, place, is_wrong=wire.number in wrong)
    for node, shape in zip(picture.nodes, shapes, strict=True):
        parts.append(f'<g class="node {node.kind}" data-node="{node.number}">')
        parts.append(f"<title>{escape(f'{node.title} {node.path}'.strip())}</title>")
        parts += shape.draw(*place.centres[node.number])
        parts.append("</g>")
    parts += _draw_legend(legend, height)
    return "\n".join([*parts, "</svg>", ""])


def _arrange(picture: Picture, shapes: Sequence[Shape], labels: Sequence[Label]) -> Arrangement:
    """Return the positions of the boxes: first those of the nodes, then those of the labels.

    A wire is two edges, from its source to its label and from its label to its target.
    """
    n = len(shapes)
    edges = []
    for wire in picture.wires:
        edges += [(wire.source, n + wire.number), (n + wire.number, wire.target)]
    sizes = [shape.size for shape in shapes] + [label.size for label in labels]
    centres, routes, width, height = arrange(sizes, edges)
    centres = [(x + MARGIN, y + TOP) for x, y in centres]
    routes = [[(x + MARGIN, y + TOP) for x, y in route] for route in routes]
    return Arrangement(centres, routes, width, height)


def _draw_wire(picture: Picture, wire: Wire, label: Label, shapes: Sequence[Shape], place: Arrangement, is_wrong: bool) -> Iterator[str]:
    """Yield the arrows of a wire and its label."""
    source, target = wire.source, wire.target
    x, y = place.centres[len(shapes) + wire.number]
    to_label, from_label = place.routes[2 * wire.number], place.routes[2 * wire.number + 1]
    outputs, inputs = picture.nodes[source].outputs, picture.nodes[target].inputs
    leaving = _port(shapes[source], place.centres[source], outputs, wire.number, place.routes, 1)
    arriving = _port(shapes[target], place.centres[target], inputs, wire.number, place.routes, -1)
    half = label.size[0] / 2
    line = [
        *leaving,
        *_level(to_label[1:-1], place.centres[source][1], leaving[-1][1]),
        (x - half, y),
        (x + half, y),
        *_level(from_label[1:-1], place.centres[target][1], arriving[0][1]),
        *arriving,
    ]
    yield f'<g class="wire{" wrong" if is_wrong else ""}" data-wire="{wire.number}">'
    yield from _arrow("line", [(a, b - APART) for a, b in line])
    if wire.grad is not None:
        yield from _arrow("back", [(a, b + APART) for a, b in reversed(line)])
    yield from label.draw(x, y)
    yield "</g>"


def _draw_legend(legend: Sequence[Text], height: float) -> Iterator[str]:
    yield '<g class="legend">'
    x = float(MARGIN)
    for text in legend:
        yield line_of_text([text], x + text.width / 2, height - MARGIN)
        x += text.width + LEGEND_GAP
    yield "</g>"


def _port(shape: Shape, centre: Point, wires: list[int], number: int, routes: Sequence[Sequence[Point]], side: int) -> list[Point]:
    """Return the points of a wire between its node and the edge of the node's box.

    `side` is 1 where it leaves the node, -1 where it arrives. The points are in its direction.
    """
    corner = {i: routes[2 * i][-1] if side == 1 else routes[2 * i + 1][0] for i in wires}
    place = sorted(wires, key=lambda i: (corner[i][1], i)).index(number)
    dx, dy = shape.port(place, len(wires), side)
    meeting = centre[0] + dx, centre[1] + dy
    edge = centre[0] + side * shape.size[0] / 2, centre[1] + dy
    points = [meeting, edge] if abs(edge[0] - meeting[0]) > 1 else [meeting]
    return points if side == 1 else points[::-1]


def _level(corners: Sequence[Point], middle: float, port: float) -> list[Point]:
    """Return the corners of a route, with those at the height of the node moved to the port."""
    return [(x, port if y == middle else y) for x, y in corners]


def _arrow(kind: str, points: Sequence[Point]) -> Iterator[str]:
    """Yield a line through the points, horizontal at each, with an arrow tip at its end."""
    (x, y), (x1, y1) = points[-1], points[0]
    direction = 1 if x > x1 else -1
    path = [f"M{x1:.1f} {y1:.1f}"]
    for (a, b), (c, d) in pairwise([*points[:-1], (x - 5 * direction, y)]):
        middle = (a + c) / 2
        path.append(f"H{c:.1f}" if abs(b - d) < 0.05 else f"C{middle:.1f} {b:.1f} {middle:.1f} {d:.1f} {c:.1f} {d:.1f}")
    yield f'<path class="{kind}" d="{"".join(path)}"/>'
    yield f'<path class="{kind} tip" d="M{x:.1f} {y:.1f}l{-8 * direction} -4v8z"/>'


def _legend(picture: Picture) -> Iterator[Text]:
    yield Text("forward small", "→ forward: values, above the line")
    yield Text("backward small", "← backward: gradients, below; dX is ∂L/∂X")
    if any(not numbers.is_small(wire.value) for wire in picture.wires):
        yield Text("faint small", "large arrays: min … mean … max; blue is positive, orange negative")
    if any(numbers.is_images(wire.value) for wire in picture.wires):
        yield Text("faint small", "images of values: from black, the smallest number or 0, to white")


def to_png(svg: str, scale: float = 2.0) -> bytes:
    """Convert an SVG from `to_svg` to PNG, in light colours.

    Raises
    ------
    MissingError
        If resvg is not installed (extra ``draw``).
    """
    try:
        import resvg_py
    except ImportError as error:
        raise not_installed("resvg_py", "draw", "Drawing.png") from error
    light = STYLE.splitlines()[0].removeprefix("svg{").removesuffix("}")
    for name, colour in (entry.split(":") for entry in light.split(";")):
        svg = svg.replace(f"var({name})", colour)
    # resvg does not support white-space: pre
    svg = re.sub(r">[^<>]+</text>", lambda text: text[0].replace(" ", "\u00a0"), svg)
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=scale))
