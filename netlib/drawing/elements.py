"""The elements of a picture: nodes, wires, and the lines of rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ..arrays import Array
from ..layer import Layer


class Reference(NamedTuple):
    """In the text of a rule: the value or gradient of a wire, perhaps transposed."""

    wire: int
    is_grad: bool
    is_transposed: bool = False


@dataclass
class Line:
    """One line of a rule: what it computes, and its formula as text with references."""

    result: Reference | None
    parts: list[str | Reference]


@dataclass
class Wire:
    """An edge from one node to another, with the arrays that pass along it.

    Attributes
    ----------
    name : str
        ``"X"``, and ``"X(2)"`` for the second branch of a fan-out.
    path : str
        The path of the parameter, or of the layer that computes the value.
    source, target : int
        Numbers of nodes.
    value : ndarray
    grad : ndarray or None
        The gradient that flows back along this wire; None if none was computed.
    """

    number: int
    name: str
    path: str
    source: int
    target: int
    value: Array
    grad: Array | None


@dataclass
class Node:
    """A node of the picture.

    Attributes
    ----------
    kind : str
        One of "input", "parameter", "constant", "operation", "group", "fan-out", "output",
        "unused", "entry" and "exit". A group is several layers folded into one; the gradient enters
        at an output. In the picture of a part, an entry is a value from the rest of the model, and
        an exit is a value that the rest uses.
    title : str
        A name, or the repr of the layer.
    symbol : str
        The text in a circle; empty for a box with the title.
    path : str
    layer : Layer or None
        The layer of the copy that ran.
    inputs, outputs : list of int
        Numbers of wires.
    roles : list of str
        The layer's own names of its inputs and parameters, in the order of `inputs`.
    forward, backward : list of Line
    folds : int
        The number of layers folded into a group.
    """

    kind: str
    title: str
    symbol: str = ""
    path: str = ""
    layer: Layer | None = None
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    forward: list[Line] = field(default_factory=list)
    backward: list[Line] = field(default_factory=list)
    folds: int = 0
    number: int = -1


class Moment(NamedTuple):
    """One step of the animation: the node that computes, and the wires that get a new array."""

    phase: str
    node: int
    wires: list[int]
