"""What a worker and the run exchange: a packed node task one way, its error the other way. Imports no Kedro, which logs
at its import."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from mixmas_pipeline.utils.errors import is_users


class WorkerLost(Exception):
    """A worker ended before its node did: it was killed, ran out of memory, or its machine is gone."""


class RemoteTraceback(Exception):
    """The cause of an error that was raised in another process. Shows where it was raised.

    Args:
        text: the traceback.
        is_users: see ``errors.is_users``, of the error there.
    """

    def __init__(self, text: str, is_users: bool) -> None:
        super().__init__(text)
        self.is_users = is_users

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


@dataclass(frozen=True)
class RemoteError:
    """A node's error, such that it can be sent, its traceback as text, and whether the user can mend it."""

    error: Exception
    traceback: str
    is_users: bool

    @classmethod
    def of(cls, error: Exception) -> RemoteError:
        """Replaces an error that pickle changes by a ``RuntimeError`` with the same text."""
        text = "".join(traceback.format_exception(error))
        try:
            copy = pickle.loads(pickle.dumps(error))
            same = type(copy) is type(error) and str(copy) == str(error)
        except Exception:
            same = False
        return cls(error if same else RuntimeError(f"{type(error).__name__}: {error}"), text, is_users(error))

    def restored(self) -> Exception:
        """The error with the remote traceback as its cause."""
        self.error.__cause__ = RemoteTraceback(self.traceback, self.is_users)
        return self.error


def run_packed_task(
    packed: bytes, send_record: Callable[[logging.LogRecord], None], location: str = ""
) -> RemoteError | None:
    """Run a packed ``NodeTask`` in this worker. Returns the node's error, or None.

    Args:
        location: logged first, if it is not empty.
    """
    # Until the node logs: at its import, Kedro logs which logging configuration it uses.
    logging.disable(logging.INFO)
    try:
        pickle.loads(packed).run(send_record, location)
    except Exception as error:
        return RemoteError.of(error)
    return None
