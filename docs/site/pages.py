"""Gather the pages of the site: those of docs/, and those made of docstrings and examples."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from . import DOCS, ROOT, SOURCE, examples, reference

SECTIONS = ["learn", "use", "reference/index", "examples/index", "measured", "contributing"]
BESIDE = {"contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md", "security": "SECURITY.md", "notebooks": "notebooks/README.md"}
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")
ROW = re.compile(r"^\| \[[^\]]*\]\(([\w-]+)\.md\)", re.MULTILINE)  # a page in the table of a section


def gather() -> None:
    """Write all pages into SOURCE; what did not change keeps its date, and what is gone goes."""
    made = written() | reference.pages() | examples.pages()
    paths = {SOURCE / name for name in made}
    for path in SOURCE.rglob("*"):
        if path.is_file() and path not in paths:
            path.unlink()
    for name, content in made.items():
        path, data = SOURCE / name, content if isinstance(content, bytes) else content.encode()
        if not path.exists() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def written() -> dict[str, str | bytes]:
    """Return the pages that people wrote, with their pictures and their place in the navigation."""
    made: dict[str, str | bytes] = {f"pictures/{path.name}": path.read_bytes() for path in DOCS.glob("pictures/*.svg")}
    files = {path.stem: path for path in DOCS.glob("*.md")} | {name: ROOT / path for name, path in BESIDE.items()}
    names = {path: name for name, path in files.items()}
    texts = {}
    for name, path in files.items():
        inside = partial(_inside, folder=path.parent, names=names, made=made)
        texts[name] = LINK.sub(inside, path.read_text(encoding="utf-8"))
    children = {section: ROW.findall(texts[section]) for section in SECTIONS if section in texts}
    children["contributing"] = ["architecture", "changelog", "security"]
    children["use"] += sorted(files.keys() - {"index", *SECTIONS}.union(*children.values()))  # pages that no section lists
    children["index"] = SECTIONS
    return made | {f"{name}.md": text + _toctree(children.get(name, [])) for name, text in texts.items()}


def _toctree(children: list[str]) -> str:
    return "\n```{toctree}\n:hidden:\n\n" + "\n".join(children) + "\n```\n" if children else ""


def _inside(link: re.Match[str], folder: Path, names: dict[Path, str], made: dict[str, str | bytes]) -> str:
    """Return a link of a page in `folder` as one to the target's page in the site or to a copy."""
    text, target, anchor = link[1], (folder / link[2]).resolve(), link[3] or ""
    if target in names:
        return f"[{text}]({names[target]}.md{anchor})"
    if target.is_relative_to(ROOT / "examples"):
        return f"[{text}](examples/{target.stem if target.suffix else 'index'}.md)"
    if target.is_relative_to(DOCS / "try-it"):
        return f'<a href="{link[2]}">{text}</a>'
    if target.is_dir():
        return text
    if target.is_relative_to(DOCS / "pictures") or not target.exists():
        return link[0]
    made[f"files/{target.name}"] = target.read_bytes()
    return f"[{text}](files/{target.name})"
