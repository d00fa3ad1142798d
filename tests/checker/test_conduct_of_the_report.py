"""What the checker says of layers that return nothing, of strange inputs, and of exceptions."""

import numpy as np
import pytest
from checker.test_mistakes import normal

import netlib as nl
from netlib.checker import check_gradients


class Tanh(nl.Layer):
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y.copy()

    def backward(self, dout):
        return dout * (1 - self.y**2)


class NoReturn(Tanh):
    def forward(self, x):
        self.y = np.tanh(x)


class ReturnsDict(Tanh):
    def forward(self, x):
        return {"y": super().forward(x)}


class BackwardDict(Tanh):
    def backward(self, dout):
        return {"x": super().backward(dout)}


def around(layer):
    return nl.Sequential(nl.Affine(4, 4, rng=0), layer, nl.Affine(4, 2, rng=1))


@pytest.mark.parametrize(
    ("kind", "place", "said"),
    [
        (NoReturn, "forward", "forward returns nothing: its last line should return the output"),
        (ReturnsDict, "forward", "forward returns a dict, expected an array, or a tuple of arrays"),
        (BackwardDict, "backward", "backward returned a dict, expected the gradient, or a tuple of them in the order of the inputs"),
    ],
)
def test_what_is_no_array_is_said_in_one_sentence_with_the_path_of_the_layer(kind, place, said):
    (finding,) = check_gradients(kind(), normal(5, 4)).findings
    assert (finding.where, finding.cause) == (place, said)
    (finding,) = check_gradients(around(kind()), normal(5, 4)).findings
    assert (finding.where, finding.cause, finding.layer) == (f"1: {place}", said, f"1 {kind.__name__}()")


class Product(nl.Layer):
    def forward(self, a, b, c):
        self.a, self.b, self.c = a.copy(), b.copy(), c.copy()
        return a * b * c

    def backward(self, dout):
        return dout * self.b * self.c, dout * self.a * self.c


def test_too_few_gradients_are_one_mistake_with_the_line_that_has_all():
    (finding,) = check_gradients(Product(), *(normal(3, 4, seed=i) for i in range(3))).findings
    assert (finding.mistake, finding.where) == ("missing-gradient", "input 2")
    assert finding.cause == "backward returned 2 gradients for 3 inputs; this one is not among them"
    assert finding.hint == "return dout * self.b * self.c, dout * self.a * self.c, dout * (self.a * self.b)"


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros(3, [("a", float)]), "input 0 is an array of [('a', '<f8')], expected real numbers"),
        (normal(3, 4) + 1j, "input 0 is an array of complex128, expected real numbers"),
        (np.array([None, 1]), "input 0 is an array of object, expected real numbers"),
        (np.array([[1, np.nan], [2, 3]]), "input 0 has NaN in 1 of 4 elements, which reach the output"),
        ([[1, 2], [3]], "input 0 has rows of different lengths, expected an array"),
    ],
)
def test_a_strange_input_is_refused_and_no_mistake_of_the_layer(x, said):
    with pytest.raises(nl.NetlibError) as raised:
        check_gradients(Tanh(), x)
    assert str(raised.value).startswith(f"Tanh(): {said}")


def test_another_number_of_inputs_is_refused():
    with pytest.raises(nl.NetlibError, match="forward does not take 2 inputs"):
        check_gradients(Tanh(), normal(3), normal(3))


class Bare(nl.Layer):
    """y = x W, with the weight in a plain array, as in many books."""

    def __init__(self):
        self.W, self.dW = normal(4, 3), None

    def forward(self, x):
        self.x = x.copy()
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


def test_a_weight_in_a_plain_array_is_noted_with_what_to_write():
    report = check_gradients(Bare(), normal(5, 4))
    assert [(note.kind, note.where) for note in report.notes] == [("not-compared", "self.W")]
    assert "self.dW was not compared" in str(report)
    assert "self.W = nl.Parameter(…)" in str(report)


class OneHot(nl.Layer):
    def forward(self, ids):
        return np.eye(5)[ids]

    def backward(self, dout):
        return None


@pytest.mark.parametrize("x", [np.arange(4), np.zeros((0, 4))], ids=["integers", "no elements"])
def test_a_report_is_not_ok_where_there_are_gradients_and_none_was_compared(x):
    report = check_gradients(Tanh(), x)
    assert not report.ok
    assert report.findings == []
    assert str(report).startswith("nothing was compared: Tanh()")
    assert [(note.kind, note.where) for note in report.notes] == [("not-compared", "input 0")]


def test_a_layer_without_gradients_is_ok():
    assert check_gradients(OneHot(), np.arange(4)).ok


class Raises(nl.Layer):
    def __init__(self):
        self.w, self.b = nl.Parameter(normal(4, 3)), nl.Parameter(normal(3))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.w.value + self.b.value

    def backward(self, dout):
        left, right = np.split(dout, 2, axis=1)  # three columns
        self.w.grad += self.x.T @ np.concatenate([left, right], axis=1)
        self.b.grad += dout.sum(axis=0)
        return dout @ self.w.value.T


def test_an_exception_in_backward_is_one_mistake_with_its_file_and_line_and_nothing_in_its_wake():
    (finding,) = check_gradients(Raises(), normal(5, 4)).findings
    assert finding.mistake == "raises"
    line = Raises.backward.__code__.co_firstlineno + 1
    said = f"at {__file__}:{line}, `left, right = np.split(dout, 2, axis=1)  # three columns`"
    assert finding.cause == f"backward raises ValueError: array split does not result in an equal division, {said}"


class OtherNumPy(nl.Layer):
    def __init__(self):
        self.xp = np

    def forward(self, x):
        self.y = self.xp.exp(x)
        return self.y.copy()

    def backward(self, dout):
        return dout * self.factor()

    def factor(self):
        return self.y


class OtherNumPyPlusOne(OtherNumPy):
    def factor(self):
        return self.y + 1


def test_a_layer_may_hold_the_numpy_module():
    assert check_gradients(OtherNumPy(), normal(3, 4)).ok
    assert check_gradients(nl.Sequential(nl.Affine(4, 3, rng=0), OtherNumPy()), normal(3, 4)).ok
    (finding,) = check_gradients(OtherNumPyPlusOne(), normal(3, 4)).findings
    assert finding.hint == "return self.y"


class PReLU(nl.Layer):
    def __init__(self):
        self.slope = nl.Parameter([0.2, 0.3, 0.1, 0.4])

    def forward(self, x):
        self.x = x.copy()
        return np.where(x > 0, x, self.slope.value * x)

    def backward(self, dout):
        self.slope.grad += (dout * self.x).sum(axis=0)
        return dout * np.where(self.x > 0, 1, self.slope.value)


class Contraction(nl.Layer):
    def __init__(self):
        self.w = nl.Parameter(normal(4, 4))

    def forward(self, x):
        self.x = x.copy()
        return np.einsum("ni,ij->nj", x, self.w.value)

    def backward(self, dout):
        self.w.grad += np.einsum("ni,nj->ij", self.x, dout)
        return np.einsum("nj,ji->ni", dout, self.w.value)


class Length(nl.Layer):
    def forward(self, x):
        self.x, self.n = x.copy(), np.sqrt((x**2).sum(axis=1, keepdims=True))
        return self.n.copy()

    def backward(self, dout):
        return dout * self.x / self.n


@pytest.mark.parametrize(
    ("kind", "x", "line"),
    [
        (PReLU, normal(5, 4), "self.slope.grad += (dout * self.x * (self.x < 0)).sum(axis=0)"),
        (Contraction, normal(5, 4), "return np.einsum('nj,ij->ni', dout, self.w.value)"),
        (Length, np.vstack([normal(3, 4), np.zeros((1, 4))]), "return dout * self.x / np.where(self.n == 0, 1, self.n)"),
    ],
)
def test_hints_fit_the_layer(kind, x, line):
    (finding,) = check_gradients(kind(), x).findings
    assert finding.hint == line
