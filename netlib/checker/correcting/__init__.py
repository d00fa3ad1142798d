"""Corrections: edits of the source of backward, tried one by one."""
