"""Files of other programs, recognized by their first bytes."""

from __future__ import annotations

import re

from ..errors import FormatError

PAGE = "The download was probably refused: look at the page in a browser."
PICKLE = "a Python pickle, which netlib never loads", "Save a dict of arrays where it comes from: nl.save_state, or np.savez."
PYTORCH = "a file of PyTorch, with a pickle, which netlib never loads"
SAFETENSORS = "In PyTorch: safetensors.torch.save_file(model.state_dict(), 'model.safetensors')."
KERAS = "Read its arrays in Keras or with h5py, and pass them to nl.save_state."
FOREIGN = {
    rb"version https://git-lfs": ("a Git LFS pointer, not the file itself", "Get the file with: git lfs pull"),
    rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|!--)": ("an HTML page", PAGE),
    rb"(\xef\xbb\xbf)?\s*<\?xml": ("an XML page", PAGE),
    rb"\x89HDF\r\n\x1a\n": ("an HDF5 file, such as Keras writes", KERAS),
    rb"PK\x03\x04.{26}(metadata|config)\.json": ("a Keras file", KERAS),
    rb"PK\x03\x04.{26}[^/]*/(data\.pkl|\.format_version)": (PYTORCH, SAFETENSORS),
    rb"\x80[\x02-\x05]\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\.": (PYTORCH, SAFETENSORS),  # its number, pickled
    rb"\x80[\x02-\x05][^\0]|\(dp\d|ccopy_reg": PICKLE,  # a header of safetensors would go on with zeros
    rb"\x93NUMPY": ("a single array of NumPy, .npy", "Read it with np.load."),
    rb"\x1f\x8b": ("compressed by gzip", "Uncompress it first, with gunzip."),
}
"""The first bytes, without regard to case; what the file is, and what to do."""


def require_not_foreign(start: bytes, where: str) -> None:
    r"""Raise if a file that starts with these bytes is well known, and not one that netlib reads.

    Examples
    --------
    >>> require_not_foreign(b"\x1f\x8b", "a.npz")
    Traceback (most recent call last):
    netlib.errors.FormatError: a.npz: is compressed by gzip. Uncompress it first, with gunzip.
    """
    for first_bytes, (what, hint) in FOREIGN.items():
        if re.match(first_bytes, start, re.IGNORECASE | re.DOTALL):
            raise FormatError(f"is {what}", where=where, hint=hint)
