"""For your own test suite: check in one call that a layer behaves like netlib's layers.

Examples
--------
>>> import numpy as np
>>> import netlib as nl
>>> from netlib.testing import check_layer
>>> x = np.random.default_rng(0).normal(size=(4, 3))
>>> outcome = check_layer(nl.Tanh(), x)
>>> outcome["batch of 0"], outcome["gradients accumulate"]
('passed', 'does not apply: the layer has no parameters')
"""

from .check import check_layer as check_layer
