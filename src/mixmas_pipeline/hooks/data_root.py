"""The hook that keeps the data root to one run at a time, and advises when the storage fails."""

from __future__ import annotations

import errno
import logging
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

from mixmas_pipeline.storage.locks import check_locks

if TYPE_CHECKING:
    from mixmas_pipeline.storage.locks import DataRootLock

# Bytes. With less free space a full disk is taken for the cause of an error: not every library reports it.
_FULL = 1 << 20
_log = logging.getLogger(__name__)


class DataRootHooks:
    """Hold a lock on the data root from before the first node to the end of the run, whatever the runner.

    Reading (a notebook, kedro-viz) takes no lock.
    """

    def __init__(self) -> None:
        # A session loads its context and runs its pipeline in one thread.
        self._session = threading.local()
        self._held: dict[int, DataRootLock] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the context: it knows the environment's data root."""
        self._session.context = context

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Lock the data root and remove what killed runs have left in it.

        Raises:
            DataRootBusy: another run holds it.
        """
        from mixmas_pipeline.storage.locks import data_root, data_root_lock
        from mixmas_pipeline.storage.retention import sweep

        self._release()  # Ctrl-C in a notebook ends a run without calling any hook
        context = self._session.context
        root = data_root(context.config_loader["globals"], context.project_path)
        self._held[threading.get_ident()] = data_root_lock(root).acquire(run_params["run_id"])
        try:
            # Not in an object store: it shows nothing unfinished, and listing it takes a while. `kedro prune` does it.
            if isinstance(root, Path) and (swept := sweep(root)):
                _log.info("Removed %d unfinished files or folders that an interrupted run had left in %s", swept, root)
        except BaseException:  # Kedro calls no other hook then
            self._release()
            raise

    @hook_impl
    def before_node_run(self) -> None:
        """Stop if another run has taken the data root over."""
        check_locks()

    @hook_impl
    def before_dataset_saved(self) -> None:
        """Stop if another run has taken the data root over."""
        check_locks()

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """Remove the checkpoints whose results are saved now, and release the lock, after the other hooks."""
        from mixmas_pipeline.storage.locks import data_root
        from mixmas_pipeline.storage.retention import sweep_checkpoints

        try:
            if threading.get_ident() in self._held:
                context = self._session.context
                sweep_checkpoints(data_root(context.config_loader["globals"], context.project_path))
        finally:  # Kedro calls no other hook then
            self._release()

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """Release the lock; log what to do if the storage is the cause."""
        lock = self._held.get(threading.get_ident())
        if lock is not None and (advice := storage_advice(error, lock.root)):
            _log.error(advice)
        self._release()

    def _release(self) -> None:
        if (lock := self._held.pop(threading.get_ident(), None)) is not None:
            lock.release()


def storage_advice(error: BaseException, root: str) -> str:
    """What to do about an error that a full disk or a missing permission caused; empty for other errors.

    Args:
        error: with its causes.
        root: the data root, a folder or a URL.
    """
    numbers = _error_numbers(error)
    again = "What was finished is kept. Then run the same command again: it goes on from there"
    if "://" not in root:
        disk = shutil.disk_usage(root)
        if numbers & {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or disk.free < _FULL:
            return (
                f"There is no room for more: {disk.free / 1e6:.1f} of {disk.total / 1e6:.0f} MB are free on the disk "
                f"of {root}. Free some, for example with `kedro prune` (old versions, and the checkpoints of trainings "
                f"that were interrupted), or lift the limit. {again}"
            )
    if numbers & {errno.EROFS, errno.EACCES, errno.EPERM}:
        return f"This user may not write there. Everything below {root} must be writable. {again}"
    return ""


def _error_numbers(error: BaseException) -> set[int | None]:
    """The system's error numbers of an error and its causes."""
    numbers: set[int | None] = set()
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:  # an error that has been raised twice may be its own cause
        seen.add(id(cause))
        if isinstance(cause, OSError):
            numbers.add(cause.errno)
        cause = cause.__cause__ or cause.__context__
    return numbers
