"""Pictures as an interactive HTML page that steps through forward and backward."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from ..arrays import Array
from . import numbers, svg
from .elements import Line, Node, Reference
from .marking import wires_at
from .picture import Picture
from .wording import fit_of_shapes

MOST_NUMBERS = 1000
"""The page has only the range and a heat map of an array with more numbers."""
MOST_INSIDE = 400
"""How many nodes inside folded containers the page has; `draw` shows others by `within`."""
SOURCES = ("arrays.js", "rules.js", "laboratory.js", "numbers.js", "page.js")


def to_html(pictures: Mapping[str, Picture], title: str, begin: str, wrong: Sequence[str] = ()) -> str:
    """Return an HTML page that needs no other file and no network.

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

    Raises
    ------
    MissingError
        Without the extra ``draw``.
    """
    from importlib.resources import files
    from string import Template

    room = files(__package__) / "web"
    read = {name: (room / name).read_text(encoding="utf-8").strip() for name in ("page.html", "page.css", *SOURCES)}
    parts = _pictures_inside(pictures.values())
    views = {**pictures, **{f"in {path}": part for path, part in parts.items()}}
    titles = {**dict.fromkeys(pictures, title), **{f"in {path}": f"{path} of {title}" for path in parts}}
    svgs = {name: svg.to_svg(picture, titles[name], wires_at(picture, wrong)).strip() for name, picture in views.items()}
    others = [f'<template data-view="{escape(name)}">{drawing}</template>' for name, drawing in svgs.items() if name != begin]
    html = Template(read["page.html"]).substitute(
        title=escape(title),
        style=read["page.css"],
        picture=svgs[begin],
        others="\n".join(others),
        data=_to_json(to_data(views, begin)),
        script="\n".join(read[name] for name in SOURCES),
    )
    return html.encode("utf-8", "replace").decode("utf-8")  # replaces lone surrogates


def _pictures_inside(pictures: Iterable[Picture]) -> dict[str, Picture]:
    """Return the pictures inside folded containers by path, outer ones first."""
    parts: dict[str, Picture] = {}
    queue = list(pictures)
    n_nodes = 0
    for picture in queue:
        for node in picture.nodes:
            if node.kind == "group" and node.layer is not None and node.path not in parts and n_nodes <= MOST_INSIDE:
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


def to_data(views: Mapping[str, Picture], begin: str) -> dict[str, Any]:
    """Return the data of the page. Each array is stored once, however many wires have it."""
    arrays: dict[tuple[object, ...], int] = {}
    stored: list[dict[str, Any]] = []

    def number_of(array: Array | None) -> int | None:
        if array is None:
            return None
        key = array.shape, array.dtype.str, array.tobytes()
        if key not in arrays:
            arrays[key] = len(stored)
            stored.append(_array_data(array))
        return arrays[key]

    stored_views = {}
    for name, picture in views.items():
        wires = [
            {
                "name": wire.name,
                "path": wire.path,
                "source": wire.source,
                "target": wire.target,
                "value": number_of(wire.value),
                "grad": number_of(wire.grad),
            }
            for wire in picture.wires
        ]
        nodes = [_node_data(picture, node) for node in picture.nodes]
        stored_views[name] = {"nodes": nodes, "wires": wires, "moments": [list(moment) for moment in picture.moments]}
    return {"begin": begin, "arrays": stored, "views": stored_views}


def _array_data(array: Array) -> dict[str, Any]:
    stored: dict[str, Any] = {"shape": array.shape, "dtype": array.dtype.name}
    if array.size <= MOST_NUMBERS:
        return stored | {"data": _json_numbers(array.reshape(-1))}
    lost = int(array.size - np.isfinite(array).sum())
    low, middle, high = _json_numbers(np.array([np.nan] * 3 if lost == array.size else numbers.range_of(array)))
    return stored | {"min": low, "mean": middle, "max": high, "lost": lost, "heat": numbers.heat_image(array)}


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
    stored: dict[str, Any] = {"kind": node.kind, "title": node.title, "inputs": node.inputs, "outputs": node.outputs}
    stored |= {"symbol": node.symbol, "path": node.path, "folds": node.folds}
    return stored | {"forward": _line_data(picture, node.forward), "backward": _line_data(picture, node.backward)}


def _line_data(picture: Picture, lines: Sequence[Line]) -> list[dict[str, Any]]:
    return [
        {
            "result": None if line.result is None else _reference_data(line.result),
            "parts": [part if isinstance(part, str) else _reference_data(part) for part in line.parts],
            "fit": fit_of_shapes(picture, line),
        }
        for line in lines
    ]


def _reference_data(reference: Reference) -> dict[str, Any]:
    return {"wire": reference.wire, "grad": reference.is_grad, "turned": reference.is_transposed}
