"""Ctrl-C as a wish that is granted between two batches."""

from __future__ import annotations

from typing import Any, Self


class Interruption:
    """Notes Ctrl-C down instead of breaking off at once, inside a ``with``; a second Ctrl-C breaks off.

    Only the main thread gets to see Ctrl-C, and where the program has chosen to ignore it or to die of it, that stays so.

    Attributes
    ----------
    requested : bool
        Whether Ctrl-C came.

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

        if threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT)):
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            import signal

            signal.signal(signal.SIGINT, self._before)

    def _note(self, *_: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
