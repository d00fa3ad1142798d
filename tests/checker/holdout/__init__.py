"""Layers as people write them by hand: four sets, whose writers knew none of the checker's rules.

Of each set, BROKEN is a list of (name, slugs, make), and SOUND one of (name, make). ``make(rng)``
returns a layer and its inputs. A broken layer derives from its sound twin and has one mistake. The
results before anything was changed for a set are in docs/ten-ways-to-get-backward-wrong.md.
"""

from . import first, fourth, second, third

SETS = {"first": first, "second": second, "third": third, "fourth": fourth}

LONG = {
    "LSTMAllStatesForgetGateSign",
    "LSTMCellNewState",
    "QuaternionProductCommutes",
    "LSTMAllStatesCellForgotten",
    "HoltSmoothingLevelNotTrend",
    "LaplaceMixturePosteriorOfSamples",
    "CausalAttentionSeesTheFuture",
    "InfoNCEKeysUnturned",
    "TransposedConv1dNoStride",
    "GRUCellGateTurned",
    "MixtureDensityLossPrior",
}
"""Broken layers that take longest: the suite does not write the suggested lines into them."""
