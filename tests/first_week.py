"""The tables of docs/first-week.md."""

import ast
import re
from pathlib import Path
from typing import Any, NamedTuple

import netlib as nl

PAGE = (Path(__file__).parents[1] / "docs/first-week.md").read_text(encoding="utf-8")
SECTIONS = ("PyTorch", "Keras", "scikit-learn")
SETUP = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))


class Line(NamedTuple):
    """What one wants to do, and the two lines for it."""

    aim: str
    theirs: str
    ours: str


def lines_of(section: str) -> list[Line]:
    """Return the rows of all tables of a section."""
    (text,) = re.findall(rf"^## {section}$(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    return [Line(*row) for row in re.findall(r"^\| (.*?) \| `(.*?)` \| `(.*?)` \|$", text, flags=re.MULTILINE)]


def our_names() -> dict[str, Any]:
    """Return what netlib's lines start from, and write the files that some of them read."""
    names: dict[str, Any] = {}
    exec(SETUP, names)
    nl.save(names["model"], "model.npz")
    nl.save_state(names["model"].state_dict(), "state.npz")
    return names


def run(line: str, namespace: dict[str, Any]) -> Any:
    """Run a line, and return its value if it is an expression."""
    tree = ast.parse(line)
    if isinstance(tree.body[0], ast.Expr):
        return eval(line, namespace)
    return exec(line, namespace)
