"""The novel included in the package."""

from __future__ import annotations


def text() -> str:
    r"""Return *Alice's Adventures in Wonderland*, 142,951 characters.

    Returns
    -------
    str
        The twelve chapters, in ASCII. Lines end with ``"\n"``, and an empty line separates
        paragraphs.

    Notes
    -----
    Lewis Carroll, Macmillan, London, 1865: in the public domain. See `ALICE.md` for where the file
    comes from, and what was changed.

    Examples
    --------
    >>> import netlib as nl
    >>> text = nl.data.text()
    >>> print(text[:95])
    CHAPTER I
    <BLANKLINE>
    Down the Rabbit-Hole
    <BLANKLINE>
    Alice was beginning to get very tired of sitting by her sister
    >>> characters = sorted(set(text))
    >>> len(characters), characters[:5]
    (65, ['\n', ' ', '!', '"', "'"])
    """
    from importlib.resources import files

    return files(__package__).joinpath("alice.txt").read_text(encoding="ascii")
