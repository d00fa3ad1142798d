"""The table of docs/pytorch.md, from the table in netlib/torch.

``python tests/torch_table.py`` writes it into the page, and a test compares the two.
"""

from __future__ import annotations

from pathlib import Path

import netlib as nl
from netlib import layers
from netlib.torch.table import TABLE

PAGE = Path(__file__).parents[1] / "docs" / "pytorch.md"
TITLE = "## What corresponds to what\n"
OWN = {"BatchNorm": "", "InstanceNorm": "", "PositionalEmbedding": ""}
"""Modules of netlib.torch that torch.nn has under other names, or not at all."""
CONTAINERS = {
    "Sequential": "`nn.Sequential`, which passes on several tensors",
    "Residual, Recompute, Recurrent": "modules with a `layer` or `cell`",
    "Graph": "a module with its nodes' names",
}
HEAD = """
Arguments that are not listed have the same name. The layers of PyTorch that the second column names
become the layer of the first, and the first of them is what `module` makes.

| layer | PyTorch | arguments that have other names | what changes |
|---|---|---|---|
"""


def section() -> str:
    """Return the last section of the page."""
    rows = [*map(_row, TABLE), *(f"| `{name}` | {text} | | |" for name, text in CONTAINERS.items())]
    return TITLE + HEAD + "\n".join(rows) + "\n\n" + _functions()


def _row(entry):
    names = [entry.module, *entry.also]
    names = [name for name in names if name not in OWN]
    theirs = ", ".join(f"`nn.{name.replace('Padded', '')}`" for name in names)
    renamed = ", ".join(f"`{ours}` = `{theirs}`" for ours, theirs in entry.arguments.items() if ours != theirs)
    only = ", ".join(f"`{name}={value!r}`" for name, value in entry.fixed.items() if not name.startswith("_"))
    note = "; ".join(text for text in (entry.note, f"only {only}" if only else "") if text)
    return f"| `{entry.layer.__name__}` | {theirs} | {renamed} | {note} |".replace("|  |", "| |").replace("|  |", "| |")


def _functions() -> str:
    known = {entry.layer for entry in TABLE}
    rest = [name for name, kind in vars(layers).items() if isinstance(kind, type) and issubclass(kind, nl.Layer) and kind not in known]
    names = ", ".join(f"`{name}`" for name in rest if name not in ("Recurrent", "Dot"))
    return f"The other layers have no arrays, and become functions of tensors:\n{_wrapped(names)}.\n"


def _wrapped(text: str) -> str:
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + len(word) > 98:
            lines.append("")
        lines[-1] += f"{word} "
    return "\n".join(line.strip() for line in lines)


def page() -> str:
    """Return the page with the table."""
    return PAGE.read_text(encoding="utf-8").partition(TITLE)[0] + section()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
