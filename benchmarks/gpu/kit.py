"""Prove the project on a GPU: install, prepare, check, time, and train at the published scale, in short commands.

    python benchmarks/gpu/kit.py install                        what has arrived; when all has, install and import
    python benchmarks/gpu/kit.py prepare correctness speed      and so on, until 540 seconds have passed
    python benchmarks/gpu/kit.py science --earlier results.json go on from results that were brought back
    python benchmarks/gpu/kit.py prepare correctness speed science --device cpu --tiny     try it on a CPU

A case that has a result is not run again, unless code, card, PyTorch or sizes differ. After every case the output
folder (``--out``, else the environment variable OUT, else build/gpu/out) has results.json, report.md and log.txt.
Standard library only: until ``install`` has run, nothing else may be there. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results import ROOT, Results, code_hash, write_atomically

HERE, BENCHMARK = Path(__file__).parent, ROOT / "benchmarks" / "run.py"
STEPS = ("install", "prepare", "correctness", "speed", "science")
CHECKS = ("blocks", "models", "models_bfloat16", "loss", "trial", "stacked", "repeated", "resumed", "tests")
BLOCKS = ("mlp_mixer", "hyper_mixer", "ramlp", "monarch_mixer")
_LEAST = 15.0  # seconds that must be left to begin a case


@dataclass(frozen=True)
class Options:
    """What the cases depend on.

    Attributes:
        device: "cuda" or "cpu".
        tiny: sizes to try the kit with.
        work: keeps everything from command to command.
        out: what is brought back.
    """

    device: str
    tiny: bool
    work: Path
    out: Path

    @property
    def sizes(self) -> Path:
        """Folder of what depends on the sizes."""
        return self.work / ("tiny" if self.tiny else "full")

    @property
    def project(self) -> Path:
        """The project folder in which AV-MNIST is prepared."""
        return self.sizes / "prepared" / "project"


@dataclass(frozen=True)
class Case:
    """A command that prints its result as JSON, on its last line.

    Attributes:
        name: step and case.
        command: without Python.
        stops_itself: it is told the seconds that are left, and what it has found so far. Default false.
    """

    name: str
    command: tuple[str, ...]
    stops_itself: bool = False


# --- the cases --------------------------------------------------------------------------------------------------------
def cases(step: str, options: Options) -> list[Case]:
    """The cases of a step, the most telling first."""
    common = [f"--device={options.device}", *(["--tiny"] if options.tiny else [])]
    if step == "prepare":
        return [_own("prepare.all", "speed.py", "prepare", *common, f"--project={options.project}")]
    if step == "correctness":
        checks = [_own(f"correctness.{check}", "correctness.py", check, *common) for check in CHECKS]
        places = [f"--project={options.project}", f"--copy={options.sizes / 'choice' / 'project'}"]
        return [*checks, _own("correctness.choice", "speed.py", "choice", *common, *places)]
    if step == "speed":
        return _speed_cases(options, common)
    worth, copy = options.sizes / "worth", options.sizes / "validation" / "project"
    return [
        Case("science.worth", (str(HERE / "science.py"), "worth", *common, f"--folder={worth}"), True),
        Case(
            "science.validate_search",
            (str(HERE / "science.py"), "validate_search", *common, f"--project={options.project}", f"--copy={copy}"),
            True,
        ),
    ]


def _own(name: str, script: str, *arguments: str) -> Case:
    return Case(name, (str(HERE / script), *arguments))


def _speed_cases(options: Options, common: list[str]) -> list[Case]:
    """Those of ``benchmarks/run.py`` and those of ``speed.py``."""
    pairs, steps = (256, 4) if options.tiny else (55_000, 320)
    found: list[Case] = []

    def shared(name: str, case: str, **given: object) -> None:
        arguments = {"case": case, "device": options.device, "steps": steps, **given}
        found.append(Case(f"speed.{name}", (str(BENCHMARK), *(f"--{k}={v}" for k, v in arguments.items()))))

    def own(name: str, case: str, *given: str) -> None:
        found.append(_own(f"speed.{name}", "speed.py", case, *common, *given))

    def trial(block: str) -> None:
        shared(f"trial_plain_{block}", "trial_plain", block=block)
        shared(f"trial_{block}", "trial", block=block, precision="bfloat16")
        shared(f"profile_{block}", "profile", block=block, precision="bfloat16")

    def search(name: str, at_once: int, precision: str) -> None:
        places = f"--project={options.project}", f"--copy={options.sizes / f'search_{name}' / 'project'}"
        own(f"search_{name}", "search", *places, f"--at-once={at_once}", f"--precision={precision}")

    def epoch(precision: str) -> None:
        shared(f"peak_{precision}", "peak", precision=precision)
        shared(f"epoch_{precision}", "epoch", pairs=pairs, precision=precision)

    shared("epoch_plain", "epoch_plain", pairs=pairs)
    epoch("bfloat16")
    trial(BLOCKS[0])
    search("four", 4, "float32")
    own("search_plain", "search_plain", f"--copy={options.sizes / 'search_four' / 'project'}")
    own("step_m2_mixer", "step", "--block=m2_mixer", "--compile")
    for how in ("separate", "batched"):
        shared(f"seeds_{how}_demo", f"seeds_{how}", size="demo")
    for how in ("separate", "batched"):
        shared(f"seeds_{how}_published", f"seeds_{how}", size="published")
    search("one", 1, "float32")
    for block in BLOCKS[1:]:
        trial(block)
    for block in BLOCKS:
        own(f"step_{block}", "step", f"--block={block}")
    search("four_bfloat16", 4, "bfloat16")
    epoch("float32")
    epoch("tf32")
    return found


# --- running them -----------------------------------------------------------------------------------------------------
def environment(options: Options) -> dict[str, str]:
    """Of every case: the installed wheels, this checkout, the raw files that have arrived; nothing from a network."""
    found = {**os.environ, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    site, raw = options.work / "site", options.work / "received" / "raw"
    paths = [*([str(site)] if site.exists() else []), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    found["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    if raw.exists():
        found["MIXMAS_MIRROR"] = str(raw)
    return found


def run_case(case: Case, options: Options, seconds: float, part: dict[str, Any]) -> dict[str, Any]:
    """Run a case in a process of its own; its errors go to log.txt.

    Returns:
        "result", or "error": the end of what it said. A case that is cut off has the error "cut off".
    """
    command = [sys.executable, *case.command]
    with tempfile.TemporaryDirectory() as folder, (options.out / "log.txt").open("a") as log:
        if case.stops_itself:
            (Path(folder) / "part.json").write_text(json.dumps(part))
            command += [f"--seconds={max(1.0, seconds - 15):.0f}", f"--part={folder}/part.json"]
        log.write(f"\n=== {case.name}\n")
        log.flush()
        start, errors = time.monotonic(), Path(folder) / "errors"
        with errors.open("w") as stream:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                cwd=ROOT,
                env=environment(options),
                start_new_session=True,
            )
            try:
                said, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                return {"error": f"cut off after {seconds:.0f} s"}
            finally:
                _end(process)
                log.write(errors.read_text()[-50_000:])
        text = errors.read_text()
    if process.returncode:
        return {"error": (text or said)[-3000:] or f"exit status {process.returncode}"}
    try:
        result = json.loads(said.splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        return {"error": f"no JSON on the last line of what it printed: {said[-500:]!r}"}
    return {"result": result, "seconds": time.monotonic() - start}


def _end(process: subprocess.Popen[str]) -> None:
    """End a case, the leader of its session, with all that it has started."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(12)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_step(step: str, options: Options, results: Results, settings: dict[str, Any], deadline: float) -> bool:
    """Run what has no result yet, until the deadline.

    Returns:
        Whether all of it has one, and every check has passed.
    """
    complete = True
    for case in cases(step, options):
        if not results.unfinished(case.name, settings):
            passed = results.passed(case.name)
            _say(f"{case.name}: there is a result{'' if passed else ', which FAILED'}")
            complete &= passed
            continue
        left = deadline - time.monotonic()
        if left < _LEAST:
            _say(f"{case.name}: no time left; the next command goes on here")
            complete = False
            continue
        _say(f"{case.name}: at most {left:.0f} s")
        part = results.part(case.name, settings)
        found = run_case(case, options, left, part)
        if "error" in found and part:
            found["result"] = part  # what it had found before stays
        results.put(case.name, {"settings": settings, "ended": time.time(), **found})
        complete &= not results.unfinished(case.name, settings) and results.passed(case.name)
        _say(f"  {_in_short(found)}")
    return complete


def _in_short(found: dict[str, Any]) -> str:
    if "error" in found:
        return f"FAILED: {found['error'].strip().splitlines()[-1][:300]}"
    shown = {k: v for k, v in found["result"].items() if not isinstance(v, dict | list)}
    text = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in shown.items())
    return f"{text} ({found['seconds']:.0f} s)"


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


# --- install ----------------------------------------------------------------------------------------------------------
def receive(loads: Path, received: Path) -> tuple[set[int], int]:
    """Check the loads that have arrived against their sums, and copy them to where they stay.

    Returns:
        Numbers of the loads that have arrived, now or earlier, and how many there are. Without loads: none, 0. What
        has arrived of another packing is removed.

    Raises:
        ValueError: a file is missing or damaged.
    """
    record = received / "loads.json"
    known = json.loads(record.read_text()) if record.exists() else {"packing": "", "of": 0, "loads": []}
    for listing in sorted(loads.glob("*/load.json")):
        document = json.loads(listing.read_text())
        if document["packing"] != known["packing"]:
            shutil.rmtree(received, ignore_errors=True)
            known = {"packing": document["packing"], "of": document["of"], "loads": []}
        for name, expected in document["files"].items():
            source, target = listing.parent / name, received / name
            if not source.exists():
                raise ValueError(f"{source} is missing; bring load {document['load']} again")
            found = hashlib.sha256(source.read_bytes()).hexdigest()
            if found != expected["sha256"]:
                raise ValueError(f"{source} has sha256 {found}; load.json says {expected['sha256']}; bring it again")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target.with_name(f"{target.name}.part"))
            target.with_name(f"{target.name}.part").replace(target)
        known["loads"] = sorted({*known["loads"], document["load"]})
        write_atomically(record, json.dumps(known))
    return set(known["loads"]), known["of"]


def install(options: Options) -> bool:
    """Unpack the loads; when all have arrived, install the wheels. Without any, what is installed is used.

    Returns:
        Whether nothing is missing.
    """
    received = options.work / "received"
    arrived, count = receive(ROOT / "build" / "gpu" / "loads", received)
    if missing := sorted(set(range(1, count + 1)) - arrived):
        _say(f"{len(arrived)} of {count} loads are here; bring {', '.join(map(str, missing))} and say install again")
        return False
    site, wheels = options.work / "site", sorted((received / "wheels").glob("*.whl"))
    listed = "\n".join(wheel.name for wheel in wheels)
    mark = site / "wheels.txt"  # written last
    if wheels and not (mark.exists() and mark.read_text() == listed):
        _say(f"installing {len(wheels)} wheels into {site}")
        shutil.rmtree(site, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
        pip += ["--disable-pip-version-check", "--no-cache-dir", f"--target={site}"]
        subprocess.run([*pip, *map(str, wheels)], check=True, env={**os.environ, "PIP_CONSTRAINT": ""})
        _describe_project(site)
        mark.write_text(listed)
    return True


def _describe_project(site: Path) -> None:
    """The name and version of this checkout, whose code is on the path: runs record them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def probe(options: Options) -> dict[str, Any]:
    """What the machine has, see ``probe.py``.

    Raises:
        SystemExit: something does not import, or the device is not there; with what was said.
    """
    command = [sys.executable, str(HERE / "probe.py"), f"--device={options.device}"]
    done = subprocess.run(command, env=environment(options), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The machine is not ready:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("steps", nargs="+", choices=STEPS, metavar="step", help=", ".join(STEPS))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="default cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes to try it with; its figures say nothing")
    parser.add_argument("--seconds", type=float, default=540, help="of this command; default 540")
    folder = ROOT / "build" / "gpu"
    parser.add_argument("--work", type=Path, default=folder / "work", help="default build/gpu/work")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", folder / "out")), help="default: OUT")
    parser.add_argument("--earlier", type=Path, nargs="*", default=[], help="results.json of earlier commands")
    parser.add_argument("--any-code", action="store_true", help="results of other code count too")
    return parser.parse_args()


def main() -> int:
    """Run the steps.

    Returns:
        0 if all of them have all results, 3 if some are still missing or have failed.
    """
    arguments = _arguments()
    deadline = time.monotonic() + arguments.seconds
    options = Options(arguments.device, arguments.tiny, arguments.work.absolute(), arguments.out.absolute())
    options.out.mkdir(parents=True, exist_ok=True)
    # Always: what has arrived is unpacked, and results are those of this card and these versions.
    try:
        if not install(options):
            return 3
    except (ValueError, subprocess.CalledProcessError) as error:
        _say(str(error))
        return 1
    found = probe(options)
    _say(", ".join(f"{key} {value}" for key, value in found.items()))
    settings = {"device": options.device, "card": found["card"], "torch": found["torch"]}
    settings |= {"tiny": options.tiny, "code": code_hash()}
    results = Results(options.work, options.out, any_code=arguments.any_code)
    for file in arguments.earlier:
        results.add_earlier(file)
    results.write()
    complete = True
    for step in arguments.steps:
        if step != "install":
            complete &= run_step(step, options, results, settings, deadline)
    _say(f"{'all done' if complete else 'not all done'}: {options.out / 'report.md'}")
    return 0 if complete else 3


if __name__ == "__main__":
    sys.exit(main())
