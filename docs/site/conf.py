"""How Sphinx builds the site. Pages load nothing from outside: maths is MathML."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.addnodes import pending_xref
from sphinx.transforms import SphinxTransform
from sphinx.util.inspect import stringify_signature

import netlib as nl

project = "netlib"
author = "the netlib developers"
copyright = author
version = release = nl.__version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
default_role = "py:obj"
highlight_language = "none"  # formulas in docstrings are not Python
nitpicky = False
python_use_unqualified_type_names = True
autodoc_typehints = "none"
autoclass_content = "both"  # several layers have their parameters in an __init__ that they share
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
viewcode_line_numbers = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

html_theme = "pydata_sphinx_theme"
html_title = "netlib"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # it would be fetched, which a page opened from a folder cannot do
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "collapse_navigation": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {"default_mode": "auto"}
html_sidebars = {"index": []}


class LinksToNames(SphinxTransform):
    """Link code such as ``nl.Affine(2, 3)`` to the page of Affine, and a picture to itself.

    A picture that would be too small to read in a column of text gets the class ``wide``.
    """

    default_priority = 200
    NAME = re.compile(r"nl\.(\w+)")
    WIDTH = re.compile(r'<svg[^>]* width="(\d+)"')
    WIDE = 1600

    def apply(self, **_: Any) -> None:
        """Link the names and pictures on one page."""
        public = set(nl.__all__)
        for code in list(self.document.findall(nodes.literal)):
            match = self.NAME.match(code.astext())
            if not match or match[1] not in public or isinstance(code.parent, (nodes.reference, pending_xref, nodes.title)):
                continue
            page = self.app.builder.get_relative_uri(self.env.docname, f"reference/{match[1]}")
            link = nodes.reference("", "", refuri=page, internal=True)
            code.replace_self(link)
            link += code
        for image in list(self.document.findall(nodes.image)):
            if image["uri"].endswith(".svg"):
                width = self.WIDTH.search((Path(self.document["source"]).parent / image["uri"]).read_text(encoding="utf-8"))
                image["classes"] += ["wide"] * (width is not None and int(width[1]) > self.WIDE)
            if image["uri"].startswith("pictures/"):
                link = nodes.reference("", "", refuri=image["uri"], internal=True)
                image.replace_self(link)
                link += image


def mathml(text: str, display: bool) -> str:
    """Return TeX as MathML, which browsers show without a script."""
    return tex2mathml(text, as_block=display)


def bar(_: Inliner, match: re.Match[str], lineno: int) -> tuple[str, list[Any], str, list[Any]]:
    """Read | as itself: derivations contain |x|, and no page has substitutions."""
    end = match.end("start")
    return match.string[:end], [], match.string[end:], []


def signature_of_class(_: Any, what: str, __: str, obj: Any, ___: Any, found: str | None, ____: Any) -> tuple[str, None] | None:
    """Return the parameters of a container, which are those of `__init__` and not of `__new__`."""
    if what != "class" or found != "(*_, **__)":
        return None
    signature = stringify_signature(inspect.signature(obj), show_annotation=False, show_return_annotation=False)
    return signature.replace("<class 'numpy.float32'>", "np.float32"), None


def setup(app: Any) -> None:
    """Add the maths, the links and the signatures."""
    app.add_transform(LinksToNames)
    app.connect("autodoc-process-signature", signature_of_class)
    Inliner.dispatch["|"] = bar

    def inline(writer: Any, node: Any) -> None:
        writer.body.append(mathml(node.astext(), False))
        raise nodes.SkipNode

    def block(writer: Any, node: Any) -> None:
        writer.body.append(f'<div class="math">{mathml(node.astext(), True)}</div>')
        raise nodes.SkipNode

    app.add_html_math_renderer("mathml", (inline, None), (block, None))


html_math_renderer = "mathml"
