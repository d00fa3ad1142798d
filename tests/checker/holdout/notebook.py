"""What the second, third and fourth set are written with."""

import math

import numpy as np


class Notebook:
    """Sound layers, and broken ones that derive from them, noted where their classes are."""

    def __init__(self):
        self.sound_layers, self.broken_layers = [], []
        self._setup = {}

    def sound(self, args=lambda r: (), inputs=None):
        """Note a sound class, made of these arguments, with these inputs."""

        def note(cls):
            self._setup[cls] = args, inputs
            self.sound_layers.append((cls.__name__, lambda r: (cls(*args(r)), inputs(r))))
            return cls

        return note

    def also(self, cls, suffix, args=None, inputs=None):
        """Note the sound class once more, on other arguments or inputs."""
        args, inputs = args or self._setup[cls][0], inputs or self._setup[cls][1]
        self.sound_layers.append((cls.__name__ + suffix, lambda r: (cls(*args(r)), inputs(r))))

    def broken(self, *slugs, args=None, inputs=None):
        """Note a broken class and the names that its mistake may have.

        Arguments and inputs are those of its sound twin unless given.
        """

        def note(cls):
            twin = self._setup[cls.__mro__[1]]
            a, i = args or twin[0], inputs or twin[1]
            self.broken_layers.append((cls.__name__, slugs, lambda r: (cls(*a(r)), i(r))))
            return cls

        return note


def normal(*shapes, dtype=np.float64, scale=1.0):
    """Inputs of these shapes, of both signs."""
    return lambda r: [(scale * r.normal(size=s)).astype(dtype) for s in shapes]


def uniform(low, high, *shapes):
    """Inputs of these shapes between two numbers."""
    return lambda r: [r.uniform(low, high, size=s) for s in shapes]


def away_from_zero(*shapes, dtype=np.float64):
    """Inputs of these shapes, of both signs, none within 0.2 of 0."""
    return lambda r: [(r.choice([-1.0, 1.0], size=s) * r.uniform(0.2, 2, size=s)).astype(dtype) for s in shapes]


def apart(*shape):
    """One input of which no two elements are within 0.1 of each other."""
    return lambda r: [(r.permutation(math.prod(shape)) * 0.25 + r.uniform(0, 0.15, size=math.prod(shape)) - 1.5).reshape(shape)]


def seeded(r):
    """A seed, as the only argument of a class."""
    return (int(r.integers(1000)),)
