"""The error for what a user gave: a file, a cell, a key."""


class InputError(ValueError):
    """Something that the user gave is wrong. The message says which file, row or key, what was found, what was expected
    and what to do. ``kedro run`` shows the message without a trace."""
