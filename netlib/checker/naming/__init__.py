"""The rules that name a mistake, one file for each family."""
