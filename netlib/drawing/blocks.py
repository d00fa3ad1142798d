"""The boxes of a picture: labels of wires, shapes of nodes, and the text in both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import sqrt
from typing import NamedTuple

from ..arrays import Array
from ..layers.rules import sized
from . import numbers
from .elements import Node, Wire
from .layout import Point
from .picture import Picture
from .wording import as_text, describe_group, fit_of_shapes, gradient_formula, shorten

SIZE, SMALL = 12, 10.5  # font sizes in px
ADVANCE = 0.605  # width of a monospaced character relative to the font size
LINE, SMALL_LINE = 16, 14
RADIUS, FAN_RADIUS = 22, 11
PAD = 10
HEAT = 44


class Text(NamedTuple):
    """A piece of text on a line, with its CSS classes."""

    kind: str
    letters: str

    @property
    def width(self) -> float:
        """Width in px."""
        return len(self.letters) * ADVANCE * (15 if "symbol" in self.kind else SMALL if "small" in self.kind else SIZE)


class Half:
    """The text above or below the line of a wire: a heading and an array."""

    def __init__(self, kind: str, heading: list[Text], array: Array | None) -> None:
        self.kind = kind
        self.heading = heading
        self.rows: list[str] = []
        self.image = ""
        self.is_bracketed = False
        if array is not None and numbers.is_small(array):
            self.rows = numbers.rows(array)
            self.is_bracketed = array.ndim > 0
        elif array is not None:
            self.rows = numbers.summary(array)
            self.image = numbers.heat_image(array) if array.size else ""

    @property
    def body(self) -> Point:
        """Width and height of the array."""
        if not self.rows:
            return 0.0, 0.0
        width, height = max(Text("", row).width for row in self.rows), len(self.rows) * LINE
        if self.image:
            return width + HEAT + 8, max(HEAT, height) + 4.0
        return width + (14 if self.is_bracketed else 0), height + 2.0

    @property
    def size(self) -> Point:
        """Width and height of heading and array."""
        width, height = self.body
        return max(width, sum(text.width for text in self.heading)), height + (LINE if self.heading else 0)

    def draw(self, x: float, y: float) -> Iterator[str]:
        """Yield the SVG elements, centred at `x`, from `y` downwards."""
        yield f'<g class="{self.kind}">'
        if self.heading:
            yield line_of_text(self.heading, x, y + 12)
            y += LINE
        width, height = self.body
        left, top = x - width / 2, y
        if self.image:
            middle = y + height / 2
            yield f'<image x="{left:.1f}" y="{middle - HEAT / 2:.1f}" width="{HEAT}" height="{HEAT}" preserveAspectRatio="none" '
            yield f'style="image-rendering:pixelated" href="{self.image}"/>'
            left, top = left + HEAT + 8, middle - len(self.rows) * LINE / 2
        if self.is_bracketed:
            for edge, inwards in ((left, 4), (left + width, -4)):
                yield f'<path class="bracket" d="M{edge + inwards:.1f} {y + 1:.1f}H{edge:.1f}V{y + height - 1:.1f}H{edge + inwards:.1f}"/>'
            left += 7
        for i, row in enumerate(self.rows):
            yield f'<text class="row" x="{left:.1f}" y="{top + 13 + i * LINE:.1f}">{escape(row)}</text>'
        yield "</g>"


class Label:
    """The label of a wire: name, shape and value above the line, the gradient below."""

    def __init__(self, picture: Picture, wire: Wire) -> None:
        source = picture.nodes[wire.source]
        name, shape = Text("name", shorten(wire.name)), Text("faint", "  " + sized(wire.value.shape))
        if source.kind == "fan-out":
            self.above = Half("value", [name, Text("faint", f" = {shorten(source.title)}")], None)
        else:
            self.above = Half("value", [name, shape], wire.value)
        gradient = f"∂L/∂{shorten(wire.name)}"
        if wire.grad is None:
            self.below = Half("grad", [Text("name small", gradient), Text("faint small", " not computed")], None)
        else:
            formula = gradient_formula(picture, wire)
            self.below = Half("grad", [Text("name", gradient), Text("", formula)], wire.grad)
        half = max(self.above.size[1], self.below.size[1]) + 7
        self.size = max(self.above.size[0], self.below.size[0]) + 2 * PAD, 2 * half

    def draw(self, x: float, y: float) -> Iterator[str]:
        """Yield the SVG elements, with the line at height `y`."""
        yield '<g class="label">'
        yield from self.above.draw(x, y - 7 - self.above.size[1])
        yield from self.below.draw(x, y + 7)
        yield "</g>"


class Shape:
    """The shape of a node: a circle with a symbol or a box with a title, and its rule."""

    def __init__(self, picture: Picture, node: Node) -> None:
        self.node = node
        self.lines: list[list[Text]] = []
        rule = [("forward small", line) for line in node.forward] + [("backward small", line) for line in node.backward]
        if node.kind == "fan-out":  # its sum stands at the wire that leads to it
            rule = []
        self.radius = FAN_RADIUS if node.kind == "fan-out" else RADIUS if node.symbol or node.kind in ("output", "exit") else 0
        texts, fits = [as_text(picture, line) for _, line in rule], [fit_of_shapes(picture, line) for _, line in rule]
        for (kind, _), text, fit in zip(rule, texts, fits, strict=True):
            if self.radius:  # the shapes under each line, since all that is wide makes the picture small
                self.lines += [[Text(kind, text)], [Text("faint small", fit)]] if "→" in fit else [[Text(kind, text)]]
            else:
                letters, around = max(map(len, texts)), max(map(len, fits))
                self.lines.append([Text(kind, text.ljust(letters)), Text("faint small", f"  {fit.ljust(around)}" if around else "")])
        self.head: list[list[Text]] = []
        if node.kind in ("input", "parameter", "constant", "entry"):
            kind = "from" if node.kind == "entry" and node.path else node.kind
            place = f"{kind} {node.path}" if node.path and node.path != node.title else kind
            self.head = [[Text("name", shorten(node.title))], [Text("faint small", place)]]
        elif node.kind == "group":
            self.head = [[Text("name", shorten(node.title))], [Text("faint small", describe_group(node))]]
        elif node.kind == "unused":
            self.head = [[Text("faint small", node.title)]]
        elif node.kind == "operation":
            self.head = [[Text("faint small" if self.radius else "name", shorten(node.title))]]
            if node.path and not self.radius:
                self.head.append([Text("faint small", node.path)])
            if not rule and node.layer is not None:
                taken = " ".join(f"({sized(picture.wires[i].value.shape)})" for i in node.inputs)
                made = " ".join(f"({sized(picture.wires[i].value.shape)})" for i in node.outputs)
                self.lines.append([Text("faint small", f"{taken} → {made}")])
        width = max((sum(text.width for text in line) for line in self.head + self.lines), default=0)
        if self.radius:
            below, above = len(self.lines) * SMALL_LINE + 8, len(self.head) * SMALL_LINE + 4
            self.size = max(width, 2 * self.radius), 2 * (self.radius + max(below, above))
        else:
            self.size = max(width + 2 * PAD, 36), len(self.head) * LINE + len(self.lines) * SMALL_LINE + (20 if self.lines else 14)

    def port(self, place: int, of: int, side: int) -> Point:
        """Return where wire `place` of `of` meets the node, relative to its centre.

        `side` is -1 for the left, 1 for the right.
        """
        room = 2 * self.radius * 0.6 if self.radius else max(self.size[1] - 16, 0)
        dy = (place - (of - 1) / 2) * min(16, room / max(of - 1, 1))
        return side * (sqrt(self.radius**2 - dy**2) if self.radius else self.size[0] / 2), dy

    def draw(self, x: float, y: float) -> Iterator[str]:
        """Yield the SVG elements, with the centre of the node at (`x`, `y`)."""
        node, (width, height) = self.node, self.size
        symbol = {"fan-out": "+", "output": shorten(node.title), "exit": shorten(node.title)}.get(node.kind, node.symbol)
        if self.radius:
            yield f'<circle class="shape" cx="{x:.1f}" cy="{y:.1f}" r="{self.radius}"/>'
            kind = "backward name" if node.kind == "fan-out" else "symbol" if len(symbol) < 4 else "name small"
            yield line_of_text([Text(kind, symbol)], x, y + (5 if kind == "symbol" else 4))
            for i, line in enumerate(self.head):
                yield line_of_text(line, x, y - self.radius - 6 - (len(self.head) - 1 - i) * SMALL_LINE)
            top = y + self.radius + 14
        else:
            if node.kind != "unused":
                round_ = 16 if node.kind in ("input", "parameter", "constant", "entry") else 6
                yield f'<rect class="shape" x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" '
                yield f'width="{width:.1f}" height="{height:.1f}" rx="{round_}"/>'
            top = y - height / 2 + 19
            for line in self.head:
                yield line_of_text(line, x, top)
                top += LINE
            top += 4
        for line in self.lines:
            yield line_of_text(line, x, top)
            top += SMALL_LINE


def line_of_text(texts: Sequence[Text], x: float, y: float) -> str:
    """Return the texts side by side, centred at `x`, on the baseline `y`."""
    left, drawn = x - sum(text.width for text in texts) / 2, []
    for kind, letters in texts:
        if letters:
            kind_of = f' class="{kind}"' if kind else ""
            drawn.append(f'<text{kind_of} x="{left:.1f}" y="{y:.1f}">{escape(letters)}</text>')
        left += Text(kind, letters).width
    return "".join(drawn)
