"""Pack what a machine with a GPU, but without a network, lacks: wheels and the raw files of real AV-MNIST.

    python benchmarks/gpu/pack.py --there there.txt            build/gpu/loads/1, 2 and so on, each below 60 MiB
    python benchmarks/gpu/pack.py --there there.txt --limit 200

``there.txt`` is what ``python -m pip list --format=freeze`` prints on that machine, or only names. What it names, in a
version that this project accepts, is not packed. The other wheels have the versions of constraints.txt. A load is a
folder of files with a list of their sha256 sums, ``load.json``; ``kit.py install`` checks and unpacks them there.

The raw files come from the folder named by ``MIXMAS_MIRROR``, else from their public addresses.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from rich.console import Console
from wheels import LEFT_OUT, ROOT, project_requirements, read_versions, requires_of_wheel, unmet

MIB = 1 << 20
CATALOG = ROOT / "conf" / "paper" / "catalog_avmnist.yml"
# pip matches each number exactly, so all that wheels are built for are named.
PLATFORMS = [*(f"manylinux_2_{minor}_x86_64" for minor in (5, 12, 17, 24, 26, 27, 28)), "manylinux2014_x86_64"]
_console = Console(width=120, soft_wrap=True)


def split(sizes: dict[str, int], capacity: int) -> list[list[str]]:
    """Files in as few loads as first fit by falling size needs.

    Args:
        sizes: name -> bytes.
        capacity: bytes of a load.

    Raises:
        ValueError: a file is larger than a load.
    """
    loads: list[list[str]] = []
    left: list[int] = []
    for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        if size > capacity:
            raise ValueError(
                f"{name} has {size / MIB:.1f} MiB and a load takes {capacity / MIB:.1f}: it cannot travel. Raise "
                "--limit, or install it on the machine in another way"
            )
        number = next((i for i, room in enumerate(left) if room >= size), len(loads))
        if number == len(loads):
            loads.append([])
            left.append(capacity)
        loads[number].append(name)
        left[number] -= size
    return loads


def write_loads(files: dict[str, Path], folder: Path, capacity: int) -> list[Path]:
    """Folders 1, 2 and so on, each with its files and ``load.json``; earlier ones are replaced as a whole.

    Args:
        files: path within a load -> the file.

    Raises:
        ValueError: see ``split``.
    """
    loads = split({name: path.stat().st_size for name, path in files.items()}, capacity)
    folder.parent.mkdir(parents=True, exist_ok=True)
    listings: list[dict[str, dict[str, str]]] = [
        {name: {"sha256": hashlib.sha256(files[name].read_bytes()).hexdigest()} for name in sorted(names)}
        for names in loads
    ]
    packing = hashlib.sha256(json.dumps(listings).encode()).hexdigest()[:16]
    with TemporaryDirectory(dir=folder.parent) as made:
        for number, listed in enumerate(listings, 1):
            load = Path(made) / "loads" / str(number)
            for name in listed:
                (load / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(files[name], load / name)
            document = {"packing": packing, "load": number, "of": len(loads), "files": listed}
            (load / "load.json").write_text(json.dumps(document, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        if loads:
            (Path(made) / "loads").rename(folder)
    return [folder / str(number) for number in range(1, len(loads) + 1)]


def checkout_bytes() -> int:
    """Size of the files of this checkout that are not ignored: they travel with every load."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    return sum((ROOT / name).lstat().st_size for name in listed if name and (ROOT / name).is_file())


# --- wheels -----------------------------------------------------------------------------------------------------------
def collect_wheels(there: dict[str, str | None], python: str, left_out: list[str], folder: Path) -> list[Path]:
    """Fetch the wheels that are needed beside what is there, and theirs, in the versions of constraints.txt.

    Raises:
        ValueError: constraints.txt does not pin one, or there is no wheel for that machine.
    """
    pins = read_versions((ROOT / "constraints.txt").read_text().splitlines())
    have, wheels = dict(there), dict[str, Path]()
    while True:
        missing = unmet(
            project_requirements(),
            have,
            lambda name: requires_of_wheel(wheels[name]) if name in wheels else [],
            python,
            left_out,
        )
        if not missing:
            return sorted(wheels.values())
        for name, version in _pinned(missing, pins, wheels).items():
            wheels[name] = _fetch_wheel(name, version, python, folder)
            have[name] = version


def _pinned(missing: list[Requirement], pins: dict[str, str | None], wheels: dict[str, Path]) -> dict[str, str]:
    chosen = {}
    for requirement in missing:
        name = canonicalize_name(requirement.name)
        version = pins.get(name)
        if version is None:
            raise ValueError(f"{requirement} is needed there and constraints.txt does not pin it; add it there")
        if name in wheels or not requirement.specifier.contains(version, prereleases=True):
            raise ValueError(f"{requirement} is needed there; constraints.txt has {version}")
        chosen[name] = version
    return chosen


def _fetch_wheel(name: str, version: str, python: str, folder: Path) -> Path:
    """The wheel of a distribution, fetched or found in ``folder``.

    Raises:
        ValueError: none is published, and the source does not give one for every machine.
    """
    if found := _find(name, version, folder):
        return found
    _console.print(f"fetching {name} {version}", highlight=False)
    wanted = [f"{name}=={version}", "--no-deps", "--quiet", "--disable-pip-version-check"]
    target = ["--only-binary=:all:", f"--python-version={python}", "--implementation=cp"]
    target += [f"--platform={platform}" for platform in PLATFORMS]
    said = _pip("download", *wanted, *target, f"--dest={folder}")
    if (found := _find(name, version, folder)) is None:  # only its source is published
        with TemporaryDirectory() as built:
            said += _pip("wheel", *wanted, f"--wheel-dir={built}")
            for wheel in Path(built).glob("*-none-any.whl"):
                found = Path(shutil.move(wheel, folder / wheel.name))
    if found is None:
        raise ValueError(f"no wheel of {name} {version} for CPython {python} on Linux, x86-64:\n{said.strip()[-500:]}")
    return found


def _pip(*arguments: str) -> str:
    """What pip says of its failure; empty if it succeeds."""
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def _find(name: str, version: str, folder: Path) -> Path | None:
    for path in folder.glob("*.whl"):
        found, number, _, _ = parse_wheel_filename(path.name)
        if found == canonicalize_name(name) and str(number) == version:
            return path
    return None


# --- raw files --------------------------------------------------------------------------------------------------------
def collect_raw(folder: Path) -> dict[str, Path]:
    """The raw files of real AV-MNIST, laid out as ``MIXMAS_MIRROR`` expects them: path there -> the file."""
    from mixmas_pipeline.storage.downloads import Source, fetch

    files = {}
    for entry in yaml.safe_load(CATALOG.read_text()).values():
        members = entry["pattern"].rpartition("\\")[2].removesuffix("$") if "pattern" in entry else ""
        source = Source(entry["mirror"], entry["url"], entry["sha256"], members)
        files[entry["mirror"]] = fetch(folder / entry["mirror"], source)
    return files


def main() -> int:
    """Write the loads, and say what is in them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--there", type=Path, required=True, help="names, or name==version, of what is installed there")
    parser.add_argument("--limit", type=float, default=60, help="MiB that can be brought at once; default 60")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "gpu", help="default build/gpu")
    parser.add_argument("--python", default="3.12", help="its version of CPython; default 3.12")
    parser.add_argument("--left-out", nargs="*", default=list(LEFT_OUT), help=f"default {' '.join(LEFT_OUT)}")
    arguments = parser.parse_args()
    fetched = arguments.folder / "fetched"
    kept = fetched / f"wheels-{arguments.python}"
    kept.mkdir(parents=True, exist_ok=True)
    try:
        there = read_versions(arguments.there.read_text().splitlines())
        wheels = collect_wheels(there, arguments.python, arguments.left_out, kept)
        raw = collect_raw(fetched / "raw")
        files = {f"wheels/{path.name}": path for path in wheels} | {f"raw/{name}": path for name, path in raw.items()}
        checkout = checkout_bytes()
        loads = write_loads(files, arguments.folder / "loads", int(arguments.limit * MIB) - checkout)
    except (ValueError, OSError) as error:
        _console.print(f"[red]{error}", highlight=False)
        return 1
    for load in loads:
        names = sorted(path for path in load.rglob("*") if path.is_file())
        size = sum(path.stat().st_size for path in names)
        _console.print(f"{load}: {len(names)} files, {size / MIB:.1f} MiB", highlight=False)
    _console.print(f"The checkout itself, {checkout / MIB:.1f} MiB, is counted with each.", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
