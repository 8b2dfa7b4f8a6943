"""The section ``compute``: the cores and GPUs that a run may use, and the share that each node takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from kedro.pipeline.node import Node
from pydantic import Field, ValidationInfo, field_validator, model_validator

from mixmas_pipeline.utils.parameters import Parameters

Count = Annotated[int, Field(ge=1)]
_CGROUPS = Path("/sys/fs/cgroup")


class Share(Parameters):
    """What a node takes while it runs.

    Attributes:
        cpus: cores, and the number of threads that the node computes with. The bits of its result depend on that
            number, so it is the same wherever the node runs. "all": as many as the process of `kedro run` may use.
        gpus: a whole number, or a share of one GPU below 1. With 0 the node sees none. "auto": one if there is one.
    """

    cpus: Count | Literal["all"]
    gpus: Annotated[float, Field(ge=0)] | Literal["auto"] = "auto"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.gpus != "auto" and self.gpus > 1 and self.gpus % 1:
            raise ValueError(f"gpus is {self.gpus}; expected a share below 1 or a whole number")
        return self

    @property
    def threads(self) -> int:
        """Number of threads that the node computes with."""
        return cores_here() if self.cpus == "all" else self.cpus


# For nodes without a tag, which are short.
LIGHT = Share(cpus=1)


class Shares(Parameters):
    """Share per tag of a node. A node without a tag takes one core.

    Attributes:
        trial: the training of a search's candidate or of a reference model. Default one core.
        member: the training of a network that is a member of an ensemble. Default one core.
        training: a full training, or the scoring of its model. Default all cores.
        preparation: a node that reads all examples of a data set. Default all cores.
    """

    trial: Share = Share(cpus=1)
    member: Share = Share(cpus=1)
    training: Share = Share(cpus="all")
    preparation: Share = Share(cpus="all")

    @field_validator("trial", "member", "training", "preparation", mode="before")
    @classmethod
    def _complete(cls, share: Any, info: ValidationInfo) -> Any:
        """Take what a share leaves out from the default."""
        default = cls.model_fields[info.field_name or ""].default
        return {**default.model_dump(), **share} if isinstance(share, dict) else share


class RayParameters(Parameters):
    """Parameters of ``RayRunner``.

    Attributes:
        address: "auto": the cluster that this machine belongs to (or that RAY_ADDRESS names); "local": a cluster of
            this machine alone, for this run; or host:port.
    """

    address: str = "auto"


class ComputeParameters(Parameters):
    """The section ``compute``.

    Attributes:
        cores: cores of this machine that all nodes running at once may take; it never changes a result. With 1, one
            node runs after the other in the process of `kedro run`. Default "auto": all that the process may use.
        shares: what each node takes.
        ray: the Ray cluster.
    """

    cores: Count | Literal["auto"] = "auto"
    shares: Shares = Shares()
    ray: RayParameters = RayParameters()

    def tag(self, node: Node) -> str | None:
        """The tag that gives a node its share. None: the node is short.

        Raises:
            ValueError: the node has more than one.
        """
        tags = sorted(node.tags & set(Shares.model_fields))
        if len(tags) > 1:
            raise ValueError(f"{node.name} has the tags {', '.join(tags)}; expected one of them")
        return tags[0] if tags else None

    def share(self, node: Node) -> Share:
        """What a node takes."""
        tag = self.tag(node)
        return getattr(self.shares, tag) if tag else LIGHT


def cores_here() -> int:
    """CPU cores that this process may use: its CPU affinity, limited by its control group."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(bound, int(_quota(Path("/proc/self/cgroup"), _CGROUPS))))


def _quota(own: Path, root: Path) -> float:
    """Cores that control groups (version 2, else 1) allow. 1e6: no limit."""
    limits = [float("inf")]
    groups = [line.split(":", 2)[2].lstrip("/") for line in _text(own).splitlines() if line.startswith("0::")]
    for group in groups:
        folder = root / group
        for level in [folder, *folder.parents]:
            quota, _, period = _text(level / "cpu.max").partition(" ")
            if quota.isdigit():
                limits.append(int(quota) / int(period))
            if level == root:
                break
    quota, period = (_text(root / "cpu" / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    if quota.isdigit():
        limits.append(int(quota) / int(period))
    return min(1e6, *limits)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def gpus_here() -> int:
    """GPUs that this process sees. Imports torch only if the driver has a device file."""
    if not list(Path("/dev").glob("nvidia[0-9]*")):
        return 0
    import torch

    return torch.cuda.device_count()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Limit torch, numpy's BLAS and libraries with OpenMP to this number of threads.

    Does not import torch. If the block imports it, torch reads the number from the environment.
    """
    from threadpoolctl import threadpool_limits

    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {name: os.environ.get(name) for name in names}
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else cores_here()
    os.environ.update(dict.fromkeys(names, str(count)))
    try:
        with threadpool_limits(count):
            if torch:
                torch.set_num_threads(count)
            yield
    finally:
        for name, value in environment.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(before)
