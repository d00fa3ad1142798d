"""Where a run takes place."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import numpy as np


def describe(threads: int) -> dict[str, str]:
    """Return what matters about this machine, by name."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[call-overload]
    return {
        "CPU": _found(r"model name\s*: (.*)", "/proc/cpuinfo") or platform.processor() or platform.machine(),
        "cores": f"{os.cpu_count()}, of which {threads} are used",
        "governor": _found("(.*)", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "not readable",
        "system": platform.platform(),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        "BLAS of NumPy": f"{blas['name']} {blas['version']}",
    }


def restrict(threads: int) -> None:
    """Confine this process, and those that it starts, to so many cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _found(pattern: str, path: str) -> str:
    try:
        match = re.search(pattern, Path(path).read_text())
    except OSError:
        return ""
    return match[1] if match else ""
