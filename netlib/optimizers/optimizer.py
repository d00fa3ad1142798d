"""What optimizers have in common: which parameters, at what rate, with what memory of earlier steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import as_count, as_floats, as_number
from ..errors import InvalidTypeError, InvalidValueError, NetlibError
from ..kernels import load_compiled
from ..layer import Layer
from ..parameter import Parameter
from ..structure import Structure
from .flat import Flat
from .parameters import Parameters, as_parameters
from .schedules import as_rate

if TYPE_CHECKING:
    from ..arrays import Array
    from .schedules import Rate


def _unwritten(self: Optimizer, *_: object) -> None:
    raise NotImplementedError(f"{type(self).__name__} has no update")


class Optimizer:
    """Changes parameters against their gradients, step by step.

    An optimizer of one's own is a class with ``update(rate, t, value, grad, scratch, *slots)``, which changes `value` in place:
    flat arrays, a block of the parameters at a time. `t` counts the steps from 1; `grad` is used up, so it may be
    written over; `scratch` holds nothing; and there is one array for each name in the class's `slots`, zeros at first, kept
    from step to step.

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
        A layer may go on growing: what is appended to a container inside it is taken in at the next step. A parameter that is met twice is
        stepped once. One that is not trainable is left alone, and its gradient is discarded.
    lr : float or callable
        The learning rate, or a schedule: a function of the step number, from 0, such as those in `netlib.schedules`.
    weight_decay : float
        Adds ``weight_decay * value`` to the gradient.

    Raises
    ------
    InvalidValueError
        Where there is nothing to optimize, and for numbers out of range.
    InvalidTypeError
        For what is no layer, no parameter, or no number.

    Notes
    -----
    The values and gradients of the parameters move into two flat arrays, of which each parameter holds views, so hold the parameter
    rather than its arrays. Of two optimizers over the same parameters, the one that steps takes them over.

    Examples
    --------
    >>> class SignDescent(Optimizer):
    ...     def update(self, rate, t, value, grad, scratch):
    ...         value -= rate * np.sign(grad)
    >>> weight = Parameter([1.0, 2.0])
    >>> optimizer = SignDescent(weight, lr=0.5)
    >>> weight.grad += [3, -4]
    >>> optimizer.step()
    >>> weight.value, weight.grad
    (array([0.5, 2.5]), array([0., 0.]))
    """

    slots: tuple[str, ...] = ()
    update: Callable[..., None] = _unwritten

    def __init__(self, parameters: Parameters, lr: float | Rate, weight_decay: float = 0.0) -> None:
        name = type(self).__name__
        self._layer = parameters if isinstance(parameters, Layer) else None
        self._parameters = as_parameters(parameters, name)
        if not self._parameters:
            raise InvalidValueError("got no parameters, so there is nothing to optimize", where=name)
        self.weight_decay = as_number(weight_decay, "weight_decay", name, least=0)
        self.steps = 0
        self.lr = lr
        self._flats: list[Flat] = []
        if self._layer is not None:
            self._structure = Structure(self._layer)
        load_compiled()
        self._lay_out()
        self._settle()

    def step(self) -> None:
        """Change every trainable parameter, and use its gradient up: it is zeros again."""
        self._settle()
        rate = self.lr
        update = self._decay_and_update if self.weight_decay else self.update
        try:
            with np.errstate(under="ignore"):  # a mean of the past that decays to 0 is right
                for flat in self._flats:
                    flat.advance(update, rate)
            if not any(flat.runs for flat in self._flats):
                hint = "Call unfreeze() on the layers to be trained."
                warnings.warn(f"{type(self).__name__}.step: every parameter is frozen. {hint}", UserWarning, stacklevel=2)
            self.steps += 1
        finally:
            for flat in self._flats:
                flat.zero_grad()

    def zero_grad(self) -> None:
        """Discard the gradients. A loop needs no call: `step` does it."""
        self._settle()
        for flat in self._flats:
            flat.zero_grad()

    @property
    def lr(self) -> float:
        """The learning rate of the next step. Assign a number or a schedule."""
        lr = self._lr
        return lr if type(lr) is float else self._rate_of(lr)

    @lr.setter
    def lr(self, lr: float | Rate) -> None:
        checked = as_rate(lr, type(self).__name__)
        self._rate_of(checked)
        self._lr = checked

    def parameters(self) -> dict[str, Parameter]:
        """Return every parameter by its path; ``"0"``, ``"1"``, … where there are no paths."""
        self._settle()
        return dict(self._parameters)

    def gradients(self) -> list[Array]:
        """Return the gradients of the trainable parameters as few flat arrays: the memory itself, for a look or a scaling."""
        self._settle()
        return [grad for flat in self._flats for grad in flat.gradients()]

    def decay(self, rate: float, value: Array, grad: Array, scratch: Array) -> None:
        """Let the weights decay in a block, before its update: ``grad += weight_decay * value``."""
        np.multiply(value, self.weight_decay, out=scratch)
        grad += scratch

    def state_dict(self) -> dict[str, Any]:
        """Return all that a later continuation needs: numbers, and copies of arrays.

        Returns
        -------
        dict
            ``"type"``, ``"steps"``, ``"lr"`` (None for a schedule, which is a function), each further hyperparameter by its name, and
            ``"parameters"``: by path, a dict of ``"steps"`` and of each array of state.

        Examples
        --------
        >>> import netlib as nl
        >>> nl.SGD(Parameter([1.0]), momentum=0.9).state_dict()["parameters"]
        {'0': {'steps': 0, 'velocity': array([0.])}}
        """
        self._settle()
        return {
            "type": type(self).__name__,
            "steps": self.steps,
            "lr": self._lr if isinstance(self._lr, float) else None,
            **self._settings(),
            "parameters": {
                path: {"steps": flat.steps[i], **{name: slot.copy() for name, slot in flat.state(i).items()}}
                for path, flat, i in self._places()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken, with its hyperparameters. A schedule is kept where the state has no rate.

        Raises
        ------
        InvalidTypeError
            For what is no dict.
        InvalidValueError
            For a state of another optimizer or of other parameters. The message lists all that does not fit, and nothing changes.

        Examples
        --------
        >>> import netlib as nl
        >>> weight = Parameter([1.0])
        >>> old = nl.SGD(weight, lr=0.5)
        >>> old.step()
        >>> new = nl.SGD(weight)
        >>> new.load_state_dict(old.state_dict())
        >>> new.lr, new.steps
        (0.5, 1)
        """
        self._settle()
        name = type(self).__name__
        if not isinstance(state, Mapping):
            raise InvalidTypeError(f"got {type(state).__name__}, wanted a dict made by state_dict()", where=f"{name}.load_state_dict")
        if state.get("type") != name:
            raise InvalidValueError(f"got the state of {state.get('type')!r}, wanted one of {name!r}", where=f"{name}.load_state_dict")
        problems: list[str] = []
        settings = _taken(state, ["type", "steps", "lr", "parameters", *self._settings()], "", problems)
        entries = settings.pop("parameters", {})
        loads = self._checked_entries(entries, problems)
        twin = self
        try:
            steps = as_count(settings.pop("steps", 0), "steps")
            lr = settings.pop("lr", None)
            settings.pop("type")
            twin = type(self)(Parameter(0.0), lr=self._lr if lr is None else lr, **settings)
        except NetlibError as error:
            problems.append(error.message)
        if problems:
            raise InvalidValueError(f"the state does not fit: {'; '.join(problems)}", where=f"{name}.load_state_dict")
        for key in settings:
            setattr(self, key, getattr(twin, key))
        self._lr, self.steps = twin._lr, steps
        for flat, i, count, arrays in loads:
            flat.load(i, count, arrays)

    def _checked_entries(self, entries: Any, problems: list[str]) -> list[tuple[Flat, int, int, dict[str, Array]]]:
        places = {path: (flat, i) for path, flat, i in self._places()}
        loads = []
        for path, entry in _taken(entries, list(places), "parameter ", problems).items():
            flat, i = places[path]
            taken = _taken(entry, ["steps", *flat.slots], f"{path}: ", problems)
            try:
                count = as_count(taken.pop("steps", 0), f"{path}: steps")
                arrays = {name: as_floats(array, flat.slots[name].dtype, name) for name, array in taken.items()}
            except NetlibError as error:
                problems.append(f"{path}: {error}")
                continue
            shape = flat.parameters[i].shape
            problems += [f"{path}: {name} has shape {a.shape}, wanted {shape}" for name, a in arrays.items() if a.shape != shape]
            loads.append((flat, i, count, arrays))
        return loads

    def _decay_and_update(self, rate: float, t: int, value: Array, grad: Array, scratch: Array, *slots: Array) -> None:
        self.decay(rate, value, grad, scratch)
        self.update(rate, t, value, grad, scratch, *slots)

    def _rate_of(self, lr: float | Rate) -> float:
        return as_number(lr(self.steps) if callable(lr) else lr, "lr", type(self).__name__, least=0)

    def _settle(self) -> None:
        if self._layer is not None and self._structure.has_changed() and self._layer.parameters() != self._parameters:
            self._lay_out()
        for flat in self._flats:
            flat.settle()

    def _lay_out(self) -> None:
        if self._layer is not None:
            self._parameters = self._layer.parameters()
        known = {id(p): (flat.steps[i], flat.state(i)) for flat in self._flats for i, p in enumerate(flat.parameters)}
        by_dtype: dict[np.dtype[Any], list[Parameter]] = {}
        for parameter in self._parameters.values():
            by_dtype.setdefault(parameter.dtype, []).append(parameter)
        self._flats = [Flat(parameters, self.slots) for parameters in by_dtype.values()]
        for _, flat, i in self._places():
            if id(flat.parameters[i]) in known:
                flat.load(i, *known[id(flat.parameters[i])])

    def _places(self) -> list[tuple[str, Flat, int]]:
        where = {id(p): (flat, i) for flat in self._flats for i, p in enumerate(flat.parameters)}
        return [(path, *where[id(p)]) for path, p in self._parameters.items()]

    def _settings(self) -> dict[str, Any]:
        import inspect

        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name not in ("self", "parameters", "lr")}

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self._settings().items())
        return f"{type(self).__name__}(…, lr={self._lr!r}{settings})"


def _taken(given: Any, wanted: list[str], what: str, problems: list[str]) -> dict[str, Any]:
    """Return what of `given` was wanted, and write down what lacks and what is too much."""
    if not isinstance(given, Mapping):
        problems.append(f"{what or 'parameters'} is {type(given).__name__}, wanted a dict")
        return {}
    problems += [f"{what}{name!r} is missing" for name in wanted if name not in given]
    problems += [f"{what}{name!r} is unknown" for name in given if name not in wanted]
    return {name: given[name] for name in wanted if name in given}
