"""What several tests of data look at."""

import numpy as np
import pytest


@pytest.fixture
def global_random_state():
    """Return a function that returns NumPy's whole global random state."""

    def state():
        kind, keys, *rest = np.random.get_state()  # noqa: NPY002  # the state that must not change is the legacy one
        return kind, keys.tolist(), *rest

    return state
