"""Writing a file so that a failure leaves the old one as it was."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from uuid import uuid4


def write_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to a file, or leave whatever was there before.

    The bytes go to a temporary file in the same folder, which takes the place of `path` once it is
    complete and on disk. So a full disk, an interrupt or a power cut loses nothing, and nobody ever
    reads half a file. A symbolic link stays, and the file that it points to is replaced. The new
    file has the permissions of the old one. What is no regular file, such as ``/dev/stdout`` or a
    pipe, is written to directly.

    Raises
    ------
    OSError
        If the file cannot be written, as from `open`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_file(Path(folder) / "numbers.csv", b"1,2")
    ...     (Path(folder) / "numbers.csv").read_bytes()
    b'1,2'
    """
    mode = _mode_of(path)
    if mode is not None and not stat.S_ISREG(mode):
        with open(path, "wb") as file:
            file.write(content)
        return
    target = os.path.realpath(path)
    temporary = os.path.join(os.path.dirname(target), f".netlib-{uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _mode_of(path: str | os.PathLike[str]) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None
