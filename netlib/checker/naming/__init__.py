"""The rules that name a mistake, from your gradient, the measured one, and what both are made of: a file for each family."""
