"""The boxes of a picture: labels of wires, shapes of nodes, and the text in both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import sqrt
from typing import NamedTuple

from ..arrays import Array
from ..layers.rules import format_shape
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
SOURCES = ("input", "parameter", "constant", "entry")


class Text(NamedTuple):
    """A piece of text on a line, with its CSS classes."""

    kind: str
    letters: str

    @property
    def width(self) -> float:
        """Width in px."""
        size = 15 if "symbol" in self.kind else SMALL if "small" in self.kind else SIZE
        return len(self.letters) * ADVANCE * size


class Half:
    """The text above or below the line of a wire: a heading and an array."""

    def __init__(self, kind: str, heading: list[Text], array: Array | None) -> None:
        self.kind = kind
        self.heading = heading
        self.rows: list[str] = []
        self.image, self.image_size = "", (float(HEAT), float(HEAT))
        self.is_mosaic = array is not None and numbers.is_images(array)
        self.is_bracketed = False
        if array is not None and numbers.is_small(array):
            self.rows = numbers.rows(array)
            self.is_bracketed = array.ndim > 0
        elif array is not None:
            self.rows = numbers.summary(array)
            self.image = numbers.heat_image(array) if array.size else ""
            if self.is_mosaic:
                self.image = numbers.grey_image(array) if kind == "value" else self.image
                height, width = numbers.mosaic(array).shape
                self.image_size = float(width), float(height)

    @property
    def body(self) -> Point:
        """Width and height of the array."""
        if not self.rows:
            return 0.0, 0.0
        width, height = self._text_width, len(self.rows) * LINE
        if self.is_mosaic:
            return max(width, self.image_size[0]), self.image_size[1] + height + 4.0
        if self.image:
            return width + HEAT + 8, max(HEAT, height) + 4.0
        return width + (14 if self.is_bracketed else 0), height + 2.0

    @property
    def _text_width(self) -> float:
        return max(Text("", row).width for row in self.rows)

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
            image_width, image_height = self.image_size
            if self.is_mosaic:  # the text below it
                corner = x - image_width / 2, y + 2
                left, top = x - self._text_width / 2, y + 2 + image_height
            else:
                middle = y + height / 2
                corner = left, middle - image_height / 2
                left, top = left + image_width + 8, middle - len(self.rows) * LINE / 2
            size = f'width="{image_width:.0f}" height="{image_height:.0f}"'
            yield f'<image x="{corner[0]:.1f}" y="{corner[1]:.1f}" {size} preserveAspectRatio="none" '
            yield f'style="image-rendering:pixelated" href="{self.image}"/>'
        if self.is_bracketed:
            top_of_bracket, bottom = y + 1, y + height - 1
            for edge, inwards in ((left, 4), (left + width, -4)):
                tip = edge + inwards
                path = f"M{tip:.1f} {top_of_bracket:.1f}H{edge:.1f}V{bottom:.1f}H{tip:.1f}"
                yield f'<path class="bracket" d="{path}"/>'
            left += 7
        for i, row in enumerate(self.rows):
            yield f'<text class="row" x="{left:.1f}" y="{top + 13 + i * LINE:.1f}">{escape(row)}</text>'
        yield "</g>"


class Label:
    """The label of a wire: name, shape and value above the line, the gradient below."""

    def __init__(self, picture: Picture, wire: Wire) -> None:
        source = picture.nodes[wire.source]
        name, gradient = shorten(wire.name), f"∂L/∂{shorten(wire.name)}"
        if source.kind == "fan-out":
            heading = [Text("name", name), Text("faint", f" = {shorten(source.title)}")]
            self.above = Half("value", heading, None)
        else:
            heading = [Text("name", name), Text("faint", f"  {format_shape(wire.value.shape)}")]
            self.above = Half("value", heading, wire.value)
        if wire.grad is None:
            heading = [Text("name small", gradient), Text("faint small", " not computed")]
        else:
            heading = [Text("name", gradient), Text("", gradient_formula(picture, wire))]
        self.below = Half("grad", heading, wire.grad)
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
        self.radius = _radius(node)
        self.head = _head(node, is_circle=self.radius > 0)
        self.lines = _rule(picture, node, is_circle=self.radius > 0)
        width = max((sum(text.width for text in line) for line in self.head + self.lines), default=0)
        if self.radius:
            below, above = len(self.lines) * SMALL_LINE + 8, len(self.head) * SMALL_LINE + 4
            self.size = max(width, 2 * self.radius), 2 * (self.radius + max(below, above))
        else:
            height = len(self.head) * LINE + len(self.lines) * SMALL_LINE
            self.size = max(width + 2 * PAD, 36), height + (20 if self.lines else 14)

    def port(self, place: int, of: int, side: int) -> Point:
        """Return where wire `place` of `of` meets the node, relative to its centre.

        `side` is -1 for the left, 1 for the right.
        """
        room = 2 * self.radius * 0.6 if self.radius else max(self.size[1] - 16, 0)
        dy = (place - (of - 1) / 2) * min(16, room / max(of - 1, 1))
        return side * (sqrt(self.radius**2 - dy**2) if self.radius else self.size[0] / 2), dy

    def draw(self, x: float, y: float) -> Iterator[str]:
        """Yield the SVG elements, with the centre of the node at (`x`, `y`)."""
        if self.radius:
            yield from self._draw_circle(x, y)
            top = y + self.radius + 14
        else:
            yield from self._draw_box(x, y)
            top = y - self.size[1] / 2 + 19 + len(self.head) * LINE + 4
        for i, line in enumerate(self.lines):
            yield line_of_text(line, x, top + i * SMALL_LINE)

    def _draw_circle(self, x: float, y: float) -> Iterator[str]:
        yield f'<circle class="shape" cx="{x:.1f}" cy="{y:.1f}" r="{self.radius}"/>'
        if self.node.kind == "fan-out":
            symbol, kind = "+", "backward name"
        else:
            is_end = self.node.kind in ("output", "exit")
            symbol = shorten(self.node.title) if is_end else self.node.symbol
            kind = "symbol" if len(symbol) < 4 else "name small"
        yield line_of_text([Text(kind, symbol)], x, y + (5 if kind == "symbol" else 4))
        top = y - self.radius - 6 - (len(self.head) - 1) * SMALL_LINE
        for i, line in enumerate(self.head):
            yield line_of_text(line, x, top + i * SMALL_LINE)

    def _draw_box(self, x: float, y: float) -> Iterator[str]:
        width, height = self.size
        left, top = x - width / 2, y - height / 2
        if self.node.kind != "unused":
            corner = 16 if self.node.kind in SOURCES else 6
            yield f'<rect class="shape" x="{left:.1f}" y="{top:.1f}" '
            yield f'width="{width:.1f}" height="{height:.1f}" rx="{corner}"/>'
        for i, line in enumerate(self.head):
            yield line_of_text(line, x, top + 19 + i * LINE)


def _radius(node: Node) -> int:
    """Return the radius of a circle; 0 for a box."""
    if node.kind == "fan-out":
        return FAN_RADIUS
    return RADIUS if node.symbol or node.kind in ("output", "exit") else 0


def _head(node: Node, is_circle: bool) -> list[list[Text]]:
    """Return the lines of text above a circle, or at the top of a box."""
    title = [Text("name", shorten(node.title))]
    if node.kind in SOURCES:
        kind = "from" if node.kind == "entry" and node.path else node.kind
        place = f"{kind} {node.path}" if node.path and node.path != node.title else kind
        return [title, [Text("faint small", place)]]
    if node.kind == "group":
        return [title, [Text("faint small", describe_group(node))]]
    if node.kind == "unused":
        return [[Text("faint small", node.title)]]
    if node.kind != "operation":
        return []
    if is_circle:
        return [[Text("faint small", shorten(node.title))]]
    return [title, [Text("faint small", node.path)]] if node.path else [title]


def _rule(picture: Picture, node: Node, is_circle: bool) -> list[list[Text]]:
    """Return the lines of a node's rule; without a rule, the shapes of its inputs and outputs."""
    if node.kind == "fan-out":  # the label of its incoming wire has the sum
        return []
    rule = [("forward small", line) for line in node.forward]
    rule += [("backward small", line) for line in node.backward]
    if not rule:
        return _shapes_alone(picture, node)
    texts = [Text(kind, as_text(picture, line)) for kind, line in rule]
    fits = [fit_of_shapes(picture, line) for _, line in rule]
    lines: list[list[Text]] = []
    if is_circle:  # shapes below each line, to keep the picture narrow
        for text, fit in zip(texts, fits, strict=True):
            lines += [[text], [Text("faint small", fit)]] if "→" in fit else [[text]]
        return lines
    parts = [text.letters.replace(", where ", ",\n    where ").split("\n") for text in texts]
    text_width, fit_width = max(len(part) for all_parts in parts for part in all_parts), max(map(len, fits))
    for text, (first, *more), fit in zip(texts, parts, fits, strict=True):
        shapes = f"  {fit.ljust(fit_width)}" if fit_width else ""
        lines.append([Text(text.kind, first.ljust(text_width)), Text("faint small", shapes)])
        lines += [[Text(text.kind, part.ljust(text_width + len(shapes)))] for part in more]
    return lines


def _shapes_alone(picture: Picture, node: Node) -> list[list[Text]]:
    if node.kind != "operation" or node.layer is None:
        return []
    inputs, outputs = (" ".join(f"({format_shape(picture.wires[i].value.shape)})" for i in wires) for wires in (node.inputs, node.outputs))
    return [[Text("faint small", f"{inputs} → {outputs}")]]


def line_of_text(texts: Sequence[Text], x: float, y: float) -> str:
    """Return the texts side by side, centred at `x`, on the baseline `y`."""
    left = x - sum(text.width for text in texts) / 2
    elements = []
    for text in texts:
        if text.letters:
            kind = f' class="{text.kind}"' if text.kind else ""
            content = escape(text.letters)
            elements.append(f'<text{kind} x="{left:.1f}" y="{y:.1f}">{content}</text>')
        left += text.width
    return "".join(elements)
