"""Print which student made which mistake in which layer.

Each file runs in its own process, with a limit on time and memory. This is not a sandbox. Exit
status: 0 if every layer of every file is right, 1 if not, 2 if the command itself is wrong.
"""

from __future__ import annotations

import argparse
import glob
import os
import re
import sys
from pathlib import Path

from tqdm import tqdm

from ..errors import NetlibError
from .grading import grade_each
from .tables import as_csv, as_html, as_text

UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
SMALLEST = 256 * 10**6
"""Bytes that Python, NumPy and netlib themselves need."""


def as_seconds(text: str) -> float:
    """Return a positive number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a positive number of seconds")
    return seconds


def as_bytes(text: str) -> int:
    """Return the number of bytes.

    >>> as_bytes("1GB"), as_bytes("512 MiB")
    (1000000000, 536870912)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMG]i?B)", text, re.IGNORECASE)
    if not match:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a size such as 1GB or 512MB")
    size = int(float(match[1]) * UNITS[match[2].upper()])
    if size < SMALLEST:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected at least 256MB: netlib itself needs that much")
    return size


def main(arguments: list[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser("python -m netlib.grade", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE", help="Python files, such as students/*.py")
    parser.add_argument("--assignment", metavar="PATH", help="a Python file with EXERCISES, a list of netlib.grade.Exercise")
    parser.add_argument("--csv", metavar="PATH", type=Path, help="write the table as CSV, too")
    parser.add_argument("--html", metavar="PATH", type=Path, help="write a page with all details, too")
    parser.add_argument("--seconds", type=as_seconds, default=10.0, help="time limit of a file (default 10)")
    parser.add_argument("--memory", type=as_bytes, default="1GB", help="memory limit of a file, where the system has one (default 1GB)")
    options = parser.parse_args(arguments)
    if sys.platform != "linux":
        print("note: memory is limited on Linux only", file=sys.stderr)

    # Shells of Windows leave the stars to the program.
    files = [path for name in options.files for path in ([name] if os.path.exists(name) else sorted(glob.glob(name)) or [name])]
    results = []
    try:
        graded = grade_each(files, options.assignment, options.seconds, options.memory)
        for of_file in tqdm(graded, total=len(files), disable=None, leave=False):
            results += of_file
        print(as_text(results))
        for path, text in ((options.csv, as_csv), (options.html, as_html)):
            if path:
                path.write_text(text(results), encoding="utf-8", errors="replace", newline="")
    except (NetlibError, OSError) as error:
        parser.error(str(error))
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
