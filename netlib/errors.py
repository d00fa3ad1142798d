"""What netlib says when it refuses: where, what came, what was wanted, and the hint."""

from __future__ import annotations


class NetlibError(Exception):
    """Base class of every error netlib raises on its own account.

    Containers write the path down as the error passes through them, so that the message begins with the place.

    Parameters
    ----------
    message : str
        What came and what was wanted.
    where : object, optional
        The object that refuses; its ``str`` is shown, so a layer may be handed over as it is.
    hint : str, optional
        What to write instead, where that is known.

    Examples
    --------
    >>> error = NetlibError("got 3 features, wanted 4", where="Affine(4, 2)", hint="Use Affine(3, 2).")
    >>> str(error.inside("Sequential[1]"))
    'Sequential[1] Affine(4, 2): got 3 features, wanted 4. Use Affine(3, 2).'
    """

    def __init__(self, message: str, *, where: object = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.path: list[str] = []

    def inside(self, place: str) -> NetlibError:
        """Return the error itself, after putting `place` before its path."""
        self.path.insert(0, place)
        return self

    def __str__(self) -> str:
        place = " ".join(part for part in (".".join(self.path), str(self.where)) if part)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text.rstrip('.')}. {self.hint}" if self.hint else text


class InvalidValueError(NetlibError, ValueError):
    """An argument of the right kind with a value that cannot work."""


class InvalidTypeError(NetlibError, TypeError):
    """An argument of the wrong kind."""


class ShapeError(NetlibError, ValueError):
    """An array whose shape does not fit."""


class GradientShapeError(ShapeError):
    """A dout whose shape is not that of the output: whoever made it is to blame, not the layer that refuses it."""


class FormatError(NetlibError, ValueError):
    """A file that is not what it should be."""


class OrderError(NetlibError, RuntimeError):
    """Calls in an order that cannot work, such as backward before forward."""


class MissingError(NetlibError, KeyError, IndexError):
    """A name or a number that nothing goes by."""


class NonFiniteError(NetlibError, ArithmeticError):
    """Training met a NaN or an infinity."""


def not_installed(package: str, extra: str, where: object) -> MissingError:
    """Return what to raise where a package is missing that comes with an extra of netlib.

    >>> print(not_installed("matplotlib", "plot", "plot.weights"))
    plot.weights: needs matplotlib, which is not installed. Install it with: pip install 'netlib[plot]'
    """
    hint = f"Install it with: pip install 'netlib[{extra}]'"
    return MissingError(f"needs {package}, which is not installed", where=where, hint=hint)


def stale_cache(layer: object) -> OrderError:
    """Return what to raise where a layer has run another forward since the one that a backward belongs to.

    >>> print(stale_cache("Affine(2, 3)"))
    Affine(2, 3): has run another forward since, so what backward needs is gone. Use layer.tied_copy() in one of the two models.
    """
    hint = "Use layer.tied_copy() in one of the two models."
    return OrderError("has run another forward since, so what backward needs is gone", where=layer, hint=hint)
