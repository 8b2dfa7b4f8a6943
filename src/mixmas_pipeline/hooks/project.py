"""Project hooks: hand the parameters to the pipeline registry, end a run by showing what it found, and keep the data
root to one run at a time."""

from __future__ import annotations

import errno
import logging
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from mixmas_pipeline import pipeline_registry
from mixmas_pipeline.storage.locks import check_locks
from mixmas_pipeline.utils.logs import log_lines

if TYPE_CHECKING:
    from mixmas_pipeline.storage.locks import DataRootLock

# Less free space than this, in bytes, is taken for the reason of an error: not every library says so itself.
_FULL = 1 << 20
_log = logging.getLogger(__name__)
_SHOWN = (
    "architecture",
    "leaderboard",
    "metrics",
    "patterns",
    "comparison",
    "agreement",
    "agreement_summary",
    "prediction_summary",
    "findings",
    "description",
    "estimate",
    "export_report",
)
# What is not printed, but where it is.
_NAMED = ("report", "description_page", "exported")


class ProjectHooks:
    """Installed by ``settings.HOOKS``."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """The search space decides the graph, and only the context knows ``--env`` and ``--params``."""
        log_lines()
        pipeline_registry.use_parameters(context.config_loader["parameters"])

    @hook_impl
    def after_catalog_created(self, catalog: CatalogProtocol, parameters: dict[str, Any]) -> None:
        """Parameters name the file of rows to predict, so that ``--params`` can; a catalog cannot read parameters."""
        from mixmas_pipeline.datasets.rows_file import RowsFileDataset

        dataset = parameters["params:dataset"]
        rows = parameters.get(f"params:{dataset}.predict.rows")
        if isinstance(rows, str):
            file = RowsFileDataset(filepath=rows, key=f"{dataset}.predict.rows")
            catalog[f"{dataset}.predict.file"] = file  # type: ignore[index]

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Print the chosen architecture, the leaderboards and the scores of what has just been run."""
        from mixmas_pipeline.hooks.summary import print_summary

        outputs = pipeline.all_outputs()
        for dataset in sorted({name.split(".")[0] for name in outputs}):
            present = {kind: catalog.load(f"{dataset}.{kind}") for kind in _SHOWN if f"{dataset}.{kind}" in outputs}
            if (sampling := f"{dataset}.search.sampling") in outputs:
                present["sampling"] = catalog.load(sampling)
            for kind in _NAMED:
                if (name := f"{dataset}.{kind}") in outputs:
                    written: Any = catalog.get(name)
                    present[kind] = written._get_load_path()
            print_summary(dataset, **present)


class DataRootHooks:
    """Keep the data root to one run: a lock from before the first node to the end, whatever the runner.

    Reading (a notebook, kedro-viz) takes no lock.
    """

    def __init__(self) -> None:
        # A session loads its context and runs its pipeline in one thread.
        self._session = threading.local()
        self._held: dict[int, DataRootLock] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Only the context knows which environment's data root it is."""
        self._session.context = context

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Lock the data root, and clear away what killed runs have left there."""
        from mixmas_pipeline.storage.locks import data_root, data_root_lock
        from mixmas_pipeline.storage.retention import sweep

        self._release()  # Ctrl-C in a notebook ends a run without calling any hook
        context = self._session.context
        root = data_root(context.config_loader["globals"], context.project_path)
        self._held[threading.get_ident()] = data_root_lock(root).acquire(run_params["run_id"])
        try:
            # A store shows nothing that is unfinished, and to look through it takes a while: `kedro prune` does it.
            if isinstance(root, Path) and (swept := sweep(root)):
                _log.info("Removed %d unfinished files or folders that an interrupted run had left in %s", swept, root)
        except BaseException:  # Kedro calls no other hook then
            self._release()
            raise

    @hook_impl
    def before_node_run(self) -> None:
        """Stop before anything is mixed."""
        check_locks()

    @hook_impl
    def before_dataset_saved(self) -> None:
        """Stop before anything is mixed."""
        check_locks()

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """Let the next run begin, after the other hooks."""
        self._release()

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """Let the next run begin, and say what to do where the storage is the reason."""
        lock = self._held.get(threading.get_ident())
        if lock is not None and (advice := _storage_advice(error, lock.root)):
            _log.error(advice)
        self._release()

    def _release(self) -> None:
        if (lock := self._held.pop(threading.get_ident(), None)) is not None:
            lock.release()


def _storage_advice(error: BaseException, root: str) -> str:
    """What to do about an error, if a full disk or a folder that may not be written to is the reason; else empty."""
    numbers: set[int | None] = set()
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            numbers.add(cause.errno)
        cause = cause.__cause__ or cause.__context__
    again = "What was finished is kept. Then run the same command again: it goes on from there"
    if "://" not in root:
        disk = shutil.disk_usage(root)
        if numbers & {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or disk.free < _FULL:
            return (
                f"There is no room for more: {disk.free / 1e6:.1f} of {disk.total / 1e6:.0f} MB are free on the disk "
                f"of {root}. Free some, for example with `kedro prune` (old versions), or lift the limit. {again}"
            )
    if numbers & {errno.EROFS, errno.EACCES, errno.EPERM}:
        return f"This user may not write there. Everything below {root} must be writable. {again}"
    return ""
