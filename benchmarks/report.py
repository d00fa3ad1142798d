"""The tables, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .contenders import TITLES
from .results import Results
from .targets import RIVALS, Target, all_targets, best, ratio

TABLES = {
    "training": "One training step, µs",
    "inference": "One forward pass, µs",
    "depth": "One training step by number of layers of 64, batch 64, µs",
    "batch": "One training step of small by batch, µs",
    "images, training": "One training step with convolutions or batch norm, µs",
    "images, inference": "One forward pass with convolutions or batch norm, µs",
    "channels": "One training step of two convolutions by channels, 32 images of 16 × 16, µs",
    "sizes": "One training step of two convolutions of 16 channels by size of the 32 images, µs",
    "sequences, training": "One training step of recurrent networks and a GPT, µs",
    "sequences, inference": "One forward pass of recurrent networks and a GPT, µs",
    "lengths, lstm": "One training step of lstm by number of steps, µs",
    "lengths, gpt": "One training step of gpt by number of ids, µs",
    "widths, lstm": "One training step of lstm by hidden features, µs",
    "widths, gpt": "One training step of gpt by features, µs",
    "attention": "Peak memory of making attention over 1,024 positions and training it, in matrices of all scores",
    "floor": "One training step with a batch of one, µs",
    "fit": "One training step inside an epoch, µs",
    "memory": "Peak memory of making a model and training it, MiB beyond what was there before",
    "100 layers": "One training step of 100 layers of 128, batch 8,192, µs",
    "memory of 100 layers": "Peak memory of the same, made and trained, MiB beyond what was there before",
    "memory of the arrays of 100 layers": "Likewise, where all memory that is freed goes back to the system, MiB",
    "memory of the process": "Peak memory of the whole process, MiB",
}
COMPARED = tuple(f"{kind}{task}" for kind in ("", "images, ", "sequences, ") for task in ("training", "inference"))
"""Tables that are followed by ratios."""
MIB = 2**20


def report(results: Results) -> str:
    """Return the whole report of a run."""
    return "\n\n".join(part for part in _parts(results) if part) + "\n"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, the first column aligned left and the others right.

    >>> print(markdown(["case", "µs"], [["tiny", "50"], ["small", "1,088"]]))
    | case  |    µs |
    | :---- | ----: |
    | tiny  |    50 |
    | small | 1,088 |
    """
    lines = [list(header), *map(list, rows)]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])])
    padded = (
        [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))] for first, *rest in lines
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def number(value: float | None) -> str:
    """Return a number with three digits, or a dash for None.

    >>> number(104558.3), number(43.27), number(0.7456), number(2e-7), number(0), number(None)
    ('104,558', '43.3', '0.746', '2e-07', '0', '–')
    """
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def median_table(results: Results, table: str, unit: float = 1.0) -> str:
    """Return the medians of a table, a row for each contender."""
    cases = results.cases(table)
    rows = [[TITLES[who], *(number(ratio(results.median(table, case, who), unit)) for case in cases)] for who in results.contenders(table)]
    return markdown(["", *cases], rows)


def ratio_table(results: Results, table: str, others: tuple[str, ...]) -> str:
    """Return the medians of a table, divided by the best of `others`."""
    cases = results.cases(table)
    rows = [
        [TITLES[who], *(number(ratio(results.median(table, case, who), best(results, table, case, others))) for case in cases)]
        for who in results.contenders(table)
    ]
    return markdown(["", *cases], rows)


def target_table(targets: Iterable[Target]) -> str:
    """Return a table of the targets: figure, bound, and whether it was met."""
    words = {True: "met", False: "NOT met", None: "not measured"}
    rows = [[t.text, number(t.figure), f"{'≥' if t.at_least else '≤'} {number(t.bound)}", words[t.met]] for t in targets]
    return markdown(["target", "figure", "bound", ""], rows)


def cases_lost(results: Results) -> list[str]:
    """Return a line for each case in which a peer is faster than netlib."""
    ours, floors = ("netlib", "netlib-fast"), ("products", "bare-loop")
    lines = []
    swept = "depth", "batch", "channels", "sizes", "lengths, lstm", "lengths, gpt", "widths, lstm", "widths, gpt"
    for table in (*COMPARED, *swept, "memory", "attention"):
        for case in results.cases(table):
            medians = {who: results.median(table, case, who) for who in results.contenders(table)}
            best_of_ours = min((value for who, value in medians.items() if who in ours and value is not None), default=None)
            ahead = {
                TITLES[who]: value / best_of_ours
                for who, value in medians.items()
                if who not in (*ours, *floors) and value is not None and best_of_ours and value < best_of_ours
            }
            if ahead:
                lines.append(f"- {table}, {case}: " + ", ".join(f"{who} ({share:.2f})" for who, share in ahead.items()))
    return lines


def _parts(results: Results) -> Iterator[str]:
    yield f"Measured on {results.date}."
    yield "\n".join(f"- {name}: {value}" for name, value in results.machine.items())
    yield "Versions: " + ", ".join(f"{package} {version}" for package, version in sorted(results.versions.items())) + "."
    yield "\n".join(f"- not measured: {what}: {why}" for what, why in results.missing.items())
    for table, title in TABLES.items():
        if not results.cases(table):
            continue
        yield f"## {title}"
        yield median_table(results, table, MIB if table.startswith("memory") else 1.0)
        if table in COMPARED:
            yield "Divided by the bare products:"
            yield ratio_table(results, table, ("products",))
            yield "Divided by the better of JAX (each result waited for) and PyTorch with fused Adam:"
            yield ratio_table(results, table, RIVALS)
    yield "## Targets"
    yield target_table(all_targets(results))
    yield "## Where a peer is ahead"
    yield "\n".join(cases_lost(results)) or "Nowhere in this run."
    if spreads := sorted(m.spread for m in results.measurements if m.table in TABLES):
        middle, worst = spreads[len(spreads) // 2], spreads[-1]
        yield f"Half the distance between the quartiles of the rounds is {middle:.1%} of the median in the middle and {worst:.0%} at worst."
