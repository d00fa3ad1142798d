"""The same numbers laid out in memory in every way that NumPy knows."""

import numpy as np


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS = {
    "Fortran order": lambda x: x.copy(order="F"),
    "every second element": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "reversed strides": lambda x: np.asarray(np.flip(np.flip(x).copy())),
    "transposed": lambda x: x.T.copy().T,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "read-only": read_only,
}
