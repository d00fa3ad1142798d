"""Tracing forward and backward, and trying changes in them, to name a mistake."""
