"""Which parts of a flow become nodes: layers, folded containers, and the ends of the picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..arrays import Array
from ..layer import Layer
from .elements import Node
from .flow import Flow, Operation, add_gradients

MOST_NODES = 40
"""A model of more layers is drawn folded, and if necessary without its middle."""
MOST_OPENED_NODES = 80
"""The same for a model whose layers are opened into nodes, as those of a recurrent layer are."""


@dataclass
class Part:
    """The part that becomes one node: values it reads, gradients it returns, values it computes."""

    node: Node
    inputs: list[int] = field(default_factory=list)
    gradients: list[Array | None] = field(default_factory=list)
    """One for each of `inputs`."""
    outputs: list[int] = field(default_factory=list)


def is_inside(path: str, within: str) -> bool:
    """Return whether `path` is `within` or below it; every path is inside the empty one."""
    return not within or path == within or path.startswith(f"{within}.")


def divide(flow: Flow, folded: bool, within: str) -> list[Part]:
    """Return the parts of a flow in order, restricted to the layer at path `within`."""
    inside = [each for each in flow.operations if is_inside(each.path, within)]
    outside = [each for each in flow.operations if not is_inside(each.path, within)]
    parts = _layers_and_groups(flow, inside, folded, within)
    return _add_borders(flow, parts, outside) if within else _add_ends(flow, parts)


def _layers_and_groups(flow: Flow, operations: Sequence[Operation], folded: bool, within: str) -> list[Part]:
    """Return a part for each layer, or, if folded, for each container directly `within`."""
    most_nodes = MOST_OPENED_NODES if flow.opens_layers else MOST_NODES
    is_folded = folded or len(operations) > most_nodes
    start = len(within) + 1 if within else 0
    runs: list[tuple[str, list[Operation]]] = []  # with the path of a container, "" for one layer
    for operation in operations:
        outermost = operation.path[:start] + operation.path[start:].partition(".")[0]
        group = outermost if is_folded and _is_container(flow.layers.get(outermost)) else ""
        if group and runs and runs[-1][0] == group:
            runs[-1][1].append(operation)
        else:
            runs.append((group, [operation]))
    if len(runs) > most_nodes:
        at_each_end = most_nodes // 4
        middle = [operation for _, run in runs[at_each_end:-at_each_end] for operation in run]
        runs[at_each_end:-at_each_end] = [("…", middle)]
    sources = [value for operation in flow.operations for value in operation.sources]
    n_uses = Counter(sources) + Counter(flow.outputs)
    return [_group(flow, path, run, n_uses) if path else _layer(run[0]) for path, run in runs]


def _layer(operation: Operation) -> Part:
    layer = operation.layer
    node = Node("operation", repr(layer), path=operation.path, layer=layer, roles=operation.roles)
    return Part(node, operation.sources, operation.gradients, operation.targets)


def _group(flow: Flow, path: str, operations: list[Operation], n_uses: Counter[int]) -> Part:
    """Return several operations as one part, with the values that cross its border.

    Parameters and constants that only this group reads are folded into it.
    """
    n_uses_inside = Counter(value for operation in operations for value in operation.sources)
    gradients: dict[int, Array | None] = {}
    for operation in operations:
        for value, gradient in zip(operation.sources, operation.gradients, strict=True):
            gradients[value] = add_gradients(gradients.get(value), gradient)
    made = dict.fromkeys(value for operation in operations for value in operation.targets)
    outputs = [value for value in made if n_uses[value] > n_uses_inside[value]]

    def is_folded(value: int) -> bool:
        return n_uses[value] == n_uses_inside[value] and flow.values[value].is_held

    inputs = [value for value in gradients if value not in made and not is_folded(value)]
    layer = flow.layers.get(path)
    title = f"{len(operations)} layers" if path == "…" else type(layer).__name__
    node = Node("group", title, path=path, layer=layer, folds=len(operations))
    return Part(node, inputs, [gradients[value] for value in inputs], outputs)


def _add_ends(flow: Flow, parts: Sequence[Part]) -> list[Part]:
    """Return the parts of the whole model with its inputs, parameters and outputs."""
    inputs = [Part(Node("input", ""), outputs=[value]) for value in flow.inputs]
    seeds = zip(flow.outputs, flow.seeds, strict=True)
    outputs = [Part(Node("output", ""), [value], [seed]) for value, seed in seeds]
    return [*inputs, *_add_parameters(flow, parts), *outputs]


def _add_borders(flow: Flow, parts: Sequence[Part], outside: Iterable[Operation]) -> list[Part]:
    """Return a part of the model with its parameters, and the values that pass its border."""
    made = {value for part in parts for value in part.outputs}
    read = dict.fromkeys(value for part in parts for value in part.inputs if value not in made)
    entries = [Part(Node("entry", "", path=flow.values[value].path), outputs=[value]) for value in read if not flow.values[value].is_held]
    returned: dict[int, Array | None] = {}
    uses = [use for each in outside for use in zip(each.sources, each.gradients, strict=True)]
    for value, gradient in [*uses, *zip(flow.outputs, flow.seeds, strict=True)]:
        if value in made:
            returned[value] = add_gradients(returned.get(value), gradient)
    exits = [Part(Node("exit", ""), [value], [grad]) for value, grad in returned.items()]
    return [*entries, *_add_parameters(flow, parts), *exits]


def _add_parameters(flow: Flow, parts: Sequence[Part]) -> list[Part]:
    """Return `parts` with each parameter and constant just before the first part that reads it."""
    ordered: list[Part] = []
    known: set[int] = set()
    for part in parts:
        for value in part.inputs:
            held = flow.values[value]
            if held.is_held and value not in known:
                known.add(value)
                ordered.append(Part(Node(held.kind, "", path=held.path), outputs=[value]))
        ordered.append(part)
    return ordered


def _is_container(layer: Layer | None) -> bool:
    return layer is not None and layer.as_inlinable() is not None
