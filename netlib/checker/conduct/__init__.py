"""Rules for the behaviour of a layer, checked without differences.

Forward and backward must be repeatable, gradients must add up, and other arrays must not change.
"""
