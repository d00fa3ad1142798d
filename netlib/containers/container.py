"""What containers have in common: they say how they are wired, and the program runs it."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np

from ..arrays import as_array
from ..errors import OrderError
from ..execution import execution
from ..layer import Layer
from .program import Program, Wiring, as_gradients


class Wired:
    """Where a container has its program, once it is made: a prediction makes one, and changes no attribute."""

    __slots__ = ("program",)

    def __init__(self) -> None:
        self.program: Program | None = None


class Container(Layer):
    """A layer made of layers.

    A subclass writes `wire`, a generator that yields, one after the other, a label, a layer and the slots of
    its inputs, is sent the slots of its outputs, and returns the slots of the container's outputs; `members`; and `text`, for
    ``repr``.
    """

    _run: Any = None
    _wired: Wired

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Give the container a place for its program, whatever a subclass does in its ``__init__``."""
        container = super().__new__(cls)
        container.__dict__["_wired"] = Wired()
        return container

    def wire(self, *sources: int) -> Wiring:
        """Yield ``(label, layer, slots of its inputs)``, receive the slots of its outputs, return those of the container."""
        raise NotImplementedError

    def program(self, n_inputs: int) -> Program:
        """Return the flat program of this container and all inside it, made anew only after a change."""
        wired = self._wired
        program = wired.program
        if program is None or program.n_inputs != n_inputs or program.structure.has_changed():
            program = wired.program = Program(self, n_inputs)
        return program

    def forward(self, *inputs: Any) -> Any:
        """Return the output for these inputs; a tuple of outputs where there are several."""
        program = self.program(len(inputs))
        for x in inputs:
            if type(x) is not np.ndarray:
                inputs = tuple(map(self._as_value, inputs))
                break
        if not execution.keeps:
            outputs = program.infer(inputs)
        else:
            plans = program.of_thread.plans
            try:
                outputs = plans.forward(inputs)
            finally:
                self.__dict__["_run"] = plans.run
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def backward(self, dout: Any, input_gradient: bool = True) -> Any:
        """Fill the ``grad`` of every parameter and return dL/d(input), a tuple where there are several inputs.

        It belongs to the last forward of this thread, or, where this thread has run none, to the last of any.

        Parameters
        ----------
        dout : array_like, or tuple of them
            dL/dy, one for each output.
        input_gradient : bool
            False leaves out dL/dx of the layers that take the inputs, which a training loop does not need, and returns None.

        Raises
        ------
        OrderError
            Before any forward, and where a layer has run another forward since.
        """
        program, run = self._wired.program, self._run
        if program is not None and run is not None:
            run = program.of_thread.plans.run or run
        if run is None or not (run[0].program is self.program(run[0].program.n_inputs) or self._is_wired_as(run[0].program)):
            raise OrderError("backward came before any forward", where=self.short, hint="Call forward first: backward needs what it keeps.")
        plan, shapes = run
        dx = plan.backward(as_gradients(dout, shapes, self), input_gradient)
        if not input_gradient:
            return None
        return dx[0] if len(dx) == 1 else tuple(dx)

    def _as_value(self, x: Any) -> Any:
        return as_array(x, self.short) if isinstance(x, list | tuple | int | float) else x

    def _is_wired_as(self, program: Program) -> bool:
        return self.program(program.n_inputs).is_wired_as(program)

    def backward_parameters(self, dout: Any) -> None:
        """Backward without dL/dx; all of it where a subclass has a backward of its own, which may be a plain one."""
        if type(self).backward is Container.backward:
            self.backward(dout, input_gradient=False)
        else:
            self.backward(dout)

    def text(self) -> list[str | Layer]:
        """Return the call that made the container, in pieces: text, and layers that show themselves."""
        raise NotImplementedError

    def __repr__(self) -> str:
        pieces: list[str | Layer] = [self]
        shown = []
        while pieces:
            piece = pieces.pop()
            if isinstance(piece, Container):
                pieces += reversed(piece.text())
            else:
                shown.append(piece if isinstance(piece, str) else repr(piece))
        return "".join(shown)

    @property
    def short(self) -> str:
        """The container in a word, for messages."""
        return type(self).__name__

    def forget(self) -> None:
        """Let go of the last forward."""
        super().forget()
        if self._wired.program is not None:
            self._wired.program.of_thread.plans.run = None

    def untraced(self) -> Layer:
        """Return itself: its program sees to it that no layer keeps anything. A container with a forward of its own is a user's layer."""
        return self if self.as_inlinable() is not None else super().untraced()

    def as_inlinable(self) -> Self | None:
        """Return the container, or None if a subclass overrides forward or backward."""
        kind = type(self)
        return self if kind.forward is Container.forward and kind.backward is Container.backward else None

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in super().__getstate__().items() if key != "_wired"}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        for _, layer in reversed([*self.walk()]):  # inner before outer, so that depth costs no recursion
            if isinstance(layer, Container) and id(layer) not in memo:
                memo[id(layer)] = twin = type(layer).__new__(type(layer))
                vars(twin).update(copy.deepcopy(layer.__getstate__(), memo))
        return memo[id(self)]  # type: ignore[no-any-return]
