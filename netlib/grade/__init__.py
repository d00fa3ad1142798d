"""Grading of students' layers: who made which mistake.

``python -m netlib.grade students/*.py --assignment assignment.py`` prints a table; `grade` returns
its rows. Each file runs in its own process, with a limit on time and memory. This protects from
accidents but is not a sandbox: the files can do whatever the user who runs them can do.

Examples
--------
An assignment is a Python file with a list of exercises:

>>> import numpy as np
>>> from netlib.grade import Exercise
>>> x = np.random.default_rng(0).normal(size=(5, 4))
>>> EXERCISES = [
...     Exercise("MyReLU", x, forward=lambda layer, x: np.maximum(x, 0)),
...     Exercise("MyScale", x, make=lambda cls: cls(4)),
... ]
"""

from .exercise import Exercise as Exercise
from .grading import grade as grade
from .result import Result as Result
