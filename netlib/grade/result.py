"""One row of the table: a layer with a mistake, or a correct layer."""

from __future__ import annotations

from typing import NamedTuple

OK = "ok"


class Found(NamedTuple):
    """The result for a layer, without its file and layer."""

    mistake: str
    where: str = ""
    message: str = ""
    details: str = ""


class Result(NamedTuple):
    """The result for a layer of a file.

    Attributes
    ----------
    file : str
        The file, without the common part of all paths.
    layer : str
        The name of the class; "" for the file as a whole.
    mistake : str
        ``"ok"``, or a word for the mistake: those of `netlib.check_gradients`, and those of
        docs/teaching.md for files that cannot be checked.
    where : str
        "weight", "input 0", "forward", "import" …
    message : str
        The mistake in a sentence.
    details : str
        More lines: numbers, the wrong line and its correction.
    """

    file: str
    layer: str
    mistake: str
    where: str = ""
    message: str = ""
    details: str = ""

    @property
    def ok(self) -> bool:
        """Whether the layer is correct."""
        return self.mistake == OK
