"""The results as a table, as CSV and as a page."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from html import escape

from .result import Result

HEADER = ("file", "layer", "mistake", "where", "message")


def as_text(results: Sequence[Result]) -> str:
    """Return a table for a terminal, with a line of totals.

    >>> wrong = Result("ben.py", "ReLU", "missing-mask", "input 0", "no mask")
    >>> print(as_text([Result("anna.py", "ReLU", "ok"), wrong]))
    file     layer  mistake       where    message
    anna.py  ReLU   ok
    ben.py   ReLU   missing-mask  input 0  no mask
    <BLANKLINE>
    1 of 2 files is right. Mistakes: missing-mask 1.
    """
    lines = [HEADER, *(tuple(printable(text) for text in result[:5]) for result in results)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*table, "", summary(results)])


def printable(text: str) -> str:
    """Return the text on one line, without characters that move a terminal's cursor."""
    return "".join(c if c.isprintable() else " " for c in text)


def summary(results: Sequence[Result]) -> str:
    """Return how many files are right, and how often each mistake was made."""
    files = dict.fromkeys(result.file for result in results)
    n_right = len(files) - len({result.file for result in results if not result.ok})
    text = f"{n_right} of {len(files)} file{'s' * (len(files) > 1)} {'is' if 1 in (n_right, len(files)) else 'are'} right."
    counts = Counter(result.mistake for result in results if not result.ok)
    return text + (f" Mistakes: {', '.join(f'{mistake} {n}' for mistake, n in counts.most_common())}." if counts else "")


def as_csv(results: Sequence[Result]) -> str:
    """Return all columns as CSV, with a header line."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(Result._fields)
    writer.writerows([harmless(cell) for cell in result] for result in results)
    return text.getvalue()


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b2330; --faint: #5b6675; --fill: #f3f5f8; --right: #0a6186; --wrong: #b0400f }
@media (prefers-color-scheme: dark) {
  :root { --paper: #12161d; --ink: #e8ebf0; --faint: #9aa5b4; --fill: #1d242e; --right: #62c6ec; --wrong: #ff9d6c }
}
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; background: var(--paper); color: var(--ink) }
body { font: 16px/1.5 system-ui, sans-serif }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { padding: .3rem .8rem; text-align: left; vertical-align: top }
th { color: var(--faint); font-weight: 600 }
tbody tr:nth-child(odd) { background: var(--fill) }
a { color: inherit }
.right { color: var(--right) }
.wrong { color: var(--wrong) }
pre { background: var(--fill); padding: .6rem .8rem; overflow-x: auto; white-space: pre-wrap }
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Layers, graded</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def as_html(results: Sequence[Result]) -> str:
    """Return one page: a table of files and layers, and below it each mistake with its numbers."""
    layers = list(dict.fromkeys(result.layer for result in results))
    files = list(dict.fromkeys(result.file for result in results))
    head = "".join(f"<th>{escape(layer) or 'file'}</th>" for layer in layers)
    rows = []
    for i, file in enumerate(files):
        marks = {layer: [mark(result) for result in results if (result.file, result.layer) == (file, layer)] for layer in layers}
        cells = "".join(f"<td>{'<br>'.join(each)}</td>" for each in marks.values())
        rows.append(f'<tr><th><a href="#file-{i}">{escape(file)}</a></th>{cells}</tr>')
    parts = [f"<h1>Layers, graded</h1>\n<p>{escape(summary(results))}</p>"]
    parts.append(f"<table><thead><tr><th></th>{head}</tr></thead>\n<tbody>{''.join(rows)}</tbody></table>")
    for i, file in enumerate(files):
        parts.append(f'<h2 id="file-{i}">{escape(file)}</h2>')
        parts += [describe(result) for result in results if result.file == file]
    body = "\n".join(parts)
    return PAGE.format(style=STYLE, body=body)


def mark(result: Result) -> str:
    """Return the mistake, coloured."""
    return f'<span class="{"right" if result.ok else "wrong"}">{escape(result.mistake)}</span>'


def describe(result: Result) -> str:
    """Return all that is known about a result."""
    where = f" in <b>{escape(result.where)}</b>" if result.where else ""
    message = f"<br>{escape(result.message)}" if result.message else ""
    details = f"\n<pre>{escape(result.details)}</pre>" if result.details else ""
    return f"<p>{escape(result.layer)} {mark(result)}{where}{message}</p>{details}"
