"""The errors of netlib, which state where, what was given, what was expected, and the fix."""

from __future__ import annotations


class NetlibError(Exception):
    """Base class of all errors that netlib raises.

    A container adds its location as the error passes through it, so that the message begins with
    the full path of the layer.

    Parameters
    ----------
    message : str
        What was given and what was expected.
    where : object, optional
        The layer or function that raises the error. Its ``str`` is shown.
    hint : str, optional
        How to fix it, if known.

    Examples
    --------
    >>> hint = "Use Affine(3, 2)."
    >>> error = NetlibError("got 3 features, expected 4", where="Affine(4, 2)", hint=hint)
    >>> str(error.add_location("Sequential[1]"))
    'Sequential[1] Affine(4, 2): got 3 features, expected 4. Use Affine(3, 2).'
    """

    def __init__(self, message: str, *, where: object = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.path: list[str] = []

    def add_location(self, place: str) -> NetlibError:
        """Put `place` in front of the path, and return the error itself."""
        self.path.insert(0, place)
        return self

    def __str__(self) -> str:
        place = " ".join(part for part in (".".join(self.path), str(self.where)) if part)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text.rstrip('.')}. {self.hint}" if self.hint else text


class InvalidValueError(NetlibError, ValueError):
    """An argument of the right type with an invalid value."""


class InvalidTypeError(NetlibError, TypeError):
    """An argument of the wrong type."""


class ShapeError(NetlibError, ValueError):
    """An array of the wrong shape."""


class GradientShapeError(ShapeError):
    """A `dout` whose shape differs from that of the output.

    The fault lies with the layer that computed it, not with the layer that raises.
    """


class FormatError(NetlibError, ValueError):
    """A file whose contents are not in the expected format."""


class OrderError(NetlibError, RuntimeError):
    """Calls in the wrong order, such as backward before forward."""


class MissingError(NetlibError, KeyError, IndexError):
    """An unknown name or index."""


class NonFiniteError(NetlibError, ArithmeticError):
    """A NaN or an infinity during training."""


class RankError(NetlibError, RuntimeError):
    """Another process of an MPI job has failed, or differs from this one."""

    def add_location(self, place: str) -> NetlibError:
        """Return the error unchanged: no layer of this process is at fault."""
        return self


def not_installed(package: str, extra: str, where: object) -> MissingError:
    """Return the error for a missing optional package, which `extra` of netlib installs.

    >>> print(not_installed("matplotlib", "plot", "plot.weights").message)
    needs matplotlib, which is not installed
    """
    hint = f"Install it with: pip install 'netlib[{extra}]'"
    return MissingError(f"needs {package}, which is not installed", where=where, hint=hint)


def no_forward(where: object) -> OrderError:
    """Return the error for a backward without a forward before it.

    >>> print(no_forward("Add()").message)
    backward was called before forward
    """
    hint = "Call forward first: it caches what backward needs."
    return OrderError("backward was called before forward", where=where, hint=hint)


def stale_cache(layer: object) -> OrderError:
    """Return the error for a backward whose forward is no longer the last one of the layer.

    >>> print(stale_cache("Affine(2, 3)").message)
    has run another forward since, so what backward needs is gone
    """
    hint = "Use layer.tied_copy() in one of the two models."
    return OrderError("has run another forward since, so what backward needs is gone", where=layer, hint=hint)
