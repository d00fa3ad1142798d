"""`draw`, and the drawing it returns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import InvalidValueError
from ..files import write_file
from ..layer import Layer, as_layer
from . import page, svg, text
from .flow import Flow
from .marking import wires_at
from .picture import MOST_NODES, Picture, is_inside

DETAILS = ("folded", "layers", "nodes")
MOST_PATHS = 12
"""How many are named where one is wrong."""


def draw(model: Layer, *inputs: Any, dout: Any = None, detail: str = "layers", within: str = "") -> Drawing:
    """Draw the computing graph of `model`, with what flows forward and backward along every edge, as in the chapter's Fig. 1.8.

    The model runs forward and backward once, as a copy: it is left as it was. netlib's layers, and any user's own, are drawn through
    ``forward`` and ``backward`` alone. A layer of one's own may say its rule in one attribute, ``rule``, such as
    ``"y = x·weight; dx = dy·weightᵀ; dweight = xᵀ·dy"``: the picture shows it, and the page computes with it.

    Parameters
    ----------
    model : Layer
        A layer, a container, or a loss (inputs: y and t).
    *inputs : array_like
        What its forward takes.
    dout : array_like, or tuple of them, optional
        dL/d(output), which enters at the right; ones where it is None.
    detail : {"layers", "folded", "nodes"}
        What is one node: each layer; each layer and each container that is directly in `model`; or what the layers are made of, so that
        `Affine`, and any layer with its rule, is a dot node, the column of ones D with the bias, and a + node (Figs. 1.6 and 1.7). A
        model of more than 40 layers is always folded.
    within : str, optional
        The path of a container or a layer, as in ``model.parameters()``: only what is inside it is drawn, with what comes into it from
        the rest of the model and what that sends back. The page opens a folded container by a click.

    Returns
    -------
    Drawing
        Its values are those of now: changing the model later does not change it.

    Raises
    ------
    InvalidValueError
        For another `detail`, and for a path at which nothing ran.
    NetlibError
        What the model itself raises for these inputs, with the place.

    Examples
    --------
    >>> import netlib as nl
    >>> drawing = nl.draw(nl.Sequential(nl.Affine(2, 3, rng=0), nl.Tanh()), [[1.0, -1.0], [0.5, 2.0]])
    >>> drawing
    Drawing of Sequential(Affine(2, 3), Tanh()): 6 nodes, 5 edges
    >>> print(drawing.mermaid.splitlines()[0])
    flowchart LR
    """
    model = as_layer(model, "draw")
    if detail not in DETAILS:
        raise InvalidValueError(f"detail is {detail!r}, wanted one of {', '.join(DETAILS)}", where="draw")
    flow = Flow(model, inputs, dout)
    inside = [operation for operation in flow.operations if is_inside(operation.path, within)]
    if not inside:
        paths = list(dict.fromkeys(operation.path.partition(".")[0] for operation in flow.operations))
        some = f"{', '.join(paths[:MOST_PATHS])}{', …' if len(paths) > MOST_PATHS else ''}"
        raise InvalidValueError(f"nothing ran within {within!r}", where="draw", hint=f"Name the path of a layer: {some}, or one in these.")
    layers = nodes = Picture(flow, within=within)
    if flow.can_be_opened and len(inside) <= MOST_NODES:
        opened = Flow(model, inputs, dout, open_layers=True)
        nodes = Picture(opened, within=within) if opened.agrees_with(flow) else layers
    title = f"{within} of {_title(model)}" if within else _title(model)
    return Drawing({"folded": Picture(flow, folded=True, within=within), "layers": layers, "nodes": nodes}, title, detail)


class Drawing:
    """A computing graph with values and gradients on its edges, in several formats. In a notebook it shows itself.

    Parameters
    ----------
    pictures : dict of str to Picture
        By detail: "folded", "layers", "nodes".
    title : str
    detail : str
        Which of them is drawn. The page can switch between all that differ.
    wrong : sequence of str
        Where a gradient is wrong, as `Finding.where` says it: those are shown in red.

    Notes
    -----
    The layout comes from graphlay, so `svg`, `html` and `png` need the extra ``draw``; `dot` and `mermaid` need nothing.
    """

    def __init__(self, pictures: dict[str, Picture], title: str, detail: str = "layers", wrong: Sequence[str] = ()) -> None:
        self.pictures = pictures
        self.title = title
        self.detail = detail
        self.wrong = list(wrong)

    @property
    def picture(self) -> Picture:
        """What is drawn: nodes, wires, and the arrays on them."""
        return self.pictures[self.detail]

    @cached_property
    def svg(self) -> str:
        """The picture as one self-contained SVG: light and dark, printable, with a description for screen readers."""
        return svg.drawn(self.picture, self.title, wires_at(self.picture, self.wrong))

    @cached_property
    def html(self) -> str:
        """One self-contained page that steps through forward and backward, and in which values can be changed."""
        different = {name: each for name, each in self.pictures.items() if name == self.detail or not _alike(each, self.picture)}
        return page.page(different, self.title, self.detail, self.wrong)

    @cached_property
    def dot(self) -> str:
        """The graph as text for Graphviz."""
        return text.dot(self.picture, self.title)

    @cached_property
    def mermaid(self) -> str:
        """The graph as text for Mermaid, which GitHub and many wikis draw."""
        return text.mermaid(self.picture, self.title)

    @cached_property
    def png(self) -> bytes:
        """The picture as PNG, in its light colours, two pixels for one."""
        return svg.as_png(self.svg)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the drawing to a file, in the format of its suffix: .svg, .html, .png, .dot, .mermaid or .mmd.

        Raises
        ------
        InvalidValueError
            For another suffix; nothing is written.
        MissingError
            Without the extra ``draw``, for .svg, .html and .png.
        """
        path = Path(path)
        formats = {
            ".svg": "svg",
            ".html": "html",
            ".htm": "html",
            ".png": "png",
            ".dot": "dot",
            ".gv": "dot",
            ".mermaid": "mermaid",
            ".mmd": "mermaid",
        }
        if path.suffix.lower() not in formats:
            raise InvalidValueError(f"cannot tell a format by {path.name!r}, wanted the suffix {', '.join(formats)}", where="Drawing.save")
        content = getattr(self, formats[path.suffix.lower()])
        write_file(path, content if isinstance(content, bytes) else content.encode("utf-8"))

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Drawing of {self.title}: {len(self.picture.nodes)} nodes, {len(self.picture.wires)} edges"


def _alike(a: Picture, b: Picture) -> bool:
    return [node.title for node in a.nodes] == [node.title for node in b.nodes]


def _title(model: Layer) -> str:
    written = repr(model)
    return written if len(written) <= 100 else getattr(model, "short", type(model).__name__)
