"""A picture as SVG: circles and boxes, arrows there and back, and on every wire what it carries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from ..errors import not_installed
from . import numbers
from .blocks import Label, Shape, Text, line_of_text
from .layout import Point, arrange
from .picture import Picture
from .wording import described

MARGIN = 24
APART = 3  # half the distance between the arrow there and the arrow back

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


def drawn(picture: Picture, title: str, wrong: Sequence[int] = ()) -> str:
    """Return the picture as one self-contained SVG, light and dark, the same bytes for the same picture.

    Parameters
    ----------
    picture : Picture
    title : str
        For screen readers, and above the picture.
    wrong : sequence of int
        Numbers of wires whose gradient is shown in red.

    Raises
    ------
    MissingError
        Without the extra ``draw``.
    """
    shapes, labels = [Shape(picture, node) for node in picture.nodes], [Label(picture, wire) for wire in picture.wires]
    n = len(shapes)
    edges = [edge for wire in picture.wires for edge in ((wire.source, n + wire.number), (n + wire.number, wire.target))]
    centres, routes, width, height = arrange([shape.size for shape in shapes] + [label.size for label in labels], edges)
    legend = list(_legend(picture))
    width = max(width, sum(text.width + 40 for text in legend), Text("name", title).width) + 2 * MARGIN
    top = 2 * MARGIN + 8
    height += top + 2 * MARGIN + 8
    centres = [(x + MARGIN, y + top) for x, y in centres]
    routes = [[(x + MARGIN, y + top) for x, y in route] for route in routes]

    size = f'width="{width:.0f}" height="{height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" {size} role="img">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(described(picture))}</desc>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" {size}/>',
        f'<text class="name" x="{MARGIN}" y="{MARGIN + 4}">{escape(title)}</text>',
    ]
    for wire, label in zip(picture.wires, labels, strict=True):
        x, y = centres[n + wire.number]
        into, out = routes[2 * wire.number], routes[2 * wire.number + 1]
        begin, end = shapes[wire.source], shapes[wire.target]
        leaving = _port(begin, centres[wire.source], picture.nodes[wire.source].outputs, wire.number, routes, 1)
        arriving = _port(end, centres[wire.target], picture.nodes[wire.target].inputs, wire.number, routes, -1)
        label_left, label_right = (x - label.size[0] / 2, y), (x + label.size[0] / 2, y)
        there = _level(into[1:-1], centres[wire.source][1], leaving[-1][1])
        on = _level(out[1:-1], centres[wire.target][1], arriving[0][1])
        line = [*leaving, *there, label_left, label_right, *on, *arriving]
        parts.append(f'<g class="wire{" wrong" if wire.number in wrong else ""}" data-wire="{wire.number}">')
        parts += _arrow("line", [(a, b - APART) for a, b in line])
        if wire.grad is not None:
            parts += _arrow("back", [(a, b + APART) for a, b in reversed(line)])
        parts += label.drawn(x, y)
        parts.append("</g>")
    for node, shape in zip(picture.nodes, shapes, strict=True):
        parts.append(f'<g class="node {node.kind}" data-node="{node.number}">')
        parts.append(f"<title>{escape(f'{node.title} {node.path}'.strip())}</title>")
        parts += shape.drawn(*centres[node.number])
        parts.append("</g>")
    x = float(MARGIN)
    parts.append('<g class="legend">')
    for text in legend:
        parts.append(line_of_text([text], x + text.width / 2, height - MARGIN))
        x += text.width + 40
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _port(shape: Shape, centre: Point, wires: list[int], number: int, routes: Sequence[Sequence[Point]], side: int) -> list[Point]:
    """Return where a wire leaves its node (`side` 1) or reaches it (-1), in the order of its way, up to the side of the node's room."""
    corner = {i: routes[2 * i][-1] if side == 1 else routes[2 * i + 1][0] for i in wires}
    place = sorted(wires, key=lambda i: (corner[i][1], i)).index(number)
    dx, dy = shape.port(place, len(wires), side)
    meeting = centre[0] + dx, centre[1] + dy
    edge = centre[0] + side * shape.size[0] / 2, centre[1] + dy
    points = [meeting, edge] if abs(edge[0] - meeting[0]) > 1 else [meeting]
    return points if side == 1 else points[::-1]


def _level(corners: Sequence[Point], middle: float, port: float) -> list[Point]:
    """Return the corners of a route, those beside its node, at the height of its `middle`, put at the height of the `port`."""
    return [(x, port if y == middle else y) for x, y in corners]


def _arrow(kind: str, points: Sequence[Point]) -> Iterator[str]:
    """Yield a line through the points, level at each of them, with a tip at its end."""
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


def as_png(drawn: str, scale: float = 2.0) -> bytes:
    """Return an SVG that `drawn` made as PNG, in its light colours.

    Raises
    ------
    MissingError
        Without resvg, the extra ``draw``.
    """
    try:
        import resvg_py
    except ImportError as error:
        raise not_installed("resvg_py", "draw", "Drawing.png") from error
    light = STYLE.splitlines()[0].removeprefix("svg{").removesuffix("}")
    for name, colour in (entry.split(":") for entry in light.split(";")):
        drawn = drawn.replace(f"var({name})", colour)
    drawn = re.sub(r">[^<>]+</text>", lambda text: text[0].replace(" ", "\u00a0"), drawn)  # resvg does not know white-space:pre
    return bytes(resvg_py.svg_to_bytes(svg_string=drawn, zoom=scale))
