"""The true gradient, measured on forward alone, and compared with yours."""
