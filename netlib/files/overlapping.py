"""Writing in a second thread, while the first one computes the checksum."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import Any, BinaryIO

CHUNK = 1 << 20
"""The number of bytes per transfer; smaller ones are not worth a thread."""


class OverlappingFile:
    """A file whose `write` returns at once: the bytes are written while the caller continues.

    The caller must not change the bytes that it passes.
    """

    def __init__(self, file: BinaryIO, executor: Executor) -> None:
        self._file, self._executor = file, executor
        self._pending: Future[int] | None = None

    def write(self, content: Any) -> int:
        """Write `content`, after the previous write has ended."""
        self._wait()
        if len(content) < CHUNK:
            return self._file.write(content)
        self._pending = self._executor.submit(self._file.write, content)
        return len(content)

    def tell(self) -> int:
        """Return the position after everything that was written."""
        self._wait()
        return self._file.tell()

    def seek(self, position: int, whence: int = 0) -> int:
        """Move to `position`."""
        self._wait()
        return self._file.seek(position, whence)

    def seekable(self) -> bool:
        """Return whether the file supports `seek`."""
        return self._file.seekable()

    def flush(self) -> None:
        """Wait until everything is written."""
        self._wait()
        self._file.flush()

    def _wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()
