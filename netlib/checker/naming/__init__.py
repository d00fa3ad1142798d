"""The rules that name a mistake, a file for each family."""
