"""What two CPU cores cannot do: all 55,000 pairs at the published sizes, several seeds, a larger validation.

    python benchmarks/gpu/science.py worth --seconds=500 --folder=build/gpu/work/worth
    python benchmarks/gpu/science.py validate_search --seconds=500 --project=build/gpu/work/prepared/project

Both stop in time, say what they have found so far, and go on from there the next time. ``kit.py science`` runs them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from results import write_atomically
from speed import TINY_SEARCH, copy_project, data_parameters

ROOT = Path(__file__).parents[2]
CONTENDERS = ("m2_published", "m2_ours", "single")
_GRACE = 10  # seconds that a command which is stopped has to end


def stop(processes: list[subprocess.Popen[Any]], grace: float = _GRACE) -> None:
    """End processes, each the leader of a session of its own, with all that they have started."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + grace
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run_until(commands: list[list[str]], seconds: float, folder: Path, at_once: int) -> None:
    """Run commands, so many at once, each with a log in the folder; at the end of the time they are stopped."""
    deadline, waiting, running = time.monotonic() + seconds, list(enumerate(commands)), list[subprocess.Popen[Any]]()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        while (waiting or running) and time.monotonic() < deadline:
            running = [process for process in running if process.poll() is None]
            while waiting and len(running) < at_once:
                number, command = waiting.pop(0)
                with (folder / f"{number}.log").open("a") as log:
                    running.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=ROOT))
            time.sleep(0.2)
    finally:
        stop(running)


# --- M2-Mixer and the searched models ---------------------------------------------------------------------------------
def worth(arguments: argparse.Namespace) -> dict[str, Any]:
    """``benchmarks/worth.py`` on all pairs at the published sizes: for each seed a search, the searched model, and
    M2-Mixer with the published recipe and with ours. The seeds run side by side.

    Returns:
        "files": path in the results' folder -> document; from a file that is not there any more it is written again.
    """
    folder, seeds = arguments.folder, range(2 if arguments.tiny else arguments.seeds)
    if arguments.part:
        for name, document in json.loads(arguments.part.read_text()).get("files", {}).items():
            if not (folder / "results" / name).exists():
                write_atomically(folder / "results" / name, json.dumps(document))
    changes = folder / "changes.yml"
    write_atomically(changes, yaml.safe_dump(_changes(arguments.tiny)))
    script = [sys.executable, str(ROOT / "benchmarks" / "worth.py"), str(folder), "--datasets", "avmnist_published"]
    script += [f"--changes={changes}", "--contenders", *CONTENDERS]
    cores = max(1, len(os.sched_getaffinity(0)) // max(1, min(arguments.at_once, len(seeds))))
    commands = [[*script, f"--cores={cores}", "--seeds", str(seed)] for seed in seeds]
    run_until(commands, arguments.seconds, folder / "said", arguments.at_once)
    found = {str(path.relative_to(folder / "results")): json.loads(path.read_text()) for path in _result_files(folder)}
    wanted = {f"avmnist_published/{seed}/{contender}.json" for seed in seeds for contender in CONTENDERS}
    for log in (*folder.glob("said/*.log"), *folder.glob("logs/*.log")):
        sys.stderr.write(f"--- {log.parent.name}/{log.name}\n{log.read_text()[-3000:]}\n")
    if not found:
        raise RuntimeError(f"nothing was measured in {arguments.seconds:.0f} s; the logs are above")
    return {"complete": wanted <= set(found), "files": found}


def _result_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("results/avmnist_published/*/*.json"))


def _changes(tiny: bool) -> dict[str, Any]:
    precise: dict[str, Any] = {"search": {"budget": {"precision": "auto"}}, "training": {"precision": "auto"}}
    if not tiny:
        return precise
    search: dict[str, Any] = {}
    for parameter in TINY_SEARCH:
        path, _, value = parameter.removeprefix("avmnist.search.").partition("=")
        level = search
        *parents, last = path.split(".")
        for key in parents:
            level = level.setdefault(key, {})
        level[last] = yaml.safe_load(value)
    small = {"hidden_dim": 16, "depth": 1, "block": {"block": "mlp_mixer", "channel_dim": 32}}
    encoders = {
        "image": {"tokeniser": {"type": "patches", "patch": 14}, **small},
        "audio": {"tokeniser": {"type": "patches", "patch": 56}, **small},
    }
    network = {"depth": 1, "block": {"block": "mlp_mixer", "channel_dim": 32}}
    return {
        "pairing": {"train_size": 400, "validation_size": 60, "variants": 0},
        "search": search,
        "training": {"max_epochs": 1, "patience": 1},
        "compare": {"baseline": {"encoders": encoders, "fusion": {"function": "concat", "network": network}}},
    }


# --- the validation of the search ---------------------------------------------------------------------------------
def validate_search(arguments: argparse.Namespace) -> dict[str, Any]:
    """``kedro run --pipelines=validate_search`` over the whole space at the published sizes, 72 combinations, on
    10,000 pairs: larger than the 27 of conf/base on 3,000. What is finished is reused."""
    project = arguments.copy
    if not project.exists():
        copy_project(arguments.project, project)
    env, name = "validation", "avmnist"
    folder = project / "conf" / env
    shutil.copytree(ROOT / "conf" / "paper", folder, dirs_exist_ok=True)
    spaces = {"image": ["mlp_mixer"], "audio": ["mlp_mixer"], "fusion_network": ["mlp_mixer"]}
    larger: dict[str, Any] = {"truth": {"rows": 10_000, "epochs": 5}, "proxy": {"rows": [400, 1600], "joint": False}}
    if arguments.tiny:
        proxy = {"rows": [50], "epochs": [1, 2], "seeds": [1, 2], "replicates": 2, "joint": False}
        larger = {"space": {**spaces, "fusion_function": ["concat", "max"]}, "truth": {"rows": 100, "epochs": 1}}
        larger |= {"proxy": proxy}
    else:
        # null: all of a stage's candidates, where conf/base names some.
        larger |= {"space": {"fusion_function": ["concat", "max", "mean", "sum"]}}
        larger["space"]["fusion_network"] = ["mlp_mixer", "hyper_mixer"]
    share = {"cpus": 4, "gpus": 1 / arguments.at_once}
    compute = {"shares": {"training": share, "trial": {**share, "cpus": 1}}} if arguments.device == "cuda" else {}
    document = {name: {"validate_search": larger}, "compute": compute}
    write_atomically(folder / "parameters_larger.yml", yaml.safe_dump(document))
    parameters = [*data_parameters(arguments.tiny), *(TINY_SEARCH if arguments.tiny else ())]
    command = [sys.executable, "-m", "kedro", "run", f"--env={env}", "--pipelines=validate_search"]
    command += [f"--params={','.join(parameters)}"] if parameters else []
    script = ["bash", "-c", f'cd "{project}" && exec "$@"', "bash", *command]
    run_until([script], arguments.seconds, project.parent / "said", 1)
    return _validated(project)


def _validated(project: Path) -> dict[str, Any]:
    data = project / "data" / "paper"
    count = len({path.parents[1].name for path in data.glob("07*/**/truth/*_architecture.json/*/*.json")})
    trained = len({path.parents[1].name for path in data.glob("07*/**/truth/*_result.json/*/*.json")})
    summaries = sorted(data.glob("08*/**/agreement_summary.json/*/agreement_summary.json"))
    sys.stderr.write((project.parent / "said" / "0.log").read_text()[-5000:])
    if not count:
        raise RuntimeError("no combination was laid out; the log is above")
    found: dict[str, Any] = {"complete": bool(summaries), "combinations": count, "trained": trained}
    return found | ({"summary": json.loads(summaries[-1].read_text())} if summaries else {})


CASES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    case.__name__: case for case in (worth, validate_search)
}


def main() -> None:
    """Run one case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes to try it with")
    parser.add_argument("--seconds", type=float, default=480, help="after which it stops; default 480")
    parser.add_argument("--seeds", type=int, default=5, help="default 5")
    parser.add_argument("--at-once", type=int, default=5, help="seeds, or combinations, on the card at the same time")
    parser.add_argument("--folder", type=Path, help="of worth.py")
    parser.add_argument("--part", type=Path, help="the result so far, as JSON")
    parser.add_argument("--project", type=Path, help="a project folder in which AV-MNIST is prepared")
    parser.add_argument("--copy", type=Path, help="of the project")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it has started ends with it
    sys.stdout.write(json.dumps(CASES[arguments.case](arguments)) + "\n")


if __name__ == "__main__":
    main()
