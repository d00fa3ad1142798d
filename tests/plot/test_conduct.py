"""What every picture keeps to: whose axes, no window, matplotlib only when something is drawn."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

import netlib as nl

X, T = nl.data.xor(60, noise=0.1, rng=0)


def trained():
    model, record = nl.Sequential(nl.Affine(2, 9, rng=0), nl.Tanh(), nl.Affine(9, 2, rng=1)), nl.LayerStatistics(every=1)
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.Adam(model), metrics={"accuracy": nl.accuracy}, callbacks=[record], seed=0)
    history = trainer.fit(X, T, epochs=3, batch_size=20, validation=0.2, progress=False)
    return model, record, history, nl.confusion_matrix(trainer.predict(X), T)


MODEL, RECORD, HISTORY, COUNTS = trained()
PICTURES = {
    "history": HISTORY.plot,
    "decision_boundary": lambda **to: nl.plot.decision_boundary(MODEL, X, T, **to),
    "confusion": lambda **to: nl.plot.confusion(COUNTS, **to),
    "attention": lambda **to: nl.plot.attention(nl.MultiHeadAttention(4, 2, rng=0), np.ones((1, 3, 4)), **to),
    "weights": lambda **to: nl.plot.weights(MODEL[2], **to),
    "activations": lambda **to: nl.plot.activations(RECORD, **to),
    "gradients": lambda **to: nl.plot.gradients(RECORD, **to),
}


@pytest.fixture(params=PICTURES)
def picture(request):
    return PICTURES[request.param]


def test_every_function_of_the_module_is_tried_here():
    functions = {name for name, thing in vars(nl.plot).items() if callable(thing)}
    assert functions == set(PICTURES) - {"history"}


def test_it_is_drawn_on_the_axes_that_are_given_and_on_no_others(picture, pyplot):
    left, right = Figure().subplots(1, 2)
    assert picture(ax=left) is left
    assert left.has_data()
    assert not right.has_data()
    assert pyplot.get_fignums() == []


def test_without_axes_it_is_drawn_on_one_new_figure_that_is_not_shown(picture, pyplot, monkeypatch):
    monkeypatch.setattr(pyplot, "show", lambda *_, **__: pytest.fail("a window"))
    older = pyplot.figure().add_subplot()
    drawn = picture()
    assert pyplot.get_fignums() == [1, 2]
    assert drawn.figure is pyplot.figure(2)
    assert not older.has_data()


def test_it_has_a_title_and_says_what_its_axes_are(picture, ax):
    drawn = picture(ax=ax)
    assert drawn.get_title()
    assert drawn.get_xlabel()
    assert drawn.get_ylabel() or not len(drawn.get_yticks())


@pytest.mark.one_in(4)
@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_it_can_be_saved_without_a_warning(picture, ax, suffix, tmp_path):
    file = tmp_path / f"picture.{suffix}"
    picture(ax=ax).figure.savefig(file)
    assert file.stat().st_size > 1000


def test_what_are_no_axes_is_refused_in_words(picture):
    with pytest.raises(nl.InvalidTypeError, match=r"ax is 'here', expected matplotlib axes\. Make some"):
        picture(ax="here")


def test_without_matplotlib_it_says_what_to_install(picture, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    with pytest.raises(nl.MissingError, match=r"needs matplotlib, which is not installed\. Install it with: pip install 'netlib\[plot\]'"):
        picture()


def test_nothing_that_it_was_given_changes(picture, ax):
    arrays = [X, T, COUNTS, *(parameter.value for parameter in MODEL.parameters().values())]
    before = [a.copy() for a in arrays]
    table = HISTORY.to_dict()
    picture(ax=ax)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))
    assert HISTORY.to_dict() == table


def test_the_module_alone_does_not_import_matplotlib_and_given_axes_do_not_import_pyplot():
    code = (
        "import sys, netlib as nl; nl.plot.weights, nl.LayerStatistics(), nl.History\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from matplotlib.figure import Figure\n"
        "nl.plot.weights(nl.Affine(9, 2), ax=Figure().subplots())\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0
