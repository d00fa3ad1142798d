"""No window opens, and no test leaves a figure behind."""

import matplotlib
import pytest

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    from matplotlib import pyplot

    pyplot.close("all")  # those of other tests
    yield
    left = pyplot.get_fignums()
    pyplot.close("all")
    assert left == []


@pytest.fixture
def ax():
    """Axes on a figure that pyplot knows nothing of."""
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.fixture
def pyplot():
    """For tests of figures that pyplot keeps, which are closed."""
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")
