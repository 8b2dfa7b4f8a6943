"""What travels to a machine with a GPU: which wheels, in which loads, and what arrives. Nothing is fetched."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from gpu_kit import load_script
from packaging.requirements import Requirement

from mixmas_pipeline.storage import downloads


@pytest.fixture(scope="module")
def pack() -> ModuleType:
    return load_script("pack")


@pytest.fixture(scope="module")
def wheels() -> ModuleType:
    return load_script("wheels")


@pytest.fixture(scope="module")
def kit() -> ModuleType:
    return load_script("kit")


def write_files(folder: Path, sizes: dict[str, int]) -> dict[str, Path]:
    files = {}
    for name, size in sizes.items():
        files[name] = folder / "from" / name
        files[name].parent.mkdir(parents=True, exist_ok=True)
        files[name].write_bytes(b"r" * size)
    return files


def test_files_are_split_into_few_loads_none_of_them_too_large(pack: ModuleType) -> None:
    sizes = {"a": 55, "b": 41, "c": 20, "d": 16, "e": 13, "f": 5}
    loads = pack.split(sizes, 60)
    assert sorted(name for load in loads for name in load) == sorted(sizes)
    assert sorted(sum(sizes[name] for name in load) for load in loads) == [33, 57, 60]
    assert pack.split({}, 60) == []
    assert pack.split({"a": 60}, 60) == [["a"]]


def test_a_file_that_is_larger_than_a_load_is_refused_by_name(pack: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"wheels/torch.whl has 3.0 MiB and a load takes 2.0: .* Raise --limit"):
        pack.split({"raw/small": 10, "wheels/torch.whl": 3 << 20}, 2 << 20)


def test_loads_arrive_one_by_one_and_whole(pack: ModuleType, kit: ModuleType, tmp_path: Path) -> None:
    files = write_files(tmp_path, {"wheels/a.whl": 50, "raw/mnist/x.gz": 40, "raw/y.zip": 30})
    stale = tmp_path / "loads" / "3"
    stale.mkdir(parents=True)
    loads = pack.write_loads(files, tmp_path / "loads", 80)
    assert [load.name for load in loads] == ["1", "2"]
    assert not stale.exists(), "loads of an earlier packing are gone"
    received, hidden = tmp_path / "received", loads[1].rename(tmp_path / "on its way")
    assert kit.receive(tmp_path / "loads", received) == ({1}, 2)
    loads[0].rename(tmp_path / "taken away")
    hidden.rename(loads[1])
    assert kit.receive(tmp_path / "loads", received) == ({1, 2}, 2), "what has arrived stays"
    for name, path in files.items():
        assert (received / name).read_bytes() == path.read_bytes()
    assert kit.receive(tmp_path / "nothing", tmp_path / "empty") == (set(), 0)


def test_loads_of_another_packing_do_not_count(pack: ModuleType, kit: ModuleType, tmp_path: Path) -> None:
    loads = pack.write_loads(write_files(tmp_path, {"a": 50, "b": 40}), tmp_path / "loads", 80)
    loads[1].rename(tmp_path / "on its way")
    assert kit.receive(tmp_path / "loads", tmp_path / "received") == ({1}, 2)
    pack.write_loads(write_files(tmp_path, {"c": 50, "d": 40}), tmp_path / "loads", 80)[0].rename(tmp_path / "late")
    assert kit.receive(tmp_path / "loads", tmp_path / "received") == ({2}, 2)
    assert {path.name for path in (tmp_path / "received").iterdir()} == {"d", "loads.json"}


def test_a_damaged_or_missing_file_of_a_load_is_refused(pack: ModuleType, kit: ModuleType, tmp_path: Path) -> None:
    (load,) = pack.write_loads(write_files(tmp_path, {"wheels/a.whl": 50}), tmp_path / "loads", 80)
    (load / "wheels" / "a.whl").write_bytes(b"x" * 50)
    with pytest.raises(ValueError, match=r"a\.whl has sha256 [0-9a-f]{64}; load\.json says .*; bring it again"):
        kit.receive(tmp_path / "loads", tmp_path / "received")
    assert not (tmp_path / "received" / "wheels" / "a.whl").exists()
    (load / "wheels" / "a.whl").unlink()
    with pytest.raises(ValueError, match=r"a\.whl is missing; bring load 1 again"):
        kit.receive(tmp_path / "loads", tmp_path / "received")


def test_the_listing_of_a_load_has_the_sums_of_its_files(pack: ModuleType, tmp_path: Path) -> None:
    (load,) = pack.write_loads(write_files(tmp_path, {"raw/x": 3}), tmp_path / "loads", 80)
    listing = json.loads((load / "load.json").read_text())
    # printf rrr | sha256sum
    known = "12b0f0dcaefb10c02a83aa9adb025978ddb5512dc04eb39df6811c6a6bf9770c"
    assert listing["files"] == {"raw/x": {"sha256": known}}


def test_what_is_missing_follows_versions_markers_and_extras(wheels: ModuleType) -> None:
    metadata = {
        "there": ["deep>=2", 'windows-only; sys_platform == "win32"', 'more; extra == "more"'],
        "deep": ['old-python; python_version < "3.12"'],
    }
    wanted = [Requirement(line) for line in ("there[more]~=1.0", "unknown-version>=5", "torch>=2", "absent", "odd!=3")]
    installed = {"there": "1.4", "unknown-version": None, "deep": "1.9", "odd": "3"}
    missing = wheels.unmet(wanted, installed, lambda name: metadata.get(name, []), "3.12")
    assert sorted(map(str, missing)) == ["absent", "deep>=2", "more", "odd!=3"]
    installed |= {"deep": "2.0", "odd": "4", "absent": "1", "more": "1"}
    assert wheels.unmet(wanted, installed, lambda name: metadata.get(name, []), "3.12") == []
    old = wheels.unmet(wanted, installed, lambda name: metadata.get(name, []), "3.11")
    assert [requirement.name for requirement in old] == ["old-python"]


def test_a_list_of_what_is_there_is_read_as_pip_prints_it(wheels: ModuleType) -> None:
    lines = ["# there", "Jinja2==3.1.6", "torch==2.11.0+cu130", "hf_xet", "", "here @ file:///tmp/here"]
    assert wheels.read_versions(lines) == {"jinja2": "3.1.6", "torch": "2.11.0", "hf-xet": None, "here": None}
    with pytest.raises(ValueError, match=r"line 2: 'numpy>=2'; expected name==version or a name"):
        wheels.read_versions(["a", "numpy>=2"])


def test_wheels_are_those_that_constraints_pin(
    pack: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "constraints.txt").write_text("direct==2.0\nneeded==1.5\n")
    for name, version, lines in (("direct", "2.0", ["needed>=1", "there"]), ("needed", "1.5", [])):
        with zipfile.ZipFile(tmp_path / f"{name}-{version}-py3-none-any.whl", "w") as archive:
            required = "".join(f"Requires-Dist: {line}\n" for line in lines)
            archive.writestr(f"{name}-{version}.dist-info/METADATA", f"Name: {name}\n{required}")
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(pack, "ROOT", tmp_path)
    monkeypatch.setattr(pack, "_pip", lambda *arguments: asked.append(arguments) or "")
    monkeypatch.setattr(pack, "project_requirements", lambda: [Requirement("direct~=2.0")])
    found = pack.collect_wheels({"there": None}, "3.12", [], tmp_path)
    assert [path.name for path in found] == ["direct-2.0-py3-none-any.whl", "needed-1.5-py3-none-any.whl"]
    assert pack.collect_wheels({"direct": "2.1", "there": "1"}, "3.12", [], tmp_path) == []
    assert not asked, "what was fetched before is not fetched again"
    with pytest.raises(ValueError, match=r"there is needed there and constraints\.txt does not pin it"):
        pack.collect_wheels({}, "3.12", [], tmp_path)
    monkeypatch.setattr(pack, "project_requirements", lambda: [Requirement("direct>=3")])
    with pytest.raises(ValueError, match=r"direct>=3 is needed there; constraints\.txt has 2\.0"):
        pack.collect_wheels({"there": None}, "3.12", [], tmp_path)
    (tmp_path / "needed-1.5-py3-none-any.whl").unlink()
    monkeypatch.setattr(pack, "project_requirements", lambda: [Requirement("needed")])
    with pytest.raises(ValueError, match=r"no wheel of needed 1\.5 for CPython 3\.12 on Linux, x86-64"):
        pack.collect_wheels({}, "3.12", [], tmp_path)
    (download, build) = asked
    assert {"needed==1.5", "--no-deps", "--only-binary=:all:", "--python-version=3.12"} < set(download)
    assert build[0] == "wheel"


def test_all_raw_files_are_packed_as_the_mirror_has_them(
    pack: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[downloads.Source] = []

    def record(path: Path, source: downloads.Source) -> Path:
        asked.append(source)
        return path

    monkeypatch.setattr(downloads, "fetch", record)
    files = pack.collect_raw(tmp_path)
    assert {"mnist/train-images-idx3-ubyte.gz", "fsdd/recordings.zip", "esc10/esc10.zip"} < set(files)
    assert len(files) == 6
    members = {source.mirror: source.members for source in asked if source.members}
    assert members == {"fsdd/recordings.zip": ".wav", "esc10/esc10.zip": ".ogg"}
    assert all(source.sha256 for source in asked)
