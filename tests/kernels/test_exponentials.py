"""The normal distribution in compiled loops, against the C library's erfc and exp."""

import numpy as np
import pytest
from numeric import normal_distribution

from netlib.kernels.exponentials import normal
from netlib.kernels.kernel import Loops

from .versions import IN_USE


def write_normal(x, below, density):
    for i in range(x.size):
        below[i], density[i] = normal(x[i])


@pytest.mark.parametrize("version", ["in Python", *IN_USE[1:]])
@pytest.mark.parametrize(("dtype", "end"), [(np.float32, 12.9), (np.float64, 37.4)])
def test_the_normal_distribution_is_exact_to_four_units_in_the_last_place(version, dtype, end):
    loops = Loops(write_normal, "void(const t[::1], t[::1], t[::1])")
    if version == "numba":
        loops.compile()
    x = np.concatenate([np.linspace(-end, end, 4001), np.geomspace(1e-30, 1, 99), -np.geomspace(1e-30, 1, 99)]).astype(dtype)
    below, density = np.empty_like(x), np.empty_like(x)
    loops.run(x, below, density)
    expected, expected_density = normal_distribution(x)
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(density, expected_density, rtol=tolerance if version == "numba" else 2000 * tolerance)
    np.testing.assert_allclose(below, expected, rtol=tolerance if version == "numba" else 2000 * tolerance)
