"""A data set of the user's own, from a table: no Python is needed."""
