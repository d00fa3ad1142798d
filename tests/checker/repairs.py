"""The suggested lines, written into the source of broken layers."""

import ast
import functools
import sys
import textwrap
from pathlib import Path


def repaired(layer, correction):
    """Give a layer, and those inside it, the classes of a source with other lines."""
    for _, inner in layer.walk():
        kind = type(inner)
        new = {}
        for base in reversed(kind.__mro__):
            if Path(getattr(sys.modules[base.__module__], "__file__", None) or "").parts[-4:-1].count("checker"):
                new[base.__name__] = _written_again(base, correction, new)
        if new:
            inner.__class__ = new[kind.__name__]
    return layer


@functools.cache
def _parsed(file):
    source = Path(file).read_text(encoding="utf-8")
    return source.splitlines(), {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


def _written_again(kind, correction, known):
    """Return a class made again of its source, with other lines and other base classes."""
    module = sys.modules[kind.__module__]
    lines, classes = _parsed(module.__file__)
    node, lines = classes[kind.__name__], list(lines)
    if correction.file == module.__file__ and node.lineno <= correction.first <= node.end_lineno:
        lines[correction.first - 1 : correction.last] = [correction.new, *[""] * (correction.last - correction.first)]
    names = vars(module) | known
    exec(textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno])), names)
    made = names[kind.__name__]
    made.__bases__ = tuple(known.get(base.__name__, base) for base in made.__bases__)
    return made


def is_cured(make, check, report):
    """Return whether each line to write makes the findings that carry it vanish, and no new ones appear."""
    corrections = {finding.correction for finding in report.findings} - {None}
    before = {(finding.mistake, finding.where) for finding in report.findings}
    for correction in corrections:
        cured = {(finding.mistake, finding.where) for finding in report.findings if finding.correction == correction}
        again = check(repaired(make(), correction))
        left = {(finding.mistake, finding.where) for finding in again.findings}
        if left & cured or (cured == before and not again.ok):
            return False
    return True
