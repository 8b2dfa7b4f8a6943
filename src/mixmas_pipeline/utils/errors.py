"""The error for what a user gave: a file, a cell, a key."""


class InputError(ValueError):
    """Something that the user gave is wrong. The message says which file, row or key, what was found, what was expected
    and what to do. ``kedro run`` shows the message without a trace."""


def is_users(error: BaseException | None) -> bool:
    """Does the message tell all: is it about the user's data or parameters?

    Kedro raises a ``DatasetError`` for whatever goes wrong in a data set, so that what caused it decides. An error from
    another process has lost its cause; its ``RemoteTraceback`` has the answer.
    """
    from kedro.io import DatasetError

    if isinstance(error, DatasetError):
        return error.__cause__ is None or is_users(error.__cause__)
    return isinstance(error, (InputError, OSError)) or getattr(error, "is_users", False)
