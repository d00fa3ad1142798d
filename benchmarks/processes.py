"""The processes of the contenders, seen from the process that controls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Self

from .case import Case
from .contenders import CONTENDERS, HELPERS


class ContenderError(Exception):
    """A contender failed, or cannot run here."""


class Process:
    """The process of one contender. It is stopped between requests, so that it disturbs no other.

    ``more`` are variables of its environment.

    Raises
    ------
    ContenderError
        If the contender cannot run here, with the reason.
    """

    def __init__(self, name: str, threads: int, **more: str) -> None:
        entry = {**CONTENDERS, **HELPERS}[name]
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        environment = {key: value for key, value in os.environ.items() if key != "NETLIB_ACCELERATOR"}
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - close() closes it
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            env=environment | limits | entry.environment | more,
        )  # fmt: skip
        try:
            self.versions: dict[str, str] = self._answer()
        except ContenderError:
            self.close()
            raise

    def ask(self, do: str, **arguments: Any) -> Any:
        """Resume the process, send it a request, and return its answer."""
        assert self._process.stdin is not None
        sent = {name: asdict(value) if isinstance(value, Case) else value for name, value in arguments.items()}
        self._process.send_signal(signal.SIGCONT)
        try:
            print(json.dumps({"do": do, **sent}), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise ContenderError("its process has ended") from None
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise ContenderError((self._errors.read().strip().splitlines() or ["its process ended without a message"])[-1])
        self._process.send_signal(signal.SIGSTOP)
        answer = json.loads(line)
        if "error" in answer:
            raise ContenderError(answer["error"])
        return answer["answer"]


@contextmanager
def processes(names: Iterable[str], threads: int) -> Iterator[tuple[dict[str, Process], dict[str, str]]]:
    """Start the contenders that can run; yield them, and the reasons why the others cannot."""
    running: dict[str, Process] = {}
    missing: dict[str, str] = {}
    try:
        for name in names:
            try:
                running[name] = Process(name, threads)
            except ContenderError as error:
                missing[name] = str(error)
        yield running, missing
    finally:
        for process in running.values():
            process.close()
