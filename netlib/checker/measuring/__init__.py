"""The true gradient, measured by forwards alone, and compared with yours."""
