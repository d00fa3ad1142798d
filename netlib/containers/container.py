"""What containers have in common: they say how they are wired, and the program runs it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..arrays import as_array
from ..errors import OrderError
from ..layer import Layer
from .program import Program, as_gradients

if TYPE_CHECKING:
    from .program import Wiring


class Container(Layer):
    """A layer made of layers.

    A subclass writes `wire`, a generator that yields, one after the other, a label, a layer and the slots of
    its inputs, is sent the slots of its outputs, and returns the slots of the container's outputs; `structure`, an
    object that is replaced by another whenever the wiring changes; `members`; and `text`, for ``repr``.
    """

    _program: Program | None = None
    _cache: Any = None

    def wire(self, *sources: int) -> Wiring:
        """Yield ``(label, layer, slots of its inputs)``, receive the slots of its outputs, return those of the container."""
        raise NotImplementedError

    def structure(self) -> object:
        """Return an object whose identity stands for the present wiring."""
        raise NotImplementedError

    def program(self, n_inputs: int) -> Program:
        """Return the flat program of this container and all inside it, wired anew only after a change."""
        program = self._program
        if program is None or program.n_inputs != n_inputs or not program.is_current():
            program = self._program = Program(self, n_inputs)
        return program

    def forward(self, *inputs: Any) -> Any:
        """Return the output for these inputs; a tuple of outputs where there are several."""
        program = self.program(len(inputs))
        plan = program.plans.find(inputs[0]) if program.plans is not None and self.training else None
        self._cache = None  # what a refused forward leaves is a part of it
        if plan is not None:
            y = plan.forward(inputs[0])
            self._cache = [np.shape(y)], plan, {}
            return y
        arrays = [as_array(x, self.short) if isinstance(x, list | tuple | int | float) else x for x in inputs]
        outputs, zeros = program.forward(arrays)
        self._cache = [np.shape(y) for y in outputs], program, zeros
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def backward(self, dout: Any, input_gradient: bool = True) -> Any:
        """Fill the ``grad`` of every parameter and return dL/d(input), a tuple where there are several inputs.

        Parameters
        ----------
        dout : array_like, or tuple of them
            dL/dy, one for each output.
        input_gradient : bool
            False leaves out dL/dx of the layers that take the inputs, which a training loop does not need, and returns None.
        """
        shapes, runner, zeros = self._cache or ([], None, ())
        if runner is None or not runner.is_current():
            raise OrderError("backward came before any forward", where=self.short, mend="Call forward first: backward needs what it keeps.")
        dx = runner.backward(as_gradients(dout, shapes, self.short), zeros, input_gradient)
        if not input_gradient:
            return None
        return dx[0] if len(dx) == 1 else tuple(dx)

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

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_program", "_cache")}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        for _, layer in reversed([*self.walk()]):  # inner before outer, so that depth costs no recursion
            if isinstance(layer, Container) and id(layer) not in memo:
                memo[id(layer)] = twin = object.__new__(type(layer))
                vars(twin).update(copy.deepcopy(layer.__getstate__(), memo))
        return memo[id(self)]  # type: ignore[no-any-return]
