"""What is drawn: nodes, and the wires between them with what passes along each."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import NamedTuple

from ..arrays import Array
from ..layer import Layer
from .flow import Flow, Operation, added
from .rules import rule_of, symbol_of

MOST_NODES = 40
"""A model of more layers is drawn folded, if need be down to its ends."""
SHORT = {"weight": "W", "bias": "B"}


class Reference(NamedTuple):
    """In the text of a rule: what passes along a wire, forward or backward, perhaps transposed."""

    wire: int
    is_grad: bool
    is_transposed: bool = False


@dataclass
class Line:
    """One line of a rule: what it computes, and the text, with references in it, that says how."""

    result: Reference | None
    parts: list[str | Reference]


@dataclass
class Wire:
    """An arrow from one node to another, and what passes along it.

    Attributes
    ----------
    name : str
        ``"X"``, and ``"X(2)"`` for what the second branch of a fan-out carries.
    path : str
        Where the model keeps it, or the layer that makes it.
    source, target : int
        Numbers of nodes.
    value : ndarray
    grad : ndarray or None
        What comes back along this wire. None where nothing was computed.
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
    """A place where wires end and begin.

    Attributes
    ----------
    kind : {"input", "parameter", "constant", "operation", "group", "fan-out", "output", "unused", "entry", "exit"}
        A group is several layers folded into one; an output is where the seed gradient enters. In the picture of a part, an entry is
        what comes from the rest of the model, and an exit what goes on into it.
    title : str
        Its name, or the layer as it would be written.
    symbol : str
        What stands in the circle; empty for a box with its title.
    path : str
    layer : Layer or None
        Of the copy that ran.
    inputs, outputs : list of int
        Numbers of wires.
    roles : list of str
        What the layer itself calls its inputs and parameters, in the order of `inputs`.
    forward, backward : list of Line
    folds : int
        How many layers are folded into it.
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
    """One step of the way through the picture: the node that works, and the wires on which something new can be seen."""

    phase: str
    node: int
    wires: list[int]


class Picture:
    """The nodes and wires of a flow.

    Parameters
    ----------
    flow : Flow
    folded : bool
        Whether the containers in the model are one node each.
    within : str
        The path of a container or layer, where the picture is of what is inside it; the whole model where it is empty.

    Attributes
    ----------
    nodes : list of Node
        Numbered in order, sources before those they feed.
    wires : list of Wire
    moments : list of Moment
        The way through it: forward from the left, then backward from the right.

    Examples
    --------
    >>> import netlib as nl, numpy as np
    >>> picture = Picture(Flow(nl.Sequential(nl.Affine(2, 3, rng=0), nl.Tanh()), [np.ones((4, 2))]))
    >>> for wire in picture.wires:
    ...     print(picture.nodes[wire.source].title, "->", picture.nodes[wire.target].title, wire.name, wire.value.shape)
    X -> Affine(2, 3) X (4, 2)
    W -> Affine(2, 3) W (2, 3)
    B -> Affine(2, 3) B (3,)
    Affine(2, 3) -> Tanh() H (4, 3)
    Tanh() -> Y Y (4, 3)
    """

    def __init__(self, flow: Flow, folded: bool = False, within: str = "") -> None:
        self.nodes: list[Node] = []
        self.wires: list[Wire] = []
        self._flow = flow
        inside = [operation for operation in flow.operations if is_inside(operation.path, within)]
        outside = [operation for operation in flow.operations if not is_inside(operation.path, within)]
        parts = _layers_and_groups(flow, inside, folded, within)
        parts = _with_borders(flow, parts, outside) if within else _with_ends(flow, parts)
        users: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number, part in enumerate(parts):
            for place, value in enumerate(part.takes):
                users[value].append((number, place))
        names = _names(flow)
        arriving: dict[tuple[int, int], Wire] = {}
        for number, part in enumerate(parts):
            node = self._add(part.node, [arriving[number, place] for place in range(len(part.takes))])
            node.title = node.title or names[(part.makes or part.takes)[0]]
            for value in part.makes:
                uses = users[value]
                wires = self._wires(value, names[value], node, [parts[user].sent[place] for user, place in uses])
                arriving.update(zip(uses, wires, strict=True))
        for node in self.nodes:
            self._give_rule(node)
        self.moments = self._way()

    def part(self, path: str) -> Picture:
        """Return the picture of what is inside the container or layer at this path, from the same run."""
        return Picture(self._flow, within=path)

    def _add(self, node: Node, inputs: list[Wire]) -> Node:
        node.number = len(self.nodes)
        self.nodes.append(node)
        for wire in inputs:
            wire.target = node.number
            node.inputs.append(wire.number)
        return node

    def _wires(self, value: int, name: str, source: Node, gradients: Sequence[Array | None]) -> list[Wire]:
        """Return a wire for each use of a value, through a fan-out where there are several; `gradients` are what the uses send back."""
        if len(gradients) == 1:
            return [self._wire(name, value, source, gradients[0])]
        if not gradients:
            self._add(Node("unused", "not used"), [self._wire(name, value, source, None)])
            return []
        trunk = self._wire(name, value, source, reduce(added, gradients))
        fan_out = self._add(Node("fan-out", name, "•", trunk.path), [trunk])
        return [self._wire(f"{name}({i})", value, fan_out, gradient) for i, gradient in enumerate(gradients, 1)]

    def _wire(self, name: str, value: int, source: Node, grad: Array | None) -> Wire:
        held = self._flow.values[value]
        wire = Wire(len(self.wires), name, held.path, source.number, -1, held.array, grad)
        self.wires.append(wire)
        source.outputs.append(wire.number)
        return wire

    def _give_rule(self, node: Node) -> None:
        """Write the rule of the node, with its wires in the place of the layer's own names."""
        inputs, outputs = [self.wires[i] for i in node.inputs], [self.wires[i] for i in node.outputs]
        if node.kind == "fan-out" and inputs[0].grad is not None:
            shares = [Reference(wire.number, True) for wire in outputs if wire.grad is not None]
            node.backward = [Line(Reference(inputs[0].number, True), _sum_of(shares))]
        if node.kind != "operation" or node.layer is None or len(outputs) != 1:
            return
        shapes = [wire.value.shape for wire in inputs]
        n = len(shapes) - len(node.layer.parameters())
        text = rule_of(node.layer, shapes[:n], outputs[0].value.shape)
        node.symbol = symbol_of(text, node.roles[:n])
        output = "L" if "y" in node.roles else "y"
        words = {f"d{name}": Reference(wire.number, True) for name, wire in zip([*node.roles, output], [*inputs, *outputs], strict=True)}
        words |= {name: Reference(wire.number, False) for name, wire in zip([*node.roles, output], [*inputs, *outputs], strict=True)}
        for line in text.splitlines():
            result, equals, formula = line.partition(" = ")
            is_named = bool(equals) and result.strip() in words
            read = Line(words[result.strip()], _parts(formula, words)) if is_named else Line(None, _parts(line, words))
            if read.result is None or not read.result.is_grad:
                node.forward.append(read)
            elif self.wires[read.result.wire].grad is not None:
                node.backward.append(read)

    def _way(self) -> list[Moment]:
        """Return the way through the picture: each node in order, then those that a gradient reaches, in reverse."""
        way = [Moment("forward", node.number, node.outputs) for node in self.nodes if node.kind not in ("output", "exit", "unused")]
        for node in reversed(self.nodes):
            wires = [i for i in node.inputs if self.wires[i].grad is not None]
            if wires:
                way.append(Moment("backward", node.number, wires))
        return way


@dataclass
class _Part:
    """What becomes a node: the values it takes and makes, and the gradient that it sends to each that it takes."""

    node: Node
    takes: list[int] = field(default_factory=list)
    sent: list[Array | None] = field(default_factory=list)
    makes: list[int] = field(default_factory=list)


def _layers_and_groups(flow: Flow, operations: Sequence[Operation], folded: bool, within: str) -> list[_Part]:
    """Return these layers in order, those of one container directly `within` together where they are folded."""
    runs: list[tuple[str, list[Operation]]] = []  # the path of a container, or "" for a single layer
    start = len(within) + 1 if within else 0
    for operation in operations:
        outermost = operation.path[:start] + operation.path[start:].partition(".")[0]
        group = outermost if (folded or len(operations) > MOST_NODES) and _is_container(flow.layers.get(outermost)) else ""
        if group and runs and runs[-1][0] == group:
            runs[-1][1].append(operation)
        else:
            runs.append((group, [operation]))
    if len(runs) > MOST_NODES:
        at_each_end = MOST_NODES // 4
        middle = [operation for _, some in runs[at_each_end:-at_each_end] for operation in some]
        runs[at_each_end:-at_each_end] = [("…", middle)]
    read = Counter(value for operation in flow.operations for value in operation.sources) + Counter(flow.outputs)
    return [_group(flow, path, some, read) if path else _layer(some[0]) for path, some in runs]


def _layer(operation: Operation) -> _Part:
    node = Node("operation", repr(operation.layer), path=operation.path, layer=operation.layer, roles=operation.roles)
    return _Part(node, operation.sources, operation.sent, operation.targets)


def _group(flow: Flow, path: str, operations: list[Operation], read: Counter[int]) -> _Part:
    """Return several operations as one: it takes what comes from outside, and makes what others read.

    Parameters and constants that nobody else reads are folded into it.
    """
    inside = Counter(value for operation in operations for value in operation.sources)
    sent: dict[int, Array | None] = {}
    for operation in operations:
        for value, gradient in zip(operation.sources, operation.sent, strict=True):
            sent[value] = added(sent.get(value), gradient)
    made = dict.fromkeys(value for operation in operations for value in operation.targets)
    makes = [value for value in made if read[value] > inside[value]]
    is_own = {value: read[value] == inside[value] and _is_held(flow, value) for value in inside}
    takes = [value for value in sent if value not in made and not is_own[value]]
    title = f"{len(operations)} layers" if path == "…" else type(flow.layers[path]).__name__
    node = Node("group", title, path=path, layer=flow.layers.get(path), folds=len(operations))
    return _Part(node, takes, [sent[value] for value in takes], makes)


def _with_ends(flow: Flow, parts: Sequence[_Part]) -> list[_Part]:
    """Return the parts of the whole model with its inputs, parameters and outputs."""
    ends = [_Part(Node("output", ""), [value], [seed]) for value, seed in zip(flow.outputs, flow.seeds, strict=True)]
    return [*(_Part(Node("input", ""), makes=[value]) for value in flow.inputs), *_with_sources(flow, parts), *ends]


def _with_borders(flow: Flow, parts: Sequence[_Part], outside: Iterable[Operation]) -> list[_Part]:
    """Return a part of the model with its parameters, what comes into it from outside, and what goes on, with what comes back."""
    made = {value for part in parts for value in part.makes}
    taken = dict.fromkeys(value for part in parts for value in part.takes if value not in made)
    entries = [_Part(Node("entry", "", path=flow.values[value].path), makes=[value]) for value in taken if not _is_held(flow, value)]
    back: dict[int, Array | None] = {}
    uses = [(operation.sources, operation.sent) for operation in outside] + [(flow.outputs, list(flow.seeds))]
    for value, gradient in (pair for values, gradients in uses for pair in zip(values, gradients, strict=True)):
        if value in made:
            back[value] = added(back.get(value), gradient)
    exits = [_Part(Node("exit", ""), [value], [gradient]) for value, gradient in back.items()]
    return [*entries, *_with_sources(flow, parts), *exits]


def _with_sources(flow: Flow, parts: Sequence[_Part]) -> list[_Part]:
    """Return `parts` with each parameter and constant just before its first user."""
    ordered: list[_Part] = []
    begun: set[int] = set()
    for part in parts:
        for value in part.takes:
            if _is_held(flow, value) and value not in begun:
                begun.add(value)
                held = flow.values[value]
                ordered.append(_Part(Node(held.kind, "", path=held.path), makes=[value]))
        ordered.append(part)
    return ordered


def _names(flow: Flow) -> dict[int, str]:
    """Return a name for each value: the given one, else the chapter's letter, with a number where several would have it."""
    values = dict.fromkeys(flow.inputs)  # as in the picture of all layers: a parameter before its first user
    for operation in flow.operations:
        values |= dict.fromkeys(value for value in operation.sources if _is_held(flow, value)) | dict.fromkeys(operation.targets)
    given = Counter(flow.values[value].name for value in values)
    names = {value: flow.values[value].name for value in values if flow.values[value].name and given[flow.values[value].name] == 1}
    letters = {value: _letter(flow, value) for value in values if value not in names}
    taken = set(names.values())
    several = Counter(letters.values())
    numbers: Counter[str] = Counter()
    for value, letter in letters.items():
        name = letter
        while name in taken or (name == letter and several[letter] > 1):
            numbers[letter] += 1
            name = f"{letter}{numbers[letter]}"
        taken.add(name)
        names[value] = name
    return names


def _letter(flow: Flow, value: int) -> str:
    """Return what a value would be called if it were the only one: X, W, B, H, Y or L."""
    held = flow.values[value]
    if held.name:
        return held.name
    if held.kind == "parameter":
        own = held.path.rpartition(".")[-1]
        return SHORT.get(own, own)
    if held.kind == "input":
        return "X"
    if value not in flow.outputs:
        return "H"
    makers = [operation for operation in flow.operations if value in operation.targets]
    return "L" if held.array.ndim == 0 or "y" in makers[0].roles else "Y"  # a loss of y: so it calls it in its rule, too


def _parts(formula: str, words: dict[str, Reference]) -> list[str | Reference]:
    """Return `formula` with references in the place of the words that stand for arrays."""
    parts: list[str | Reference] = []
    end = 0
    for match in re.finditer(r"([^\W²³ᵀ]+(?:\.[^\W²³ᵀ]+)*)(ᵀ?)", formula):
        word, transposed = match.group(1), bool(match.group(2))
        if word in words:
            parts += [formula[end : match.start()], words[word]._replace(is_transposed=transposed)]
            end = match.end()
    return [part for part in [*parts, formula[end:]] if part]


def _sum_of(references: Iterable[Reference]) -> list[str | Reference]:
    parts: list[str | Reference] = []
    for reference in references:
        parts += [" + ", reference] if parts else [reference]
    return parts


def is_inside(path: str, within: str) -> bool:
    """Return whether `path` is `within` or a path in it; all are in the empty one."""
    return not within or path == within or path.startswith(f"{within}.")


def _is_held(flow: Flow, value: int) -> bool:
    return flow.values[value].kind in ("parameter", "constant")


def _is_container(layer: Layer | None) -> bool:
    return layer is not None and layer.as_inlinable() is not None
