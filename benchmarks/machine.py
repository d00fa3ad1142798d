"""The machine that a run takes place on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from time import perf_counter

import numpy as np


def describe(threads: int) -> dict[str, str]:
    """Return the properties of this machine that matter, by name."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "CPU": _find(r"model name\s*: (.*)", "/proc/cpuinfo") or platform.processor() or platform.machine(),
        "cores": f"{os.cpu_count()}, of which {threads} are used",
        "governor": _find("(.*)", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "not readable",
        "system": platform.platform(),
        "Python": platform.python_version(),
        "BLAS of NumPy": f"{blas['name']} {blas['version']}",
    }


def restrict(threads: int) -> None:
    """Restrict this process and its children to so many cores, where the system supports it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


class OtherProcesses:
    """How much of the machine other processes have used since this object was created."""

    def __init__(self) -> None:
        self._start, self._busy, self._ours = perf_counter(), _busy_seconds(), _our_seconds()

    def share(self) -> str:
        """Return it in words; call it after the child processes have ended."""
        available = (perf_counter() - self._start) * (os.cpu_count() or 1)
        others = max(0.0, _busy_seconds() - self._busy - (_our_seconds() - self._ours))
        return f"used {others / available:.0%} of all cores meanwhile" if self._busy else "not known"


def _our_seconds() -> float:
    return sum(os.times()[:4])


def _busy_seconds() -> float:
    fields = _find(r"cpu +(.*)", "/proc/stat").split()  # user, nice, system, idle, iowait, interrupts
    return sum(int(fields[i]) for i in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _find(pattern: str, path: str) -> str:
    try:
        match = re.search(pattern, Path(path).read_text())
    except OSError:
        return ""
    return match[1] if match else ""
