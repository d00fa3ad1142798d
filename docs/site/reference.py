"""Write the reference: a page for each public name, with its node drawn and its rule."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from html import escape

import netlib as nl

from .nodes import Node, nodes

MODULES = {
    "netlib.data": "Data",
    "netlib.schedules": "Learning-rate schedules",
    "netlib.plot": "Plots",
    "netlib.testing": "Tests for your own layer",
    "netlib.sklearn": "Estimators for scikit-learn",
    "netlib.onnx": "ONNX files",
    "netlib.torch": "PyTorch, there and back",
}
GROUPS = {  # by the room of the package that defines the name
    "layers": "Layers",
    "losses": "Losses",
    "containers": "Containers and graphs",
    "node": "Containers and graphs",
    "layer": "Your own layer",
    "parameter": "Your own layer",
    "initializers": "Initializers",
    "optimizers": "Optimizers",
    "training": "Training and metrics",
    "checker": "Derivatives and their check",
    "derivatives": "Derivatives and their check",
    "drawing": "Pictures",
    "files": "Files",
    "generation": "Text generation",
    "kernels": "Speed",
    "errors": "Errors",
}


def room(thing: object) -> str:
    """Return the room that defines a public name."""
    return str(inspect.getmodule(thing).__name__).split(".")[1]  # type: ignore[union-attr]


def names() -> dict[str, object]:
    """Return every public name but modules."""
    return {name: thing for name in sorted(nl.__all__, key=str.lower) if not inspect.ismodule(thing := getattr(nl, name))}


def pages() -> dict[str, str | bytes]:
    """Return the pages and their pictures, by path."""
    drawn = nodes()
    made: dict[str, str | bytes] = {}
    groups: dict[str, list[str]] = {title: [] for title in GROUPS.values()}
    for name, thing in names().items():
        groups[GROUPS[room(thing)]].append(name)
        node = drawn.get(thing) if isinstance(thing, type) else None
        if isinstance(thing, type) and issubclass(thing, nl.Layer) and thing not in (nl.Layer, nl.Loss) and not node:
            raise LookupError(f"no picture of {name}: add a row to tests/table.py, or a node to docs/site/nodes.py")
        alias = getattr(thing, "__name__", name)
        if alias != name:
            made[f"reference/{name}.rst"] = f"{name}\n{'=' * len(name)}\n\nAnother name for :doc:`{alias} <{alias}>`.\n"
            continue
        made[f"reference/{name}.rst"] = "\n".join(_page(name, thing, node))
        if node:
            drawing = node.draw()
            drawing.title = f"{node.layer}, drawn with its values and gradients".replace("netlib.", "")
            made[f"reference/{name}.svg"] = drawing.svg
            made[f"steps/{name}.html"] = _lean(drawing.html, made)
    for title, members in groups.items():
        made[f"reference/{_slug(title)}.rst"] = "\n".join(_group_page(title, members))
    for module, title in MODULES.items():
        made[f"reference/{module.rpartition('.')[2]}.rst"] = "\n".join(_module_page(module, title))
    made["reference/index.rst"] = "\n".join(_index(groups))
    return made


def _lean(page: str, made: dict[str, str | bytes]) -> str:
    """Move the style and the script that all pages of steps share into two files beside them."""
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    script = page[page.rindex("<script>") + 8 : page.rindex("</script>")]
    made["steps/page.css"], made["steps/page.js"] = style, script
    page = page.replace(f"<style>{style}</style>", '<link rel="stylesheet" href="page.css">', 1)
    page = page.replace(f"<script>{script}</script>", '<script src="page.js"></script>')
    return re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n', "", page)


def _page(name: str, thing: object, node: Node | None) -> Iterator[str]:
    yield f"{name}\n{'=' * len(name)}\n"
    if not isinstance(thing, type):
        yield f".. autofunction:: netlib.{name}"
        return
    yield f".. autoclass:: netlib.{name}\n"
    if node:
        yield from _drawn(name, node)
    methods = list(_methods(thing))
    if methods:
        yield "Methods\n-------\n"
        for kind, method in methods:
            yield f".. auto{kind}:: netlib.{name}.{method}\n"


def _drawn(name: str, node: Node) -> Iterator[str]:
    call = str(node.layer).replace("netlib.", "")
    yield f"Drawn with numbers\n------------------\n\n``{call}``: values in blue, gradients in orange.\n"
    yield f".. figure:: {name}.svg\n   :alt: {_alt(name, node, call)}\n   :target: ../steps/{name}.html\n   :class: node\n"
    summary = f"Step through {name}, and change its numbers"
    yield ".. raw:: html\n"
    yield f'   <details class="steps"><summary>{summary}</summary>'
    yield f'   <iframe loading="lazy" src="../steps/{name}.html" title="{escape(summary)}"></iframe></details>\n'
    if node.rule:
        yield "Rule\n----\n\n.. code-block:: text\n"
        yield "\n".join(f"   {line}" for line in node.rule.splitlines()) + "\n"
    shapes = list(node.shapes)
    if shapes:
        yield "In this picture, its parameters and buffers have these shapes:\n"
        yield ", ".join(f"``{path}`` {shape}" for path, shape in shapes) + ".\n"


def _alt(name: str, node: Node, call: str) -> str:
    shapes = ", ".join(str(x.shape) for x in node.inputs)
    return f"The node {call} for inputs of shape {shapes}, with its values and gradients"


def _methods(kind: type) -> Iterator[tuple[str, str]]:
    """Yield the kind and the name of each public method or property that is not every layer's."""
    bases = [base for base in kind.__mro__ if base.__module__.startswith("netlib.") and (base is kind or base not in (nl.Layer, nl.Loss))]
    found = {}
    for base in bases:
        for name, member in vars(base).items():
            if not name.startswith("_") and inspect.getdoc(getattr(kind, name)) and name not in ("rule", "multiply_adds"):
                if isinstance(member, property):
                    found.setdefault(name, "property")
                elif inspect.isfunction(member) or isinstance(member, (classmethod, staticmethod)):
                    found.setdefault(name, "method")
    order = ["from_arrays", "forward", "backward"]
    for name in sorted(found, key=lambda name: (order.index(name) if name in order else len(order), name)):
        yield found[name], name


def _module_page(module: str, title: str) -> Iterator[str]:
    yield f"{title}\n{'=' * len(title)}\n\n.. automodule:: {module}\n"
    for name, thing in _members(module):
        kind = "class" if isinstance(thing, type) else "function"
        yield f".. auto{kind}:: {module}.{name}\n"
        for method_kind, method in _methods(thing) if isinstance(thing, type) else ():
            yield f".. auto{method_kind}:: {module}.{name}.{method}\n"


def _members(module: str) -> Iterator[tuple[str, object]]:
    """Yield the public names that the module exports or, if it exports none, defines."""
    home = getattr(nl, module.rpartition(".")[2])
    tree = ast.parse(inspect.getsource(home))
    exported = [alias.asname for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names if alias.asname]
    defined = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    for name in exported or defined:
        thing = getattr(home, name)
        if callable(thing):
            yield name, thing


def _group_page(title: str, members: list[str]) -> Iterator[str]:
    yield f"{title}\n{'=' * len(title)}\n"
    yield ".. list-table::\n   :widths: 30 70\n   :class: names\n"
    for name in members:
        yield f"   * - :doc:`{name}`\n     - {_first_line(getattr(nl, name))}"
    yield "\n.. toctree::\n   :hidden:\n\n" + "\n".join(f"   {name}" for name in members) + "\n"


def _index(groups: dict[str, list[str]]) -> Iterator[str]:
    yield "Reference\n=========\n"
    yield "Every public name with its signature, derivation, example and a link to its source. Layers and losses also have their"
    yield "rule, and a drawing of their node with small numbers that you can change.\n"
    for title, members in groups.items():
        yield f":doc:`{title} <{_slug(title)}>`\n   {', '.join(f':doc:`{name}`' for name in members)}\n"
    for module, title in MODULES.items():
        yield f":doc:`{title} <{module.rpartition('.')[2]}>`\n   {', '.join(f'`{name}`' for name, _ in _members(module))}\n"
    yield ".. toctree::\n   :hidden:\n"
    yield "\n".join(f"   {page}" for page in [*map(_slug, groups), *(module.rpartition(".")[2] for module in MODULES)]) + "\n"


def _slug(title: str) -> str:
    return title.lower().replace(" ", "-")


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")
