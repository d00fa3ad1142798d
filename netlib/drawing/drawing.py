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
from .parts import MOST_NODES, is_inside
from .picture import Picture

DETAILS = ("folded", "layers", "nodes")
MOST_PATHS = 12
"""How many paths an error names as alternatives."""


def draw(model: Layer, *inputs: Any, dout: Any = None, detail: str = "layers", within: str = "") -> Drawing:
    """Draw the computing graph of `model` with values and gradients, as in the chapter's Fig. 1.8.

    A copy of the model runs forward and backward once; the model itself does not change. The
    drawing uses only ``forward`` and ``backward``, so your own layers are drawn like netlib's. A
    layer may state its rule in an attribute ``rule``, such as
    ``"y = x·weight; dx = dy·weightᵀ; dweight = xᵀ·dy"``: the picture shows it, and the page uses it
    to compute.

    Parameters
    ----------
    model : Layer
        A layer, a container, or a loss (inputs: y and t).
    *inputs : array_like
        The arguments of its forward.
    dout : array_like, or tuple of them, optional
        dL/d(output), which enters at the right; ones by default.
    detail : {"layers", "folded", "nodes"}
        What a node represents. "layers": each layer. "folded": each layer and each container
        directly in `model`; a model of more than 40 layers is always folded. "nodes": the nodes
        that layers consist of; `Affine`, and any layer with its rule, becomes a dot node, the
        column of ones D with the bias, and a + node (Figs. 1.6 and 1.7).
    within : str, optional
        The path of a container or a layer, as in ``model.parameters()``. Only the part inside it is
        drawn, with the values and gradients that cross its border. In the page, a click opens a
        folded container.

    Returns
    -------
    Drawing
        It does not change when the model changes later.

    Raises
    ------
    InvalidValueError
        For an unknown `detail`, or a path at which nothing ran.
    NetlibError
        If the model raises an error for these inputs; it names the location.

    Examples
    --------
    >>> import netlib as nl
    >>> model = nl.Sequential(nl.Affine(2, 3, rng=0), nl.Tanh())
    >>> drawing = nl.draw(model, [[1.0, -1.0], [0.5, 2.0]])
    >>> drawing
    Drawing of Sequential(Affine(2, 3), Tanh()): 6 nodes, 5 edges
    >>> print(drawing.mermaid.splitlines()[0])
    flowchart LR
    """
    model = as_layer(model, "draw")
    if detail not in DETAILS:
        raise InvalidValueError(f"detail is {detail!r}, expected one of {', '.join(DETAILS)}", where="draw")
    flow = Flow(model, inputs, dout)
    n_inside = sum(is_inside(operation.path, within) for operation in flow.operations)
    if not n_inside:
        raise _nothing_inside(flow, within)
    pictures = {
        "folded": Picture(flow, folded=True, within=within),
        "layers": Picture(flow, within=within),
    }
    pictures["nodes"] = pictures["layers"]
    if flow.can_be_opened and n_inside <= MOST_NODES:
        opened = Flow(model, inputs, dout, open_layers=True)
        if opened.agrees_with(flow):
            pictures["nodes"] = Picture(opened, within=within)
    title = f"{within} of {_title(model)}" if within else _title(model)
    return Drawing(pictures, title, detail)


def _nothing_inside(flow: Flow, within: str) -> InvalidValueError:
    outermost = dict.fromkeys(each.path.partition(".")[0] for each in flow.operations)
    paths = ", ".join([*outermost][:MOST_PATHS]) + (", …" if len(outermost) > MOST_PATHS else "")
    hint = f"Use the path of a layer: {paths}, or of one inside."
    return InvalidValueError(f"nothing ran within {within!r}", where="draw", hint=hint)


class Drawing:
    """A computing graph with values and gradients, in several formats. Notebooks display it.

    Parameters
    ----------
    pictures : dict of str to Picture
        The picture for each detail: "folded", "layers", "nodes".
    title : str
    detail : str
        The detail that is drawn. The page can switch between all that differ.
    wrong : sequence of str
        Places of wrong gradients, as in `Finding.where`; they are shown in red.

    Notes
    -----
    Only `png` needs the extra ``draw``. If graphlay is installed, it computes the layout.
    """

    def __init__(self, pictures: dict[str, Picture], title: str, detail: str = "layers", wrong: Sequence[str] = ()) -> None:
        self.pictures = pictures
        self.title = title
        self.detail = detail
        self.wrong = list(wrong)

    @property
    def picture(self) -> Picture:
        """The nodes, wires and arrays that are drawn."""
        return self.pictures[self.detail]

    @cached_property
    def svg(self) -> str:
        """The picture as a self-contained SVG with a light and a dark style and a description."""
        return svg.to_svg(self.picture, self.title, wires_at(self.picture, self.wrong))

    @cached_property
    def html(self) -> str:
        """A self-contained page that steps through forward and backward; values can be changed."""
        different = {
            name: picture for name, picture in self.pictures.items() if name == self.detail or not _have_same_nodes(picture, self.picture)
        }
        return page.to_html(different, self.title, self.detail, self.wrong)

    @cached_property
    def dot(self) -> str:
        """The graph as text for Graphviz."""
        return text.to_dot(self.picture, self.title)

    @cached_property
    def mermaid(self) -> str:
        """The graph as text for Mermaid, which GitHub and many wikis render."""
        return text.to_mermaid(self.picture, self.title)

    @cached_property
    def png(self) -> bytes:
        """The picture as PNG, in light colours, at twice the size."""
        return svg.to_png(self.svg)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the drawing to a file; the suffix determines the format.

        Suffixes are .svg, .html, .png, .dot, .mermaid and .mmd.

        Raises
        ------
        InvalidValueError
            For an unknown suffix; nothing is written.
        MissingError
            Without the extra ``draw``, for .png.
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
            message = f"{path.name!r} has no known format, expected the suffix {', '.join(formats)}"
            raise InvalidValueError(message, where="Drawing.save")
        content = getattr(self, formats[path.suffix.lower()])
        write_file(path, content if isinstance(content, bytes) else content.encode("utf-8"))

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Drawing of {self.title}: {len(self.picture.nodes)} nodes, {len(self.picture.wires)} edges"


def _have_same_nodes(a: Picture, b: Picture) -> bool:
    return [node.title for node in a.nodes] == [node.title for node in b.nodes]


def _title(model: Layer) -> str:
    text = repr(model)
    return text if len(text) <= 100 else getattr(model, "short", type(model).__name__)
