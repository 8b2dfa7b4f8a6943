"""One node's work, as it is done in another process or on another machine than the run's own."""

from __future__ import annotations

import logging
import pickle
import sys
import traceback
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from functools import cache

from kedro.io import CatalogProtocol, DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner.task import Task
from pluggy import PluginManager

from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.runners.resources import threads
from mixmas_pipeline.utils.log_relay import Sender, send_all
from mixmas_pipeline.utils.progress import Begun, tell

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """All that a worker needs to know.

    Attributes:
        catalog: with the versions as the run knows them, so that the worker loads what was looked at to decide whether
            the node has to run, and saves under the run's version.
        threads: to compute with.
        package: the project's, for its settings and hooks.
        levels: of the run's loggers.
    """

    node: Node
    catalog: CatalogProtocol
    run_id: str | None
    threads: int
    package: str | None
    levels: dict[str, int]

    def pack(self) -> bytes:
        """The work as bytes.

        Raises:
            ValueError: the node's function or its data sets cannot be sent.
        """
        try:
            return pickle.dumps(replace(self, catalog=_importable(self.catalog)))
        except Exception as error:
            raise ValueError(
                f"{self.node.name} cannot be sent to another process ({error}); expected a function at a module's top "
                "level, and data sets that can be pickled. It runs with compute.cores=1"
            ) from error

    def do(self, send: Callable[[logging.LogRecord], None], where: str = "") -> None:
        """Load, run, save. Log records go where the run can show them, with the node's name before them.

        Args:
            where: logged first, if it says anything.
        """
        with threads(self.threads):
            manager = _hooks(self.package)
            send_all(Sender(send, self.node.name), self.levels)
            if where:
                _log.info(where)
            tell(Begun(self.node.name))
            discard(self.node, self.catalog)
            Task(self.node, self.catalog, is_async=False, hook_manager=manager, run_id=self.run_id).execute()


def _importable(catalog: CatalogProtocol) -> CatalogProtocol:
    """The catalog as one of a class that another process can import: a session mixes in its commands, which makes a
    class that has no place in any module."""
    plain = copy(catalog)
    for base in type(catalog).__mro__:
        if getattr(sys.modules.get(base.__module__), base.__name__, None) is base:
            plain.__class__ = base
            break
    return plain


class WorkerLost(Exception):
    """A worker ended before its node did: killed, out of memory, or its machine is gone."""


class RemoteTraceback(Exception):
    """The cause of an error that was raised in another process: shows where."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def failure(error: Exception) -> tuple[Exception, str]:
    """An error that can be sent, with its traceback. One that pickle changes is replaced by a ``RuntimeError``."""
    text = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))
        faithful = type(copy) is type(error) and str(copy) == str(error)
    except Exception:
        faithful = False
    return (error if faithful else RuntimeError(f"{type(error).__name__}: {error}")), text


def discard(node: Node, catalog: CatalogProtocol) -> None:
    """Remove what an earlier, killed attempt of the same run has saved of this node's outputs: a version is written
    once only."""
    for name in node.outputs:
        if isinstance(dataset := catalog.get(name), AtomicDataset):
            dataset.discard()


def refuse_memory_only(pipeline: Pipeline, nodes: list[Node], catalog: CatalogProtocol, instead: str) -> None:
    """What lives in memory only does not get from one process to another.

    Args:
        nodes: those that run elsewhere.
        instead: what the user can do.

    Raises:
        ValueError: names the outputs.
    """
    touched = {name for node in nodes for name in (*node.inputs, *node.outputs)} & pipeline.all_outputs()
    if lost := sorted(name for name in touched if getattr(catalog.get(name), "_EPHEMERAL", False)):
        raise ValueError(
            f"{', '.join(lost)}: would live in memory only, and get to no other process. Give each an entry in the "
            f"catalog{instead}"
        )


def refuse_missing_inputs(pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """What a pipeline begins with and another one makes has to be there.

    Raises:
        DatasetError: names what is not, and the pipeline that makes it.
    """
    for name in sorted(pipeline.inputs()):
        dataset = catalog.get(name)
        if isinstance(dataset, AtomicDataset) and not dataset.exists():
            made = f"; kedro run --pipeline={maker} makes it (with the same --env)" if (maker := _maker(name)) else ""
            raise DatasetError(f"{name} is not there: nothing in {dataset._describe()['filepath']}{made}")


def _maker(name: str) -> str | None:
    """The smallest of the project's pipelines that makes a data set."""
    from kedro.framework.project import pipelines

    makers = {other: len(made.nodes) for other, made in pipelines.items() if name in made.all_outputs()}
    return min(makers, key=lambda other: makers[other], default=None)


@cache
def _hooks(package: str | None) -> PluginManager:
    """The hooks of the project's settings, set up once a process.

    Those of installed plugins stay with the run: they rest on what the session tells them first (kedro-viz's and
    kedro-mlflow's, for example), and there is no session here.
    """
    from kedro.framework.hooks import manager
    from kedro.framework.project import configure_project, settings

    if package:
        configure_project(package)
    hooks = manager._create_hook_manager()
    manager._register_hooks(hooks, settings.HOOKS)
    return hooks
