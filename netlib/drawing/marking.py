"""From the findings of a gradient check to the wires that show them."""

from __future__ import annotations

from collections.abc import Iterable

from .picture import Picture


def wires_at(picture: Picture, places: Iterable[str]) -> list[int]:
    """Return the numbers of the wires with a wrong gradient, for places as in `Finding.where`.

    Parameters
    ----------
    picture : Picture
    places : iterable of str
        ``"input 0"``, ``"0.weight"``, or one of these after the path of its layer:
        ``"2: input 0"``. Any other text, such as "backward", means all gradients of the layer.

    Examples
    --------
    >>> import netlib as nl
    >>> picture = nl.draw(nl.Sequential(nl.Affine(2, 3), nl.Tanh()), [[1.0, 2.0]]).picture
    >>> [picture.wires[i].name for i in wires_at(picture, ["0: weight", "1: input 0"])]
    ['W', 'H']
    """
    found: dict[int, None] = {}
    for place in places:
        path, _, inner = place.rpartition(": ")
        found.update(dict.fromkeys(_wires_at(picture, path, inner)))
    return list(found)


def _wires_at(picture: Picture, path: str, inner: str) -> list[int]:
    word, _, number = inner.partition(" ")
    nodes = [node for node in picture.nodes if node.layer is not None and node.path == path]
    if word == "input" and number.isdigit():
        if nodes:
            return [node.inputs[int(number)] for node in nodes if int(number) < len(node.inputs)]
        begins = [node for node in picture.nodes if node.kind == "input"]
        return begins[int(number)].outputs if not path and int(number) < len(begins) else []
    full = f"{path}.{inner}" if path else inner
    parameters = [wire for node in picture.nodes if node.kind == "parameter" and node.path == full for wire in node.outputs]
    return parameters or [wire for node in nodes for wire in node.inputs]
