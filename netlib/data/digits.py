"""The handwritten digits included in the package."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .archive import read_archive


def digits() -> tuple[Array, Array]:
    """Return 1,797 handwritten digits of 8 by 8 grey pixels.

    Returns
    -------
    x : float32 array (1797, 64)
        The pixels row by row, from 0 (paper) to 1 (ink). ``x.reshape(-1, 8, 8)`` returns images.
    t : int64 array (1797,)
        The digits, 0 to 9. Both arrays are new on every call.

    Notes
    -----
    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, 1998: the test part, under CC BY 4.0. See `DIGITS.md` for the address and licence.

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.digits()
    >>> x.shape, t[:5]
    ((1797, 64), array([0, 1, 2, 3, 4]))
    >>> for row in x[0].reshape(8, 8):
    ...     print("".join(" .:+#"[int(4 * pixel)] for pixel in row).rstrip())
      .+:
      ++:+.
      +  ::
     .+  ::
     .:  ::
     .:  +.
      +.:+
      .+:
    """
    archive = read_archive("digits")
    return archive["pixels"].astype(np.float32) / 16, archive["labels"].astype(np.int64)
