"""The documentation site: ``python -m docs.site`` builds it into build/site/html."""

from __future__ import annotations

from pathlib import Path

SITE = Path(__file__).resolve().parent
DOCS = SITE.parent
ROOT = DOCS.parent
BUILD = ROOT / "build" / "site"
SOURCE = BUILD / "source"  # the pages that Sphinx reads
HTML = BUILD / "html"
EXAMPLES = BUILD / "examples"  # what each example printed and drew
