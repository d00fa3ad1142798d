"""A picture as text for Graphviz and for Mermaid."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..layers.rules import format_shape
from . import numbers
from .elements import Node, Wire
from .picture import Picture
from .wording import shorten

MOST_NUMBERS = 12
"""Labels leave out arrays with more numbers."""
SPECIAL = re.compile(r"[^\w\s().,=+/-]|_")
CIRCLE = "circle"
SHAPES = {
    "input": "oval", "parameter": "oval", "constant": "oval", "operation": "box", "group": "folder", "fan-out": CIRCLE,
    "output": "doublecircle", "unused": "plain", "entry": "oval", "exit": "doublecircle",
}  # fmt: skip
BRACKETS = {
    "oval": ("([", "])"), "box": ("[", "]"), "folder": ("[[", "]]"), CIRCLE: ("((", "))"),
    "doublecircle": ("(((", ")))"), "plain": ("[", "]"),
}  # fmt: skip


def to_dot(picture: Picture, title: str) -> str:
    r"""Return the picture in DOT, the language of Graphviz.

    Examples
    --------
    >>> import netlib as nl
    >>> from netlib.drawing.flow import Flow
    >>> print(to_dot(Picture(Flow(nl.Tanh(), [0.0])), "tanh"))
    digraph {
      rankdir=LR; labelloc=t; label="tanh";
      node [fontname="Courier"]; edge [fontname="Courier"];
      n0 [shape=oval, label="X"];
      n1 [shape=circle, label="tanh", tooltip="Tanh()"];
      n2 [shape=doublecircle, label="L"];
      n0 -> n1 [label="X  scalar\n0\n∂L/∂X\n1"];
      n1 -> n2 [label="L  scalar\n0\n∂L/∂L\n1"];
    }
    <BLANKLINE>
    """
    lines = [f"rankdir=LR; labelloc=t; label={_in_dot(title)};", 'node [fontname="Courier"]; edge [fontname="Courier"];']
    for node in picture.nodes:
        tooltip = f", tooltip={_in_dot(node.title)}" if node.symbol else ""
        lines.append(f"n{node.number} [shape={_shape(node)}, label={_in_dot(_text(node))}{tooltip}];")
    for wire in picture.wires:
        lines.append(f"n{wire.source} -> n{wire.target} [label={_in_dot(*_label(wire))}];")
    return "digraph {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def to_mermaid(picture: Picture, title: str) -> str:
    """Return the picture as a Mermaid flowchart.

    Examples
    --------
    >>> import netlib as nl
    >>> from netlib.drawing.flow import Flow
    >>> print(to_mermaid(Picture(Flow(nl.Tanh(), [0.0])), "tanh"))
    flowchart LR
      accTitle: tanh
      n0(["X"])
      n1(("tanh"))
      n2((("L")))
      n0 -->|"X scalar<br/>0<br/>∂L/∂X<br/>1"| n1
      n1 -->|"L scalar<br/>0<br/>∂L/∂L<br/>1"| n2
    <BLANKLINE>
    """
    lines = [f"accTitle: {_in_mermaid(title)}"]
    for node in picture.nodes:
        opening, closing = BRACKETS[_shape(node)]
        lines.append(f'n{node.number}{opening}"{_in_mermaid(_text(node))}"{closing}')
    for wire in picture.wires:
        label = "<br/>".join(map(_in_mermaid, _label(wire)))
        lines.append(f'n{wire.source} -->|"{label}"| n{wire.target}')
    return "flowchart LR\n" + "".join(f"  {line}\n" for line in lines)


def _shape(node: Node) -> str:
    return CIRCLE if node.symbol else SHAPES[node.kind]


def _text(node: Node) -> str:
    return node.symbol or shorten(node.title)


def _label(wire: Wire) -> Iterator[str]:
    """Yield the lines of a label: name and shape, value, name of the gradient, gradient."""
    yield f"{shorten(wire.name)}  {format_shape(wire.value.shape)}"
    is_short = wire.value.size <= MOST_NUMBERS and numbers.is_small(wire.value)
    if is_short:
        yield from numbers.rows(wire.value)
    gradient = f"∂L/∂{shorten(wire.name)}"
    if wire.grad is None:
        yield f"{gradient} not computed"
    else:
        yield gradient
        if is_short:
            yield from numbers.rows(wire.grad)


def _in_dot(*lines: str) -> str:
    """Return the lines as a quoted string, with backslashes, quotes and & escaped."""
    escaped = (_printable(line).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'


def _in_mermaid(line: str) -> str:
    """Return text that can be quoted: special characters of Mermaid or HTML become numbers."""
    text = " ".join(_printable(line).split())
    return SPECIAL.sub(lambda match: f"#{ord(match[0])};" if match[0].isascii() else match[0], text)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
