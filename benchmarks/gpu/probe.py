"""Is the machine ready? Imports what the kit needs, checks the versions, and says what it found as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib import metadata

from packaging.utils import canonicalize_name
from wheels import project_requirements, unmet


def installed() -> dict[str, str | None]:
    """Name -> version of all that is installed; the first on the path counts."""
    found: dict[str, str | None] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(canonicalize_name(name), distribution.version.split("+")[0])
    return found


def main() -> int:
    """Print the findings; what is missing goes to standard error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments = parser.parse_args()
    versions, python = installed(), f"{sys.version_info.major}.{sys.version_info.minor}"
    missing = unmet(project_requirements(), versions, lambda name: metadata.requires(name) or [], python)
    if missing:
        lines = [f"- {found}, there: {versions.get(canonicalize_name(found.name))}\n" for found in missing]
        sys.stderr.write("Not met; pack again with what is there (pip list --format=freeze):\n" + "".join(lines))
        return 1
    import torch

    from mixmas_pipeline.pipeline_registry import register_pipelines
    from mixmas_pipeline.training import fit, trial
    from mixmas_pipeline.utils.devices import pick_device

    try:
        device = pick_device(arguments.device)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    card = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {platform.machine()}"
    found = {"python": platform.python_version(), "torch": torch.__version__, "card": card}
    found |= {"cores": len(os.sched_getaffinity(0)), "pipelines": len(register_pipelines())}
    found |= {"imports": ", ".join(module.__name__.rpartition(".")[2] for module in (fit, trial))}
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
