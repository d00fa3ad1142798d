"""The base class of optimizers: parameters, learning rate, and state."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..arrays import Array, as_count, as_floats, as_number
from ..errors import InvalidTypeError, InvalidValueError, NetlibError
from ..kernels import load_compiled
from ..layer import Layer
from ..parameter import Parameter
from ..structure import Structure
from ..underflow import ignore_underflow
from .flat import Flat
from .groups import Groups, Settings, as_groups, matching
from .parameters import Parameters, as_parameters
from .schedules import Rate, as_rate


def _not_implemented(self: Optimizer, *_: object) -> None:
    raise NotImplementedError(f"{type(self).__name__} has no update")


class Optimizer:
    """The base class of optimizers, which update parameters from their gradients, step by step.

    To write your own optimizer, implement ``update(rate, t, value, grad, scratch, *slots)``, which
    changes `value` in place. All arrays are flat and hold a block of the parameters at a time. `t`
    counts the steps from 1. `grad` is not used again, so you may overwrite it, and `scratch` is for
    temporary results. There is one array for each name in the class attribute `slots`, initially
    zero and kept from step to step.

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
        A layer may be extended later: the next step includes what was appended to a container
        inside it. A parameter that occurs twice is updated once. One that is not trainable stays
        unchanged, and its gradient is discarded.
    lr : float or callable
        The learning rate, or a schedule: a function of the step number, counted from 0, such as
        those in `netlib.schedules`.
    weight_decay : float
        Adds ``weight_decay * value`` to the gradient.
    groups : dict of str to dict
        Other values of ``"lr"`` and ``"weight_decay"`` for some parameters, selected by patterns of
        their paths, such as ``{"head.*": {"lr": 1e-4}, "*.bias": {"weight_decay": 0}}``, where
        ``*`` matches any characters. If several patterns match a path, each adds its settings, and
        later ones win. Patterns also apply to layers that are appended later. Setting `lr` leaves
        groups with their own rate unchanged.

    Raises
    ------
    InvalidValueError
        If there are no parameters, if a number is out of range, or if a pattern of `groups`
        matches no path.
    InvalidTypeError
        If an argument has the wrong type.

    Notes
    -----
    The values and gradients of the parameters move into two flat arrays, and each parameter holds
    views of them. So keep references to parameters rather than to their arrays. If two optimizers
    share parameters, the one that makes a step takes over their memory.

    Parameters of 16 bits have a copy of 32 bits, ``"master"`` in the state. A step changes the copy
    and rounds it to the value, so that steps too small for 16 bits add up. If you change the value,
    the copy follows. Gradients keep 16 bits: if they underflow to 0, multiply the loss by a
    constant and divide the arrays of `gradients` by it before the step.

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
    needs_closure: ClassVar[bool] = False
    """Whether `step` takes a function that computes the loss and its gradients."""
    update: Callable[..., None] = _not_implemented

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Rate,
        weight_decay: float = 0.0,
        groups: Groups | None = None,
    ) -> None:
        name = type(self).__name__
        self._layer = parameters if isinstance(parameters, Layer) else None
        self._parameters = as_parameters(parameters, name)
        if not self._parameters:
            raise InvalidValueError("got no parameters, so there is nothing to optimize", where=name)
        self.weight_decay = as_number(weight_decay, "weight_decay", name, least=0)
        self.steps = 0
        self.lr = lr
        self._groups: dict[str, Settings] = {}
        self._groups = self._check_groups({} if groups is None else groups)
        self._flats: list[Flat] = []
        if self._layer is not None:
            self._structure = Structure(self._layer)
        load_compiled()
        self._allocate()
        self._sync()

    @ignore_underflow  # running means may decay to 0
    def step(self) -> None:
        """Update every trainable parameter, and set all gradients to zero."""
        self._sync()
        calls = {group: self._call(settings) for group, settings in self._settings.items()}
        try:
            for flat in self._flats:
                flat.advance(calls)
            if not any(flat.runs for flat in self._flats):
                hint = "Call unfreeze() on the layers to be trained."
                warnings.warn(f"{type(self).__name__}.step: every parameter is frozen. {hint}", UserWarning, stacklevel=3)
            self.steps += 1
        finally:
            for flat in self._flats:
                flat.zero_grad()

    def zero_grad(self) -> None:
        """Discard the gradients. A training loop does not need it, since `step` does the same."""
        self._sync()
        for flat in self._flats:
            flat.zero_grad()

    @property
    def lr(self) -> float:
        """The learning rate of the next step. It can be set to a number or a schedule."""
        lr = self._lr
        return lr if type(lr) is float else self._rate_of(lr)

    @lr.setter
    def lr(self, lr: float | Rate) -> None:
        checked = as_rate(lr, type(self).__name__)
        self._rate_of(checked)
        self._lr = checked

    @property
    def schedule(self) -> Rate | None:
        """The schedule of the learning rate, or None if it is a number."""
        return None if isinstance(self._lr, float) else self._lr

    @property
    def groups(self) -> dict[str, Settings]:
        """The settings of groups of parameters, by the pattern of their paths."""
        return {pattern: dict(settings) for pattern, settings in self._groups.items()}

    def parameters(self) -> dict[str, Parameter]:
        """Return every parameter by its path, or by ``"0"``, ``"1"``, … if it has none."""
        self._sync()
        return dict(self._parameters)

    def gradients(self) -> list[Array]:
        """Return the gradients of the trainable parameters as a few flat arrays.

        They are not copies: the caller may read them or scale them in place.
        """
        self._sync()
        return [grad for flat in self._flats for grad in flat.gradients()]

    def decay(self, rate: float, weight_decay: float, value: Array, grad: Array, scratch: Array) -> None:
        """Apply weight decay before the update: ``grad += weight_decay * value``."""
        np.multiply(value, weight_decay, out=scratch)
        grad += scratch

    def state_dict(self) -> dict[str, Any]:
        """Return the state needed to continue later: numbers, and copies of arrays.

        Returns
        -------
        dict
            ``"type"``, ``"steps"``, ``"lr"`` (None for a schedule, which is a function), each
            further hyperparameter by its name, ``"groups"`` if there are any, in which ``"lr"`` may
            be None too, and ``"parameters"``: by path, a dict of ``"steps"`` and of each state
            array.

        Examples
        --------
        >>> import netlib as nl
        >>> nl.SGD(Parameter([1.0]), momentum=0.9).state_dict()["parameters"]
        {'0': {'steps': 0, 'velocity': array([0.])}}
        """
        self._sync()
        return {
            "type": type(self).__name__,
            "steps": self.steps,
            "lr": self._lr if isinstance(self._lr, float) else None,
            **self.settings(),
            **({"groups": self._group_states()} if self._groups else {}),
            "parameters": {
                path: {"steps": flat.steps[i], **{name: slot.copy() for name, slot in flat.state(i).items()}}
                for path, flat, i in self._places()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state and the hyperparameters that `state_dict` returned.

        If the state has no learning rate, the optimizer keeps its schedule.

        Raises
        ------
        InvalidTypeError
            If `state` is not a dict.
        InvalidValueError
            If `state` belongs to another optimizer or to other parameters. The message lists all
            problems, and nothing changes.

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
        self._sync()
        name, got = type(self).__name__, type(state).__name__
        where = f"{name}.load_state_dict"
        if not isinstance(state, Mapping):
            raise InvalidTypeError(f"got {got}, expected a dict made by state_dict()", where=where)
        if state.get("type") != name:
            message = f"got the state of {state.get('type')!r}, expected one of {name!r}"
            raise InvalidValueError(message, where=where)
        problems: list[str] = []
        expected = ["type", "steps", "lr", "groups", "parameters", *self.settings()]
        settings = _select({"groups": {}, **state}, expected, "", problems)
        entries = settings.pop("parameters", {})
        loads = self._check_entries(entries, problems)
        twin, groups = self, self._groups
        try:
            groups = self._check_groups(settings.pop("groups"))
            steps = as_count(settings.pop("steps", 0), "steps")
            lr = settings.pop("lr", None)
            settings.pop("type")
            twin = type(self)(Parameter(0.0), lr=self._lr if lr is None else lr, **settings)
        except NetlibError as error:
            problems.append(error.message)
        if problems:
            raise InvalidValueError(f"the state does not fit: {'; '.join(problems)}", where=where)
        for key in settings:
            setattr(self, key, getattr(twin, key))
        self._lr, self.steps = twin._lr, steps
        for flat, i, count, arrays in loads:
            flat.load(i, count, arrays)
        if groups != self._groups:
            self._groups = groups
            self._allocate()
            self._sync()

    def _check_entries(self, entries: Any, problems: list[str]) -> list[tuple[Flat, int, int, dict[str, Array]]]:
        """Return the arguments of `Flat.load` for each parameter, and add to `problems`."""
        places = {path: (flat, i) for path, flat, i in self._places()}
        loads = []
        for path, given in _select(entries, list(places), "parameter ", problems).items():
            flat, i = places[path]
            parts = flat.state(i)
            default = {"master": flat.parameters[i].value} if "master" in parts else {}
            entry = {**default, **given} if isinstance(given, Mapping) else given
            selected = _select(entry, ["steps", *parts], f"{path}: ", problems)
            try:
                count = as_count(selected.pop("steps", 0), f"{path}: steps")
                arrays = {name: as_floats(array, parts[name].dtype, name) for name, array in selected.items()}
            except NetlibError as error:
                problems.append(f"{path}: {error}")
                continue
            shape = flat.parameters[i].shape
            for name, array in arrays.items():
                if array.shape != shape:
                    problems.append(f"{path}: {name} has shape {array.shape}, expected {shape}")
            loads.append((flat, i, count, arrays))
        return loads

    def _check_groups(self, groups: Any) -> dict[str, Settings]:
        checked = as_groups(groups, self._parameters, self._groups, type(self).__name__)
        for settings in checked.values():
            if "lr" in settings:
                self._rate_of(settings["lr"])
        return checked

    def _group_states(self) -> dict[str, dict[str, float | None]]:
        return {
            pattern: {name: value if isinstance(value, float) else None for name, value in settings.items()}
            for pattern, settings in self._groups.items()
        }

    def _call(self, settings: Settings) -> tuple[Callable[..., None], float]:
        """Return the update and the learning rate of the parameters with these settings."""
        decay: Any = settings.get("weight_decay", self.weight_decay)
        lr = settings.get("lr", self._lr)
        update = partial(self._decay_and_update, decay) if decay else self.update
        return update, lr if type(lr) is float else self._rate_of(lr)

    def _decay_and_update(self, weight_decay: float, rate: float, t: int, value: Array, grad: Array, scratch: Array, *slots: Array) -> None:
        self.decay(rate, weight_decay, value, grad, scratch)
        self.update(rate, t, value, grad, scratch, *slots)

    def _rate_of(self, lr: float | Rate) -> float:
        return as_number(lr(self.steps) if callable(lr) else lr, "lr", type(self).__name__, least=0)

    def _sync(self) -> None:
        if self._layer is not None and self._structure.has_changed() and self._layer.parameters() != self._parameters:
            self._allocate()
        for flat in self._flats:
            flat.sync()

    def _allocate(self) -> None:
        if self._layer is not None:
            self._parameters = self._layer.parameters()
        known = {id(p): (flat.steps[i], flat.state(i)) for flat in self._flats for i, p in enumerate(flat.parameters)}
        self._settings: dict[tuple[str, ...], Settings] = {}
        """The settings of each group, which is named by the patterns that match its paths."""
        by_dtype: dict[np.dtype[Any], dict[tuple[str, ...], list[Parameter]]] = {}
        for path, parameter in self._parameters.items():
            group = matching(self._groups, path)
            self._settings[group] = {name: value for pattern in group for name, value in self._groups[pattern].items()}
            by_dtype.setdefault(parameter.dtype, {}).setdefault(group, []).append(parameter)
        self._flats = []
        for by_group in by_dtype.values():
            parameters = [parameter for members in by_group.values() for parameter in members]
            groups = [group for group, members in by_group.items() for _ in members]
            self._flats.append(Flat(parameters, self.slots, groups))
        for _, flat, i in self._places():
            if id(flat.parameters[i]) in known:
                flat.load(i, *known[id(flat.parameters[i])])

    def _places(self) -> list[tuple[str, Flat, int]]:
        """Return, for each parameter, its path, its `Flat`, and its index in it."""
        places = {id(p): (flat, i) for flat in self._flats for i, p in enumerate(flat.parameters)}
        return [(path, *places[id(p)]) for path, p in self._parameters.items()]

    def settings(self) -> dict[str, Any]:
        """Return the hyperparameters other than the learning rate, by name."""
        import inspect

        names = inspect.signature(type(self).__init__).parameters
        others = ("self", "parameters", "lr", "groups")
        return {name: getattr(self, name) for name in names if name not in others}

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self.settings().items())
        groups = f", groups={self._groups!r}" if self._groups else ""
        return f"{type(self).__name__}(…, lr={self._lr!r}{settings}{groups})"


def _select(given: Any, expected: list[str], what: str, problems: list[str]) -> dict[str, Any]:
    """Return the expected entries of `given`, and add missing and unknown ones to `problems`."""
    if not isinstance(given, Mapping):
        problems.append(f"{what or 'parameters'} is {type(given).__name__}, expected a dict")
        return {}
    problems += [f"{what}{name!r} is missing" for name in expected if name not in given]
    problems += [f"{what}{name!r} is unknown" for name in given if name not in expected]
    return {name: given[name] for name in expected if name in given}
