"""Your gradient and the measured one, as pictures for a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .report import Evidence


def heat_map(evidence: Evidence) -> str:
    """Return an SVG with a square for each element, redder for larger errors."""
    rows = evidence.yours.reshape(-1, evidence.yours.shape[-1]) if evidence.yours.ndim > 1 else evidence.yours.reshape(1, -1)
    numeric, wrong = evidence.numeric.reshape(rows.shape)[:64, :64], evidence.wrong.reshape(rows.shape)[:64, :64]
    rows = rows[:64, :64]
    with np.errstate(all="ignore"):
        off = np.abs(rows - numeric) / np.maximum(np.maximum(np.abs(rows), np.abs(numeric)), 1e-300)
    side = 12
    squares: list[Any] = []
    for (i, j), value in np.ndenumerate(off):
        if np.isnan(numeric[i, j]):
            fill = "#ccc"
        else:
            share = min(1.0, value) if np.isfinite(value) else 1.0
            fill = f"rgb(220,{int(200 * (1 - share))},{int(190 * (1 - share))})" if wrong[i, j] else "#cfe8cf"
        title = f"[{i}, {j}] yours {rows[i, j]:.6g}, measured {numeric[i, j]:.6g}"
        squares.append(
            f'<rect x="{j * side}" y="{i * side}" width="{side - 1}" height="{side - 1}" fill="{fill}"><title>{title}</title></rect>'
        )
    height, width = rows.shape[0] * side, rows.shape[1] * side
    style = "margin: 8px; vertical-align: top"
    return f'<svg role="img" aria-label="where they differ" width="{width}" height="{height}" style="{style}">{"".join(squares)}</svg>'


def scatter(evidence: Evidence) -> str:
    """Return an SVG of yours against measured; right elements are on the diagonal."""
    known = np.isfinite(evidence.numeric) & np.isfinite(evidence.yours)
    numeric, yours, wrong = (a[known][:500] for a in (evidence.numeric, evidence.yours, evidence.wrong))
    if not numeric.size:
        return ""
    low, high = float(min(numeric.min(), yours.min())), float(max(numeric.max(), yours.max()))
    left, top, side, width = 52, 8, 150, (high - low) or 1.0
    right, bottom = left + side, top + side
    dots = []
    for t, a, is_wrong in zip(numeric, yours, wrong, strict=True):
        x, y = left + 5 + (side - 10) * (t - low) / width, bottom - 5 - (side - 10) * (a - low) / width
        dots.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{"#d22" if is_wrong else "#2a2"}" fill-opacity="0.7"/>')
    frame = f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#888"/>'
    diagonal = f'<path d="M{left} {bottom}L{right} {top}" stroke="#999" stroke-dasharray="4 3"/>'
    text = "".join(
        f'<text x="{x}" y="{y}" text-anchor="{anchor}"{turn}>{label}</text>'
        for x, y, anchor, turn, label in (
            (left, bottom + 14, "start", "", f"{low:.3g}"),
            (right, bottom + 14, "end", "", f"{high:.3g}"),
            (left + side / 2, bottom + 28, "middle", "", "measured"),
            (left - 5, bottom, "end", "", f"{low:.3g}"),
            (left - 5, top + 9, "end", "", f"{high:.3g}"),
            (12, top + side / 2, "middle", f' transform="rotate(-90 12 {top + side / 2})"', "yours"),
        )
    )
    label = "your gradient against the measured one; right elements lie on the dashed line"
    return (
        f'<svg role="img" aria-label="{label}" width="{right + 8}" height="{bottom + 34}" font-size="11" font-family="sans-serif" '
        f'fill="currentColor" style="vertical-align: top"><title>{label}</title>{frame}{diagonal}{"".join(dots)}{text}</svg>'
    )
