"""The task of one node, for the process of the run or for a worker."""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from functools import cache

from kedro.io import CatalogProtocol
from kedro.pipeline.node import Node
from kedro.runner.task import Task
from pluggy import PluginManager

from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.runners.node_code import NodeCode
from mixmas_pipeline.utils.progress import NodeStarted, report
from mixmas_pipeline.utils.remote_logs import SendingHandler, logger_levels, send_all_records
from mixmas_pipeline.utils.resources import ComputeParameters, threads

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NodeTask:
    """All that a worker needs to run a node.

    Attributes:
        catalog: with the versions that the run knows. So the worker loads what the run has looked at, and saves under
            the run's version.
        threads: number of threads to compute with.
        package: of the project, for its settings and hooks.
        levels: of the run's loggers.
        code: that the result is recorded as made from.
    """

    node: Node
    catalog: CatalogProtocol
    run_id: str | None
    threads: int
    package: str | None
    levels: dict[str, int]
    code: NodeCode

    def pack(self) -> bytes:
        """The task as bytes.

        Raises:
            ValueError: the node's function or its data sets cannot be sent.
        """
        try:
            return pickle.dumps(replace(self, catalog=_with_importable_class(self.catalog)))
        except Exception as error:
            raise ValueError(
                f"{self.node.name} cannot be sent to another process ({error}); expected a function at a module's top "
                "level, and data sets that can be pickled. It runs with compute.cores=1"
            ) from error

    def run(self, send_record: Callable[[logging.LogRecord], None], location: str = "") -> None:
        """Load, run and save in a worker.

        Args:
            send_record: sends a log record, with the node's name before its text, to the run.
            location: logged first, if it is not empty.
        """
        with threads(self.threads):
            hook_manager = _project_hooks(self.package)
            send_all_records(SendingHandler(send_record, self.node.name), self.levels)
            if location:
                _log.info(location)
            _execute(self.node, self.catalog, hook_manager, self.run_id, self.code)


class TaskFactory:
    """Runs nodes in this process, and packs their tasks for workers."""

    def __init__(
        self,
        compute: ComputeParameters,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None,
        run_id: str | None,
    ) -> None:
        self._compute, self._catalog, self._hook_manager, self._run_id = compute, catalog, hook_manager, run_id

    def run(self, node: Node) -> None:
        """Run the node in this process."""
        code = NodeCode.of(node, self._catalog)
        _execute(node, self._catalog, self._hook_manager, self._run_id, code)

    def pack(self, node: Node) -> bytes:
        """The node's task as bytes, for a worker."""
        from kedro.framework.project import PACKAGE_NAME

        threads = self._compute.share(node).threads
        code = NodeCode.of(node, self._catalog)
        return NodeTask(node, self._catalog, self._run_id, threads, PACKAGE_NAME, logger_levels(), code).pack()


def _execute(
    node: Node, catalog: CatalogProtocol, hook_manager: PluginManager | None, run_id: str | None, code: NodeCode
) -> None:
    code.check(node.name)  # before hours are spent
    report(NodeStarted(node.name))
    for name in node.outputs:
        if isinstance(dataset := catalog.get(name), AtomicDataset):
            # A killed attempt of the same run may have saved this version, which can be written only once.
            dataset.discard()
    Task(node, catalog, is_async=False, hook_manager=hook_manager, run_id=run_id).execute()
    code.check(node.name)  # the node may have imported more


def _with_importable_class(catalog: CatalogProtocol) -> CatalogProtocol:
    """The catalog with a class that another process can import. A session mixes its commands into the class of the
    catalog, and that class is in no module."""
    plain = copy(catalog)
    for base in type(catalog).__mro__:
        if getattr(sys.modules.get(base.__module__), base.__name__, None) is base:
            plain.__class__ = base
            break
    return plain


@cache
def _project_hooks(package: str | None) -> PluginManager:
    """The hooks of the project's settings, set up once per process.

    Hooks of installed plugins (those of kedro-viz and kedro-mlflow, for example) stay with the run: they depend on the
    session, which a worker has not.
    """
    from kedro.framework.hooks import manager
    from kedro.framework.project import configure_project, settings

    if package:
        configure_project(package)
    hooks = manager._create_hook_manager()
    manager._register_hooks(hooks, settings.HOOKS)
    return hooks
