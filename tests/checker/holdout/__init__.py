"""Layers as people write them by hand, sound and broken: four sets, each written by somebody who knew none of the checker's rules.

Of each set, BROKEN is a list of (name, slugs, make), and SOUND one of (name, make); ``make(rng)`` returns a layer and its inputs. A broken
layer derives from its sound twin and has one mistake. What the checker said of a set before anything was changed for it stands in
docs/ten-ways-to-get-backward-wrong.md.
"""

from . import first, fourth, second, third

SETS = {"first": first, "second": second, "third": third, "fourth": fourth}
