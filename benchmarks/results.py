"""Measurements, and how they are saved."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from netlib.files import write_file


@dataclass(frozen=True)
class Measurement:
    """The rounds of one contender on one case, in µs, bytes or the unit of the table."""

    table: str
    case: str
    contender: str
    values: list[float]

    @property
    def spread(self) -> float:
        """Half the interquartile range, relative to the median."""
        if len(self.values) < 2 or not (middle := median(self.values)):
            return 0.0
        first, _, third = quantiles(self.values, n=4, method="inclusive")
        return (third - first) / 2 / middle


@dataclass
class Results:
    """All measurements of one run, with its date and machine."""

    date: str
    machine: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)

    def add(self, table: str, case: str, contender: str, *values: float) -> None:
        """Add the rounds of a contender."""
        self.measurements.append(Measurement(table, case, contender, list(values)))

    def median(self, table: str, case: str, contender: str) -> float | None:
        """Return the median over rounds; None if it was not measured."""
        for m in self.measurements:
            if (m.table, m.case, m.contender) == (table, case, contender):
                return median(m.values)
        return None

    def cases(self, table: str) -> list[str]:
        """Return the cases of a table, in order."""
        return list(dict.fromkeys(m.case for m in self.measurements if m.table == table))

    def contenders(self, table: str) -> list[str]:
        """Return the contenders of a table, in order."""
        return list(dict.fromkeys(m.contender for m in self.measurements if m.table == table))

    def save(self, path: Path) -> None:
        """Write JSON."""
        write_file(path, f"{json.dumps(asdict(self), indent=1)}\n".encode())

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save` wrote."""
        kept: dict[str, Any] = json.loads(path.read_text())
        return cls(**{**kept, "measurements": [Measurement(**m) for m in kept["measurements"]]})
