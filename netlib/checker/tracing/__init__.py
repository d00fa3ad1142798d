"""Watch a forward or a backward from inside, and try changes in it, to name a mistake."""
