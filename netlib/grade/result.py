"""One row of the table: a layer and a mistake, or that it is right."""

from __future__ import annotations

from typing import NamedTuple

OK = "ok"


class Found(NamedTuple):
    """What was found in a layer; a result without its file and layer."""

    mistake: str
    where: str = ""
    message: str = ""
    details: str = ""


class Result(NamedTuple):
    """What was found in a layer of a file.

    Attributes
    ----------
    file : str
        The file, shortened by what all paths have in common.
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
        More lines: numbers, the line that is wrong and the one to write.
    """

    file: str
    layer: str
    mistake: str
    where: str = ""
    message: str = ""
    details: str = ""

    @property
    def ok(self) -> bool:
        """Whether the layer is right."""
        return self.mistake == OK
