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
    "Sequential": "`nn.Sequential`, in which a module may take and return several tensors",
    "Residual": "a module with a `layer`",
    "Recompute": "a module with a `layer`, run by `torch.utils.checkpoint`",
    "Recurrent": "a module with a `cell`",
    "Graph": "a module with the names of the nodes",
}
HEAD = """
`convert` makes the layer of each module in its row. `module` makes the module, or a subclass of it
that is called as the layer is. Arguments that are not listed have the same name.

| layer | PyTorch | arguments with other names | what changes |
|---|---|---|---|
"""


def section() -> str:
    """Return the last section of the page."""
    rows = [
        *[_row(entry) for entry in TABLE if entry.layer.__name__[-2:] not in ("1d", "3d")],
        *(f"| `{name}` | {text} | | |" for name, text in CONTAINERS.items()),
    ]
    return TITLE + HEAD + "\n".join(rows) + "\n\n" + _functions()


def _row(entry):
    names = [entry.module, *entry.also]
    names = [name for name in names if name not in OWN]
    theirs = ", ".join(f"`nn.{name.replace('Padded', '')}`" for name in names)
    renamed = ", ".join(f"`{ours}` = `{theirs}`" for ours, theirs in entry.arguments.items() if ours != theirs)
    only = ", ".join(f"`{name}={value!r}`" for name, value in entry.fixed.items() if not name.startswith("_"))
    note = "; ".join(text for text in (entry.note, f"only {only}" if only else "") if text)
    layer = f"`{entry.layer.__name__}`"
    if entry.layer.__name__.endswith("2d"):  # which stands for those of one and three axes
        layer, theirs = f"{layer}, 1d, 3d", f"{theirs}, 1d, 3d"
    return f"| {layer} | {theirs} | {renamed} | {note} |".replace("|  |", "| |").replace("|  |", "| |")


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
