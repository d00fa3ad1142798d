"""Ctrl-C as a request to stop after the current batch."""

from __future__ import annotations

from typing import Any, Self


class Interruption:
    """A record of Ctrl-C inside a ``with`` block instead of an error; a second Ctrl-C raises.

    Python handles Ctrl-C only in the main thread. If the program ignores the signal or lets it end
    the process, this does not change.

    Attributes
    ----------
    requested : bool
        Whether Ctrl-C was pressed.

    Examples
    --------
    >>> import signal
    >>> with Interruption() as interruption:
    ...     signal.raise_signal(signal.SIGINT)
    >>> interruption.requested
    True
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: Any = None

    def __enter__(self) -> Self:
        import signal
        import threading

        is_main = threading.current_thread() is threading.main_thread()
        if is_main and callable(signal.getsignal(signal.SIGINT)):
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            import signal

            signal.signal(signal.SIGINT, self._before)

    def _handle(self, *_: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
