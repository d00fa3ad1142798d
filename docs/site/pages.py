"""Gather the pages of the site: those of docs/, and those made of docstrings and examples."""

from __future__ import annotations

import re
from pathlib import Path

from . import DOCS, ROOT, SOURCE, examples, reference

SECTIONS = ["learn", "use", "reference/index", "examples/index", "measured", "contributing"]
TRY_IT = re.compile(r"\[([^\]]+)\]\(try-it/index\.html\)")
"""Links to the page that runs netlib, which is built beside the others."""
LINK = re.compile(r"\[([^\]]*)\]\(\.\./([^)#\s]*)(#[^)]*)?\)")  # to something beside docs/
FROM_ROOT = re.compile(r"\]\((?!https?:|#)(docs/)?")  # the start of a link in a file beside docs/
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
    files = {path.stem: path for path in DOCS.glob("*.md")}
    files |= {"contributing": ROOT / "CONTRIBUTING.md", "changelog": ROOT / "CHANGELOG.md"}
    texts = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    for name in ("contributing", "changelog"):
        texts[name] = FROM_ROOT.sub(lambda link: "](" if link[1] else "](../", texts[name])
    children = {section: ROW.findall(texts[section]) for section in SECTIONS if section in texts}
    children["contributing"] = ["architecture", "changelog"]
    children["use"] += sorted(files.keys() - {"index", *SECTIONS}.union(*children.values()))  # pages that no section lists
    children["index"] = SECTIONS
    for name, text in texts.items():
        linked = TRY_IT.sub(r'<a href="try-it/index.html">\1</a>', text)
        made[f"{name}.md"] = LINK.sub(lambda link: _inside(link, made), linked) + _toctree(children.get(name, []))
    return made


def _toctree(children: list[str]) -> str:
    return "\n```{toctree}\n:hidden:\n\n" + "\n".join(children) + "\n```\n" if children else ""


def _inside(link: re.Match[str], made: dict[str, str | bytes]) -> str:
    """Return a link to a file beside docs/ as one to its page in the site or to a copy."""
    text, target, anchor = link[1], Path(link[2]), link[3] or ""
    if target.name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        return f"[{text}]({target.stem.lower()}.md{anchor})"
    if target.parts[0] == "examples":
        return f"[{text}](examples/{target.stem if target.suffix else 'index'}.md)"
    if (ROOT / target).is_dir():
        return text
    made[f"files/{target.name}"] = (ROOT / target).read_bytes()
    return f"[{text}](files/{target.name})"
