"""Pictures as one page that needs nothing else: it steps through forward and backward, and is a laboratory where it can be one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from ..arrays import Array
from . import numbers, svg
from .marking import wires_at
from .picture import Line, Node, Picture, Reference
from .wording import fitting

MOST_NUMBERS = 1000
"""An array of more is in the page by its range and its heat map."""
MOST_INSIDE = 400
"""So many nodes of folded containers are in the page; those of others `draw` shows, by its `within`."""
SOURCES = ("arrays.js", "rules.js", "laboratory.js", "numbers.js", "page.js")


def page(pictures: Mapping[str, Picture], title: str, begin: str, wrong: Sequence[str] = ()) -> str:
    """Return one HTML page that needs no other file and asks no address.

    Parameters
    ----------
    pictures : mapping of str to Picture
        One or several details of the same flow, such as ``"folded"`` and ``"layers"``. The page can switch between them.
    title : str
    begin : str
        The detail that the page opens with.
    wrong : sequence of str
        Where a gradient is wrong, as `marking.wires_at` reads it.

    Raises
    ------
    MissingError
        Without the extra ``draw``.
    """
    from importlib.resources import files
    from string import Template

    room = files(__package__) / "web"
    read = {name: (room / name).read_text(encoding="utf-8").strip() for name in ("page.html", "page.css", *SOURCES)}
    parts = _parts(pictures.values())
    views = {**pictures, **{f"in {path}": part for path, part in parts.items()}}
    titles = {**dict.fromkeys(pictures, title), **{f"in {path}": f"{path} of {title}" for path in parts}}
    drawings = {name: svg.drawn(picture, titles[name], wires_at(picture, wrong)).strip() for name, picture in views.items()}
    others = [f'<template data-view="{escape(name)}">{drawing}</template>' for name, drawing in drawings.items() if name != begin]
    html = Template(read["page.html"]).substitute(
        title=escape(title),
        style=read["page.css"],
        picture=drawings[begin],
        others="\n".join(others),
        data=_as_text(as_data(views, begin)),
        script="\n".join(read[name] for name in SOURCES),
    )
    return html.encode("utf-8", "replace").decode("utf-8")  # half of a surrogate pair is no letter of any page


def _parts(pictures: Iterable[Picture]) -> dict[str, Picture]:
    """Return the pictures of what is inside the folded containers, by their path, and of those folded in them, the outer ones first."""
    parts: dict[str, Picture] = {}
    waiting = list(pictures)
    n_nodes = 0
    for picture in waiting:
        for node in picture.nodes:
            if node.kind == "group" and node.layer is not None and node.path not in parts and n_nodes <= MOST_INSIDE:
                parts[node.path] = picture.part(node.path)
                waiting.append(parts[node.path])
                n_nodes += len(parts[node.path].nodes)
    return parts


def _as_text(data: object) -> str:
    r"""Return JSON that can stand in a page: no ``<`` in it, so nothing that could end the script or begin a comment.

    >>> _as_text({"name": "</script>"})
    '{"name":"\\u003c/script>"}'
    """
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def as_data(views: Mapping[str, Picture], begin: str) -> dict[str, Any]:
    """Return all that the page knows; each array stands in it once, however many wires carry it."""
    arrays: dict[tuple[object, ...], int] = {}
    stored: list[dict[str, Any]] = []

    def number_of(array: Array | None) -> int | None:
        if array is None:
            return None
        key = array.shape, array.dtype.str, array.tobytes()
        if key not in arrays:
            arrays[key] = len(stored)
            stored.append(_as_stored(array))
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
        nodes = [_node(picture, node) for node in picture.nodes]
        stored_views[name] = {"nodes": nodes, "wires": wires, "moments": [list(moment) for moment in picture.moments]}
    return {"begin": begin, "arrays": stored, "views": stored_views}


def _as_stored(array: Array) -> dict[str, Any]:
    stored: dict[str, Any] = {"shape": array.shape, "dtype": array.dtype.name}
    if array.size <= MOST_NUMBERS:
        return stored | {"data": _as_numbers(array.reshape(-1))}
    lost = int(array.size - np.isfinite(array).sum())
    low, middle, high = _as_numbers(np.array([np.nan] * 3 if lost == array.size else numbers.range_of(array)))
    return stored | {"min": low, "mean": middle, "max": high, "lost": lost, "heat": numbers.heat_image(array)}


def _as_numbers(array: Array) -> list[int | float | str]:
    """Return the numbers as JSON can hold them, all digits of each.

    >>> _as_numbers(np.array([0.1, np.nan, -np.inf]))
    [0.1, 'NaN', '-Infinity']
    """
    if array.dtype.kind != "f":
        return [int(x) for x in array]
    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return [words.get(repr(x), x) for x in array.astype(np.float64).tolist()]


def _node(picture: Picture, node: Node) -> dict[str, Any]:
    stored: dict[str, Any] = {"kind": node.kind, "title": node.title, "inputs": node.inputs, "outputs": node.outputs}
    stored |= {"symbol": node.symbol, "path": node.path, "folds": node.folds}
    return stored | {"forward": _lines(picture, node.forward), "backward": _lines(picture, node.backward)}


def _lines(picture: Picture, lines: Sequence[Line]) -> list[dict[str, Any]]:
    return [
        {
            "result": None if line.result is None else _reference(line.result),
            "parts": [part if isinstance(part, str) else _reference(part) for part in line.parts],
            "fit": fitting(picture, line),
        }
        for line in lines
    ]


def _reference(reference: Reference) -> dict[str, Any]:
    return {"wire": reference.wire, "grad": reference.is_grad, "turned": reference.is_transposed}
