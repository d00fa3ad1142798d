"""What a layer may not do, found without differences.

Forward and backward must repeat, gradients must add up, and the arrays of others must stay as they
are.
"""
