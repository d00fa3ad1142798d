"""Redraw the pictures of the pages: ``python docs/pictures/make.py``.

The pages are the source. Where a page shows ``![title](pictures/fig-1-2.svg)``, its code creates a
drawing ``fig_1_2``, which is saved under that title. So the code beside a picture is the code that
draws it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import netlib as nl

PICTURES = Path(__file__).parent
PAGES = [PICTURES.parent / f"{name}.md" for name in ("chapter-in-pictures", "gallery", "backpropagation-through-time", "attention")]


def drawings(page: Path) -> Iterator[tuple[str, nl.Drawing]]:
    """Run the code of a page, and yield the file name and the drawing of each picture on it."""
    text = page.read_text(encoding="utf-8")
    made: dict[str, nl.Drawing] = {}
    exec(compile("\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)), page, "exec"), made)
    for title, name in re.findall(r"!\[([^\]]+)\]\(pictures/(.+?)\.svg\)", text):
        drawing = made[name.replace("-", "_")]
        drawing.title = title
        yield name, drawing


def main() -> None:
    """Redraw all pictures, and remove those that no page shows."""
    pictures = {PICTURES / f"{name}.svg": drawing.svg for page in PAGES for name, drawing in drawings(page)}
    for path in PICTURES.glob("*.svg"):
        path.unlink()
    for path, svg in pictures.items():
        path.write_text(svg, encoding="utf-8", newline="\n")
    print(f"{len(pictures)} pictures, {sum(map(len, pictures.values())) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
