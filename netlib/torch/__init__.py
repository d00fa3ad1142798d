"""Models from PyTorch, and to it (extra ``torch``)."""
