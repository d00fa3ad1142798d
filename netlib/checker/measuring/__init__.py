"""The true gradient, measured from forward only, and compared with yours."""
