"""Pictures as an interactive HTML page that steps through forward and backward."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from ..arrays import Array
from ..parameter import Buffer
from . import numbers, svg
from .elements import Line, Node, Reference
from .marking import wires_at
from .picture import Picture
from .wording import fit_of_shapes

MOST_NUMBERS = 1000
"""The page has only the range and a heat map of an array with more numbers."""
MOST_INSIDE = 400
"""How many nodes inside folded containers the page has; `draw` shows others by `within`."""
SOURCES = ("arrays.js", "images.js", "rules.js", "laboratory.js", "numbers.js", "page.js")


def to_html(pictures: Mapping[str, Picture], title: str, begin: str, wrong: Sequence[str] = ()) -> str:
    """Return a self-contained HTML page, which needs no other file and no network.

    Parameters
    ----------
    pictures : mapping of str to Picture
        Details of the same flow, such as ``"folded"`` and ``"layers"``, that the page can switch
        between.
    title : str
    begin : str
        The detail that is shown first.
    wrong : sequence of str
        Places of wrong gradients, as `marking.wires_at` takes them.
    """
    from importlib.resources import files
    from string import Template

    room = files(__package__) / "web"
    names = ("page.html", "page.css", *SOURCES)
    sources = {name: (room / name).read_text(encoding="utf-8").strip() for name in names}
    parts = _pictures_inside(pictures.values())
    views = {**pictures, **{f"in {path}": part for path, part in parts.items()}}
    titles = {**dict.fromkeys(pictures, title), **{f"in {path}": f"{path} of {title}" for path in parts}}
    svgs = {}
    for name, picture in views.items():
        svgs[name] = svg.to_svg(picture, titles[name], wires_at(picture, wrong)).strip()
    others = [f'<template data-view="{escape(name)}">{drawing}</template>' for name, drawing in svgs.items() if name != begin]
    html = Template(sources["page.html"]).substitute(
        title=escape(title),
        style=sources["page.css"],
        picture=svgs[begin],
        others="\n".join(others),
        data=_to_json(to_data(views, begin)),
        script="\n".join(sources[name] for name in SOURCES),
    )
    return html.encode("utf-8", "replace").decode("utf-8")  # replaces lone surrogates


def _pictures_inside(pictures: Iterable[Picture]) -> dict[str, Picture]:
    """Return the pictures inside folded containers by path, outer ones first."""
    parts: dict[str, Picture] = {}
    queue = list(pictures)
    n_nodes = 0
    for picture in queue:
        for node in picture.nodes:
            is_container = node.kind == "group" and node.layer is not None
            if is_container and node.path not in parts and n_nodes <= MOST_INSIDE:
                parts[node.path] = picture.part(node.path)
                queue.append(parts[node.path])
                n_nodes += len(parts[node.path].nodes)
    return parts


def _to_json(data: object) -> str:
    r"""Return JSON without ``<``, so that nothing in it ends the script or begins a comment.

    >>> _to_json({"name": "</script>"})
    '{"name":"\\u003c/script>"}'
    """
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


class ArrayTable:
    """The arrays of a page, each stored once, however many wires use it.

    Large images are stored once as a value and once as a gradient, since these look different.
    """

    def __init__(self) -> None:
        self.stored: list[dict[str, Any]] = []
        self._numbers: dict[tuple[object, ...], int] = {}

    def number_of(self, array: Array | None, is_grad: bool = False) -> int | None:
        """Return the number of an array, after storing it if it is new."""
        if array is None:
            return None
        is_grey = numbers.is_images(array) and not is_grad
        key = array.shape, array.dtype.str, array.tobytes(), is_grey
        if key not in self._numbers:
            self._numbers[key] = len(self.stored)
            self.stored.append(_array_data(array, is_grey))
        return self._numbers[key]


def to_data(views: Mapping[str, Picture], begin: str) -> dict[str, Any]:
    """Return the data of the page: the nodes and wires of each view, and all arrays."""
    arrays = ArrayTable()
    data = {name: _picture_data(picture, arrays) for name, picture in views.items()}
    return {"begin": begin, "arrays": arrays.stored, "views": data}


def _picture_data(picture: Picture, arrays: ArrayTable) -> dict[str, Any]:
    wires = [
        {
            "name": wire.name,
            "path": wire.path,
            "source": wire.source,
            "target": wire.target,
            "value": arrays.number_of(wire.value),
            "grad": arrays.number_of(wire.grad, is_grad=True),
        }
        for wire in picture.wires
    ]
    nodes = [_node_data(picture, node) for node in picture.nodes]
    return {"nodes": nodes, "wires": wires, "moments": [list(each) for each in picture.moments]}


def _array_data(array: Array, is_grey: bool = False) -> dict[str, Any]:
    data: dict[str, Any] = {"shape": array.shape, "dtype": array.dtype.name}
    if array.size <= MOST_NUMBERS:
        return data | {"data": _json_numbers(array.reshape(-1))}
    n_nonfinite = int(array.size - np.isfinite(array).sum())
    is_known = n_nonfinite < array.size
    limits = np.array(numbers.range_of(array) if is_known else [np.nan] * 3)
    data |= dict(zip(("min", "mean", "max"), _json_numbers(limits), strict=True))
    image = numbers.grey_image(array) if is_grey else numbers.heat_image(array)
    return data | {"lost": n_nonfinite, "image": image}


def _json_numbers(array: Array) -> list[int | float | str]:
    """Return the numbers for JSON, each with all its digits.

    >>> _json_numbers(np.array([0.1, np.nan, -np.inf]))
    [0.1, 'NaN', '-Infinity']
    """
    if array.dtype.kind != "f":
        return [int(x) for x in array]
    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return [words.get(repr(x), x) for x in array.astype(np.float64).tolist()]


def _node_data(picture: Picture, node: Node) -> dict[str, Any]:
    return {
        "kind": node.kind,
        "title": node.title,
        "inputs": node.inputs,
        "outputs": node.outputs,
        "symbol": node.symbol,
        "path": node.path,
        "folds": node.folds,
        "forward": [_line_data(picture, node, line) for line in node.forward],
        "backward": [_line_data(picture, node, line) for line in node.backward],
    }


def _line_data(picture: Picture, node: Node, line: Line) -> dict[str, Any]:
    return {
        "result": None if line.result is None else _reference_data(line.result),
        "parts": [part if isinstance(part, str) else _reference_data(part) for part in line.parts],
        "fit": fit_of_shapes(picture, line),
        "buffers": _held_arrays_in(node, line),
    }


def _held_arrays_in(node: Node, line: Line) -> dict[str, dict[str, Any]]:
    """Return the arrays and buffers of a layer that a line names, such as a running mean."""
    words = re.findall(r"\w+", " ".join(part for part in line.parts if isinstance(part, str)))
    held: dict[str, Any] = {} if node.layer is None else vars(node.layer)
    values = {name: each.value if isinstance(each, Buffer) else each for name, each in held.items() if name in words}
    arrays = {name: each for name, each in values.items() if isinstance(each, np.ndarray)}
    return {name: _array_data(array) for name, array in arrays.items() if array.size <= MOST_NUMBERS}


def _reference_data(reference: Reference) -> dict[str, Any]:
    return {"wire": reference.wire, "grad": reference.is_grad, "turned": reference.is_transposed}
