"""Build the site into build/site/html; every warning is an error."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

from sphinx.cmd.build import build_main

from . import BUILD, DOCS, HTML, SITE, SOURCE, pages


def main() -> int:
    """Return 0 if the site was built."""
    start = time.perf_counter()
    pages.gather()
    arguments = ["--fail-on-warning", "--keep-going", "--quiet", "-j2", "-c", SITE, "-d", BUILD / "doctrees", SOURCE, HTML]
    code = build_main([str(argument) for argument in arguments])
    if not code:
        for folder in ("steps", "pictures"):
            shutil.copytree(SOURCE / folder, HTML / folder, dirs_exist_ok=True)
        name_toggles()
        subprocess.run([sys.executable, DOCS / "try-it" / "build.py", HTML / "try-it"], check=True)
        size = sum(path.stat().st_size for path in HTML.rglob("*") if path.is_file())
        print(f"{HTML}/index.html: {size / 1e6:.1f} MB, {time.perf_counter() - start:.0f} s")
    return code


def name_toggles() -> None:
    """Give the theme's buttons that unfold the navigation a name, for those who hear the page."""
    for path in HTML.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        named = text.replace('<summary><span class="toctree-toggle"', '<summary aria-label="Unfold"><span class="toctree-toggle"')
        if named != text:
            path.write_text(named, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
