"""What a layer may not do, found without differences: forward and backward must repeat, add up, and leave arrays alone."""
