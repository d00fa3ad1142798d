"""Run each file in its own process, and collect the results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from os.path import abspath, basename, commonpath, dirname, relpath
from typing import Any

from ..errors import MissingError
from .exercise import load_assignment
from .result import Found, Result

LONGEST_OUTPUT = 1_000_000
"""Bytes that a file may print."""
SLOWEST_START = 120
"""Seconds that Python, NumPy and netlib may take to start."""


def grade(files: Sequence[str], assignment: str | None = None, *, seconds: float = 10, memory: int = 10**9) -> list[Result]:
    """Check the layers of each file, and return one result for each mistake or correct layer.

    Parameters
    ----------
    files : sequence of str
        Paths of Python files.
    assignment : str, optional
        The path of a Python file with ``EXERCISES``, a list of `Exercise`. By default, each layer
        that can be created without arguments is checked.
    seconds : float
        The time limit of a file. After a layer that had to be stopped, the others get the same time
        again.
    memory : int
        The memory limit of a process in bytes, on systems that can limit the address space, such as
        Linux.

    Returns
    -------
    list of Result
        Files in the given order, and layers in the order of the assignment, or else of the file.

    Raises
    ------
    MissingError
        For a missing file.
    FormatError
        For an assignment without exercises.

    Examples
    --------
    >>> import os, tempfile
    >>> code = '''
    ... import netlib as nl
    ... class MyDouble(nl.Layer):
    ...     def forward(self, x):
    ...         return 2 * x
    ...     def backward(self, dout):
    ...         return dout.copy()
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "anna.py")
    ...     with open(path, "w") as file:
    ...         _ = file.write(code)
    ...     for result in grade([path]):
    ...         print(result.file, result.layer, result.mistake, result.where)
    anna.py MyDouble wrong-scale input 0
    """
    return [result for results in grade_each(files, assignment, seconds, memory) for result in results]


def grade_each(files: Sequence[str], assignment: str | None, seconds: float, memory: int) -> Iterator[list[Result]]:
    """Yield the results of one file after the other."""
    for path in [*files, *([assignment] if assignment else [])]:
        if not os.path.isfile(path):
            raise MissingError("there is no such file", where=path, hint="Pass the paths of Python files, such as students/*.py.")
    if assignment:
        load_assignment(assignment)
        assignment = abspath(assignment)
    for path, name in zip(files, short_names(files), strict=True):
        found = grade_file(abspath(path), assignment, seconds, memory)
        yield [Result(name, layer, *each) for layer, of_layer in found.items() for each in of_layer]


def short_names(files: Iterable[str]) -> list[str]:
    """Return the paths without their common part.

    >>> short_names(["students/anna.py", "students/ben.py"])
    ['anna.py', 'ben.py']
    """
    paths = [abspath(path) for path in files]
    if len({dirname(path) for path in paths}) == 1:
        return [basename(path) for path in paths]
    try:
        common = commonpath(paths)
    except ValueError:  # other drives
        return paths
    return [relpath(path, common) for path in paths]


def grade_file(path: str, assignment: str | None, seconds: float, memory: int) -> dict[str, list[Found]]:
    """Return the results of each layer; after one that had to be stopped, a new process continues.

    The name of the file itself is "".
    """
    found: dict[str, list[Found]] = {}
    while True:
        new, layer, fault = run(path, assignment, list(filter(None, found)), seconds, memory)
        found |= new
        if fault is not None:
            found[layer] = [*found.get(layer, []), fault]
        if fault is None or not layer:
            return found


def run(
    path: str, assignment: str | None, done: list[str], seconds: float, memory: int
) -> tuple[dict[str, list[Found]], str, Found | None]:
    """Return the results of one process, and the layer that it did not finish, with the reason."""
    with tempfile.TemporaryDirectory(prefix="netlib-grade-", ignore_cleanup_errors=True) as folder:
        results, printed, empty = (os.path.join(folder, name) for name in ("results", "printed", "empty"))
        os.mkdir(empty)
        request = {"path": path, "assignment": assignment, "done": done, "memory": memory, "results": results}
        with open(printed, "w+b") as output:
            process = subprocess.Popen(
                [sys.executable, "-B", "-P", "-W", "ignore", "-m", "netlib.grade.submission"],
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, cwd=empty, env=environment(), start_new_session=True,
            )  # fmt: skip
            try:
                send(process, request)
                reason = watch(process, results, output.fileno(), seconds)
            finally:
                kill(process)
            last_line = read_last_line(output)
        return read(results, reason or describe_end(process.returncode, last_line))


def environment() -> dict[str, str]:
    """Return the environment of a process: the same modules, one thread, no windows."""
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    paths = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, **one, "PYTHONPATH": paths, "PYTHONHASHSEED": "0", "MPLBACKEND": "agg", "NETLIB_ACCELERATOR": "numpy"}


def send(process: subprocess.Popen[bytes], request: dict[str, Any]) -> None:
    """Write the request, and close the input."""
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as stdin:  # a process that could not start
        stdin.write(json.dumps(request).encode())


def watch(process: subprocess.Popen[bytes], results: str, output: int, seconds: float) -> tuple[str, str] | None:
    """Wait until the process ends, and return why it must be stopped early.

    The time counts from the first line of results: a slow start is not the student's fault.
    """
    started, end = False, time.monotonic() + SLOWEST_START
    while process.poll() is None:
        if not started and os.path.exists(results):
            started, end = True, time.monotonic() + seconds
        if os.fstat(output).st_size > LONGEST_OUTPUT:
            return "too-much-output", f"printed more than {LONGEST_OUTPUT:,} bytes"
        if time.monotonic() > end:
            return "time-out", f"took longer than {seconds:g} seconds"
        time.sleep(0.01)
    return None


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and its children."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):  # nothing is left
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def read_last_line(output: Any) -> str:
    """Return the last line that was printed."""
    output.seek(max(0, os.fstat(output.fileno()).st_size - 1000))
    lines = output.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def describe_end(status: int, last_line: str) -> tuple[str, str]:
    """Return what happened to a process that ended before it had written all results."""
    if status < 0:
        return "crashes", f"the process was ended by signal {-status} ({signal.strsignal(-status)})"
    return "exits", f"the process ended with status {status}" + (f"; it printed last: {last_line}" if status and last_line else "")


def read(path: str, reason: tuple[str, str]) -> tuple[dict[str, list[Found]], str, Found | None]:
    """Return the results in the file, and the layer that was not finished, with the reason."""
    found: dict[str, list[Found]] = {}
    layer = ""
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                if line == "end\n":
                    return found, "", None
                if not line.endswith("\n"):  # stopped while it wrote
                    break
                layer, texts = json.loads(line)
                if texts is not None:
                    found[layer] = [Found(*each) for each in texts]
                    layer = ""
    except FileNotFoundError:
        pass
    mistake, message = reason
    return found, layer, Found(mistake, "check" if layer else "import", message)
