"""The result of a gradient check, as text and as HTML."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, NamedTuple, TextIO

import numpy as np

from ..arrays import Array
from .pictures import heat_map, scatter

if TYPE_CHECKING:
    from ..drawing import Drawing
    from ..layer import Layer

TRACING_FAILED = "tracing-failed"
"""The kind of note that says why a mistake may have a vaguer name."""

RED, GREEN, BOLD, PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[0m"


class Evidence(NamedTuple):
    """Your gradient beside the measured one, for one input or parameter."""

    yours: Array
    numeric: Array
    noise: Array
    wrong: Array

    @property
    def worst(self) -> tuple[int, ...]:
        """The index of the largest difference."""
        with np.errstate(all="ignore"):
            apart = np.where(self.wrong, np.abs(self.yours - self.numeric), -1.0)
        apart = np.where(self.wrong & ~np.isfinite(apart), np.inf, apart)
        return tuple(int(i) for i in np.unravel_index(int(np.argmax(apart)), apart.shape))

    def text(self, where: str) -> str:
        """Return in words the worst element, and how many are wrong."""
        i = self.worst
        at = f"{where}[{', '.join(map(str, i))}]" if i else where
        n_compared = int((~np.isnan(self.numeric) | self.wrong).sum())
        measured = "no slope" if np.isnan(self.numeric[i]) else f"{self.numeric[i]:.6g} (noise {self.noise[i]:.0e})"
        return f"worst at {at}: yours {self.yours[i]:.6g}, measured {measured}; {int(self.wrong.sum())} of {n_compared} elements are wrong"


class Correction(NamedTuple):
    """The replacement for some lines of a layer's source.

    It has been tested: with it, the gradients of these names are right.
    """

    mistake: str
    names: frozenset[str]
    file: str
    first: int
    last: int
    old: str
    new: str

    @property
    def place(self) -> str:
        """The file and the number of the first line, as in an error message."""
        return f"{self.file}:{self.first}"


class Finding:
    """One mistake.

    Attributes
    ----------
    mistake : str
        The slug, such as ``"missing-transpose"``.
    where : str
        "input 0", "weight", "0.weight", "forward" or "backward"; inside a container, with the path
        of the layer: "2: input 0".
    cause : str
        The mistake in a sentence.
    hint : str
        The code to write instead, if known.
    layer : str
        The layer that makes the mistake.
    evidence : Evidence or None
        The numbers that show it, if any.
    correction : Correction or None
        The lines to replace and their replacement, if an edit of the source was found with which
        the check passes.
    consequences : list of str
        The other inputs and parameters whose gradients are wrong for the same reason.
    """

    def __init__(self, mistake: str, where: str, cause: str, hint: str = "", evidence: Evidence | None = None, layer: str = "") -> None:
        self.mistake = mistake
        self.where = where
        self.cause = cause
        self.hint = hint
        self.evidence = evidence
        self.layer = layer
        self.correction: Correction | None = None
        self.consequences: list[str] = []

    def correct(self, correction: Correction) -> None:
        """Set the correction, and use its line as the hint."""
        self.correction = correction
        self.hint = dedent(correction.new)

    @property
    def details(self) -> list[str]:
        """The evidence, the wrong line and its correction, as far as known."""
        lines = [self.evidence.text(self.where)] if self.evidence is not None else []
        if self.consequences:
            lines.append(f"the same slip spoils {', '.join(self.consequences)}")
        if self.correction is not None:
            lines.append(f"at {self.correction.place}: {joined(self.correction.old)}")
        if self.hint:
            lines.append(f"write instead: {joined(self.hint)}" if self.hint != "pass" else "leave this line out")
        return lines

    @property
    def message(self) -> str:
        """The finding in a few lines."""
        lines = [f"{self.mistake} in {self.where} of {self.layer}: {self.cause}", *self.details]
        return "\n    ".join(lines)

    def __repr__(self) -> str:
        return f"Finding({self.mistake!r}, {self.where!r}, {self.cause!r})"


def joined(code: str) -> str:
    """Return lines of code in one line."""
    return "; ".join(line.strip() for line in code.strip().splitlines())


class Note:
    """A remark that is not a mistake, such as a check that proves nothing."""

    def __init__(self, kind: str, where: str, text: str) -> None:
        self.kind = kind
        self.where = where
        self.text = text

    @property
    def message(self) -> str:
        """The note in one line."""
        return f"{self.kind}: {self.where}: {self.text}"

    def __repr__(self) -> str:
        return f"Note({self.kind!r}, {self.where!r}, {self.text!r})"


class GradientReport:
    """The result of `netlib.check_gradients`.

    Attributes
    ----------
    ok : bool
        Whether there are no findings. Notes do not count. If the layer has gradients and none of
        them could be compared, it is also False, and a note says why.
    errors : dict
        The largest relative error of each input and parameter, by name. Errors of small elements
        are relative to the large ones in their array.
    findings : list of Finding
        The mistakes.
    notes : list of Note
        Remarks: differences at other inputs or in float32, mistakes that your inputs would hide,
        slopes that could not be compared, approximations, outputs that share memory, names not
        found.
    covered : dict
        (elements compared, all elements), by name.
    directions : dict
        The number of directions along which all elements were compared at once, by name; only for
        arrays too large to compare each element, and if forward rejects steps of one element.
    chances : dict
        The chance, by name, that these directions miss a single element whose gradient is doubled:
        the share of elements that are too small for the noise.
    kinks : dict
        The number of elements at a kink, by name, whose gradient lies between the slopes on both
        sides.

    Examples
    --------
    >>> import netlib as nl
    >>> report = nl.check_gradients(nl.Tanh(), [[0.5, -1.0]])
    >>> report.ok, report.findings
    (True, [])
    """

    def __init__(self, layer: str, method: str) -> None:
        self.layer = layer
        self.method = method
        self.errors: dict[str, float] = {}
        self.findings: list[Finding] = []
        self.notes: list[Note] = []
        self.covered: dict[str, tuple[int, int]] = {}
        self.directions: dict[str, int] = {}
        self.chances: dict[str, float] = {}
        self.kinks: dict[str, int] = {}
        self.precision = "float64"
        self.also: list[str] = []
        self.is_empty = False
        """Whether there are gradients, of which none was compared."""
        self.checked: tuple[Layer, tuple[Array, ...]]
        """The layer itself, and the inputs of the check."""

    @property
    def ok(self) -> bool:
        """Whether there are no findings, and something was compared if there is any gradient."""
        return not self.findings and not self.is_empty

    @property
    def mistakes(self) -> list[str]:
        """The slugs of the findings."""
        return [finding.mistake for finding in self.findings]

    def find(self, finding: Finding) -> None:
        """Add a finding, once for each mistake and place."""
        if not any((known.mistake, known.where) == (finding.mistake, finding.where) for known in self.findings):
            finding.layer = finding.layer or self.layer
            self.findings.append(finding)

    def note(self, kind: str, where: str, text: str) -> None:
        """Add a note, once for each kind and place."""
        if not any((known.kind, known.where) == (kind, where) for known in self.notes):
            self.notes.append(Note(kind, where, text))

    def take_failures(self, other: GradientReport) -> None:
        """Add another report's notes on code that could not be traced."""
        for note in other.notes:
            if note.kind == TRACING_FAILED:
                self.note(note.kind, note.where, note.text)

    def compared(self) -> str:
        """Return in words what was compared."""
        how = "complex steps" if self.method == "complex" else "central differences"
        parts = [self._coverage(name, n, total) for name, (n, total) in self.covered.items()]
        what = "; ".join(parts) if parts else "no gradient"
        kinks = sum(self.kinks.values())
        at_kinks = f"; {kinks} at kinks, accepted" if kinks else ""
        also = "".join(f"; {each}" for each in self.also)
        return f"compared with {how} in {self.precision}: {what}{at_kinks}{also}"

    def _coverage(self, name: str, n: int, total: int) -> str:
        along = self.directions.get(name, 0)
        and_all = f" and all along {along} random direction{'s' * (along > 1)}" if along and n < total else ""
        if and_all and self.chances.get(name):
            and_all += f" (a single doubled element is missed with a chance of {self.chances[name]:.1%})"
        return f"{name} all {total}" if n == total else f"{name} {n} of {total}{and_all}"

    def _text(self, colour: bool) -> str:
        red, green, bold, plain = (RED, GREEN, BOLD, PLAIN) if colour else ("", "", "", "")
        if self.ok:
            lines = [f"{green}gradients agree{plain}: {bold}{self.layer}{plain}"]
        elif not self.findings:
            lines = [f"{red}nothing was compared{plain}: {bold}{self.layer}{plain}"]
        else:
            n = len(self.findings)
            lines = [f"{red}gradients are wrong{plain}: {bold}{self.layer}{plain}, {n} mistake{'s' * (n > 1)}"]
        for i, finding in enumerate(self.findings, 1):
            lines.append(f"\n{i}. {red}{finding.mistake}{plain} in {bold}{finding.where}{plain}"
                         + (f" of {finding.layer}" if finding.layer != self.layer else ""))  # fmt: skip
            lines.append(f"   {finding.cause}")
            for line in finding.details:
                said, _, code = line.partition(": ")
                is_code = said.startswith(("at ", "write"))
                lines.append(f"   {said}: {bold}{code}{plain}" if is_code else f"   {line}")
        if self.findings:
            lines.append("")
        lines.append(self.compared())
        if self.errors:
            lines.append("largest relative errors: " + ", ".join(f"{name} {error:.1e}" for name, error in self.errors.items()))
        lines += [note.message for note in self.notes]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self._text(colour=False)

    __repr__ = __str__

    def show(self, file: TextIO | None = None) -> None:
        """Print the report, in colour if `file` (by default, standard output) is a terminal."""
        import os
        import sys

        file = file or sys.stdout
        file.write(self._text(colour=file.isatty() and "NO_COLOR" not in os.environ) + "\n")

    def draw(self, detail: str = "layers") -> Drawing:
        """Draw the layer with its gradients, the wrong ones in red.

        Parameters
        ----------
        detail : {"layers", "folded", "nodes"}
            As in `netlib.draw`.

        Raises
        ------
        NetlibError
            If the layer raises an error.

        Examples
        --------
        >>> import netlib as nl
        >>> class Flipped(nl.Tanh):
        ...     def backward(self, dout):
        ...         return -super().backward(dout)
        >>> model = nl.Sequential(nl.Affine(2, 3, rng=0), Flipped())
        >>> report = nl.check_gradients(model, [[0.5, -1.0]])
        >>> report.draw().wrong
        ['1: input 0']
        """
        from ..drawing import draw

        layer, inputs = self.checked
        drawing = draw(layer, *inputs, detail=detail)
        drawing.title += f": {', '.join(self.mistakes) or 'sound'}"
        drawing.wrong = [finding.where for finding in self.findings]
        return drawing

    def _repr_html_(self) -> str:
        from html import escape

        parts = [f"<div><b>{'gradients agree' if self.ok else 'gradients are wrong'}</b>: <code>{escape(self.layer)}</code>"]
        for finding in self.findings:
            of = f" of <code>{escape(finding.layer)}</code>" if finding.layer != self.layer else ""
            parts.append(f"<p><b>{escape(finding.mistake)}</b> in <code>{escape(finding.where)}</code>{of}<br>{escape(finding.cause)}")
            if finding.evidence is not None:
                parts.append(f"<br>{escape(finding.evidence.text(finding.where))}")
            if finding.hint:
                parts.append(f"<br>write instead: <code>{escape(finding.hint)}</code>")
            parts.append("</p>")
            if finding.evidence is not None:
                parts.append(heat_map(finding.evidence) + scatter(finding.evidence))
        parts.append(f"<p>{escape(self.compared())}</p>")
        parts += [f"<p>{escape(note.message)}</p>" for note in self.notes]
        return "".join(parts) + "</div>"
