"""Writing a file so that a failure leaves the old one unchanged."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO
from uuid import uuid4

Path = str | os.PathLike[str]

MAX_NAME = 50
"""How many characters of a name a temporary file repeats; file systems allow 255 bytes."""
FOLDER = ".d"
"""What the name of a temporary folder adds to that of its file."""
ABANDONED_AFTER = 60.0
"""Seconds after which a temporary file that no process has locked is one of a killed writer."""


def write_file(path: Path, content: bytes) -> None:
    """Write `content` to a file, or leave whatever was there before. See `open_replacement`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_file(Path(folder) / "numbers.csv", b"1,2")
    ...     (Path(folder) / "numbers.csv").read_bytes()
    b'1,2'
    """
    with open_replacement(path) as file:
        file.write(content)


@contextmanager
def open_replacement(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` once it is complete and on disk.

    It is in the same folder. So a full disk, an interrupt or a power failure loses nothing, and no
    reader ever sees a partial file. A symbolic link is kept, and the file that it points to is
    replaced. The new file has the permissions of the old one, which must not be read-only. Anything
    but a regular file, such as ``/dev/stdout`` or a pipe, is written to directly.

    If the process is killed, the temporary file remains. A later write to `path` removes it.

    Raises
    ------
    OSError
        If the file cannot be written, as from `open`.
    """
    mode = _mode_of(path)
    if mode is not None and not stat.S_ISREG(mode):
        with open(path, "wb") as file:
            yield file
        return
    target = os.path.realpath(path)
    if mode is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
    folder, name = os.path.split(target)
    start = f".{name[:MAX_NAME]}."
    _remove_abandoned(folder, start)
    temporary = os.path.join(folder, f"{start}{uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as file:
            _lock(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, target)
        _sync_folder(folder)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, temporary):
            error.filename = os.fspath(path)
        raise


@contextmanager
def temporary_folder(temporary: str) -> Iterator[str]:
    """Create a folder beside a file of `open_replacement`, and remove it afterwards.

    If the process is killed, it is removed together with the file.
    """
    folder = temporary + FOLDER
    os.mkdir(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _mode_of(path: Path) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _lock(file: BinaryIO) -> None:
    """Lock `file` while it is open, so that other processes see that it is being written."""
    try:
        import fcntl
    except ImportError:
        return
    with suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_abandoned(folder: str, start: str) -> None:
    """Remove the temporary files of writers that were killed."""
    temporary = re.compile(re.escape(start) + "[0-9a-f]{32}\\.tmp")
    with suppress(OSError), os.scandir(folder or ".") as entries:
        for entry in entries:
            if temporary.fullmatch(entry.name):
                with suppress(OSError):
                    if time.time() - entry.stat().st_mtime > ABANDONED_AFTER and not _is_locked(entry.path):
                        shutil.rmtree(entry.path + FOLDER, ignore_errors=True)
                        os.unlink(entry.path)


def _is_locked(path: str) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows, which does not remove open files anyway
        return False
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _sync_folder(folder: str) -> None:
    """Write the folder's list of names to disk. Windows neither can nor needs to do this."""
    with suppress(OSError):
        descriptor = os.open(folder or ".", os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
