from .add import Add
__all__=["Add"]
