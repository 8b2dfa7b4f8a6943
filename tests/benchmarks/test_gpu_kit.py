"""The kit for a GPU: cases go on where they were cut off, and its report. The cases are small scripts."""

from __future__ import annotations

import json
import re
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from gpu_kit import load_script
from project_runs import ROOT
from scipy import stats

SETTINGS = {"device": "cpu", "card": "a CPU", "torch": "2", "tiny": True, "code": "abc"}


@pytest.fixture(scope="module")
def kit() -> ModuleType:
    return load_script("kit")


@pytest.fixture(scope="module")
def results_module() -> ModuleType:
    return load_script("results")


@pytest.fixture(scope="module")
def report() -> ModuleType:
    return load_script("report")


@pytest.fixture
def options(kit: ModuleType, tmp_path: Path) -> Any:
    (tmp_path / "out").mkdir()
    return kit.Options("cpu", True, tmp_path / "work", tmp_path / "out")


def script(kit: ModuleType, folder: Path, name: str, text: str, stops_itself: bool = False) -> Any:
    (folder / f"{name}.py").write_text(text)
    return kit.Case(f"speed.{name}", (str(folder / f"{name}.py"),), stops_itself)


def counted(folder: Path, name: str) -> str:
    """A case that says how often it has run."""
    file = folder / f"{name}.count"
    return (
        f"from pathlib import Path\nfile = Path({str(file)!r})\n"
        "n = int(file.read_text()) + 1 if file.exists() else 1\nfile.write_text(str(n))\nprint('{\"n\": %d}' % n)\n"
    )


def run(kit: ModuleType, results_module: ModuleType, options: Any, cases: list[Any], seconds: float = 60) -> Any:
    """One command, with these cases as its step."""
    results = results_module.Results(options.work, options.out)
    patched = pytest.MonkeyPatch()
    patched.setattr(kit, "cases", lambda step, options: cases)
    try:
        return kit.run_step("speed", options, results, SETTINGS, time.monotonic() + seconds)
    finally:
        patched.undo()


def ended(pid: int) -> bool:
    """Whether a process that was killed is gone within a minute."""
    state = Path("/proc") / str(pid) / "stat"
    for _ in range(600):
        if not state.exists() or state.read_text().split()[2] == "Z":
            return True
        time.sleep(0.1)
    return False


def read(options: Any) -> dict[str, Any]:
    return json.loads((options.out / "results.json").read_text())


def test_what_has_a_result_is_not_run_again_and_what_failed_is(
    kit: ModuleType, results_module: ModuleType, options: Any, tmp_path: Path
) -> None:
    good = script(kit, tmp_path, "good", counted(tmp_path, "good"))
    bad = script(kit, tmp_path, "bad", "import sys\nsys.exit('no luck today')")
    assert not run(kit, results_module, options, [good, bad])
    assert read(options)["speed.good"]["result"] == {"n": 1}
    assert "no luck today" in read(options)["speed.bad"]["error"]
    assert "no luck today" in (options.out / "report.md").read_text()
    assert "no luck today" in (options.out / "log.txt").read_text()
    bad = script(kit, tmp_path, "bad", counted(tmp_path, "bad"))
    assert run(kit, results_module, options, [good, bad])
    assert {name: found["result"]["n"] for name, found in read(options).items()} == {"speed.good": 1, "speed.bad": 1}


def test_a_case_is_cut_off_with_what_it_started_and_the_next_command_goes_on(
    kit: ModuleType, results_module: ModuleType, options: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit, "_LEAST", 0.5)
    first = script(kit, tmp_path, "first", counted(tmp_path, "first"))
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, {str(tmp_path / 'child.py')!r}])"
    pid = tmp_path / "pid"
    (tmp_path / "child.py").write_text(
        f"import os, pathlib, time\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    )
    slow, last = (script(kit, tmp_path, name, text) for name, text in (("slow", child), ("last", "print('{}')")))
    assert not run(kit, results_module, options, [first, slow, last], 8)
    assert re.match(r"cut off after \d+ s", read(options)["speed.slow"]["error"])
    assert "speed.last" not in read(options)
    assert ended(int(pid.read_text()))
    slow = script(kit, tmp_path, "slow", "print('{}')")
    assert run(kit, results_module, options, [first, slow, last])
    assert read(options)["speed.first"]["result"] == {"n": 1}


def test_a_case_that_stops_itself_gets_what_it_has_found_so_far(
    kit: ModuleType, results_module: ModuleType, options: Any, tmp_path: Path
) -> None:
    text = (
        "import json, sys\nsaid = dict(a[2:].split('=') for a in sys.argv[1:])\n"
        "n = json.load(open(said['part'])).get('n', 0) + 1\nprint(json.dumps({'n': n, 'complete': n == 2}))"
    )
    case = script(kit, tmp_path, "long", text, stops_itself=True)
    assert not run(kit, results_module, options, [case])
    assert run(kit, results_module, options, [case])
    assert run(kit, results_module, options, [case])
    assert read(options)["speed.long"]["result"] == {"n": 2, "complete": True}


def test_an_error_leaves_what_was_found_before(
    kit: ModuleType, results_module: ModuleType, options: Any, tmp_path: Path
) -> None:
    case = script(kit, tmp_path, "long", 'print(\'{"n": 1, "complete": false}\')', stops_itself=True)
    assert not run(kit, results_module, options, [case])
    script(kit, tmp_path, "long", "import sys\nsys.exit('lost')", stops_itself=True)
    for _ in range(2):
        assert not run(kit, results_module, options, [case])
        assert read(options)["speed.long"]["result"] == {"n": 1, "complete": False}
        assert "lost" in read(options)["speed.long"]["error"]


def test_a_check_that_has_not_passed_is_a_result_but_not_all_is_done(
    kit: ModuleType, results_module: ModuleType, options: Any, tmp_path: Path
) -> None:
    case = script(kit, tmp_path, "check", "print('{\"passed\": false}')")
    assert not run(kit, results_module, options, [case])
    script(kit, tmp_path, "check", "raise SystemExit('this is not run')")
    assert not run(kit, results_module, options, [case])
    assert "error" not in read(options)["speed.check"]


def test_results_of_another_card_code_or_size_do_not_count(results_module: ModuleType, tmp_path: Path) -> None:
    results = results_module.Results(tmp_path / "work", tmp_path / "out")
    results.put("a", {"settings": SETTINGS, "ended": 1.0, "result": {"x": 1}})
    for key, other in (("device", "cuda"), ("card", "another"), ("torch", "3"), ("tiny", False), ("code", "def")):
        assert results.unfinished("a", {**SETTINGS, key: other}), key
        assert results.part("a", {**SETTINGS, key: other}) == {}
    assert not results.unfinished("a", SETTINGS)
    any_code = results_module.Results(tmp_path / "work", tmp_path / "out", any_code=True)
    assert not any_code.unfinished("a", {**SETTINGS, "code": "def"})
    assert any_code.unfinished("a", {**SETTINGS, "card": "another"})


def test_results_that_were_brought_back_are_gone_on_from(results_module: ModuleType, tmp_path: Path) -> None:
    there = results_module.Results(tmp_path / "there", tmp_path / "out")
    there.put("a", {"settings": SETTINGS, "ended": 1.0, "result": {"x": 1}})
    there.put("b", {"settings": SETTINGS, "ended": 2.0, "result": {"x": 2}})
    fresh = results_module.Results(tmp_path / "fresh", tmp_path / "out2")
    fresh.put("b", {"settings": SETTINGS, "ended": 3.0, "result": {"x": 3}})
    fresh.add_earlier(tmp_path / "out" / "results.json")
    assert {name: found["result"]["x"] for name, found in fresh.cases.items()} == {"a": 1, "b": 3}


def test_a_write_that_is_killed_leaves_the_results_before(
    results_module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = results_module.Results(tmp_path / "work", tmp_path / "out")
    results.put("a", {"settings": SETTINGS, "ended": 1.0, "result": {}})

    def stop(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        results.put("b", {"settings": SETTINGS, "ended": 2.0, "result": {}})
    monkeypatch.undo()
    assert list(results_module.Results(tmp_path / "work", tmp_path / "out").cases) == ["a"]


def test_the_code_hash_is_of_code_and_configuration_alone(results_module: ModuleType, tmp_path: Path) -> None:
    files = ("src/p/a.py", "benchmarks/gpu/kit.py", "conf/base/a.yml", "conf/local/a.yml", "docs/a.md")
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    before, changes = results_module.code_hash(tmp_path), []
    for name in files:
        (tmp_path / name).write_text("2")
        changes.append(results_module.code_hash(tmp_path) != before)
        (tmp_path / name).write_text("1")
    assert changes == [True, True, True, False, False]


def test_the_report_has_ratios_shares_and_what_failed(report: ModuleType) -> None:
    def case(**result: Any) -> dict[str, Any]:
        return {"settings": SETTINGS, "result": result}

    cases = {
        "correctness.blocks": case(passed=False, largest=0.5, where="ramlp", tolerance=1e-4, failed={"ramlp": 0.5}),
        "speed.peak_bfloat16": case(gflops=800_000),
        "speed.epoch_plain": case(seconds=30.0, gflops=1000),
        "speed.epoch_bfloat16": case(seconds=0.5, gflops=60_000),
        "speed.search_plain": {"settings": SETTINGS, "error": "Traceback\nRuntimeError: cut"},
    }
    text = report.report_text(cases)
    assert "| blocks | **no**: ramlp | 5.0e-01 | 0.0001 | ramlp |" in text
    assert "| epoch of M2-Mixer, bfloat16 | 30.00 | 0.50 | 60.00 | 7.5% |" in text
    assert "- speed.search_plain: RuntimeError: cut" in text
    assert "TINY SIZES: no figures" in text


def test_the_report_has_the_scores_of_seeds_and_their_choices(report: ModuleType) -> None:
    def row(seed: int, contender: str, score: float, chosen: dict[str, str] | None = None) -> dict[str, Any]:
        return {"seed": seed, "contender": contender, "score": score, "seconds": 9.0, "parameters": 5, "chosen": chosen}

    rows = [row(0, "m2_ours", 0.8), row(1, "m2_ours", 0.9), row(0, "single", 0.95, {"image": "ramlp"})]
    files = {f"set/{r['seed']}/{r['contender']}.json": r for r in rows} | {"set/0/search.json": {"seconds": 3.0}}
    validated = {"combinations": 72, "trained": 5, "complete": False}
    cases = {
        "science.worth": {"settings": SETTINGS, "result": {"complete": False, "files": files}},
        "science.validate_search": {"settings": SETTINGS, "result": validated, "error": "cut off after 9 s"},
    }
    text = report.report_text(cases)
    # By hand: 0.85 ± 12.706 * 0.0707107 / sqrt(2)
    assert "| m2_ours | 2 | 0.8500 [0.2147, 1.4853] | 5 | 9 |" in text
    assert "| single | 1 | 0.9500 | 5 | 9 |" in text
    assert "- seed 0: image ramlp" in text
    assert "`validate_search`: 5 of 72 combinations trained, not finished." in text
    assert "- science.validate_search: cut off after 9 s" in text


def test_intervals_are_students(report: ModuleType) -> None:
    values = [0.80, 0.82, 0.81, 0.85, 0.79]
    half = stats.t.ppf(0.975, 4) * statistics.stdev(values) / 5**0.5
    assert report.interval(values) == f"0.8140 [{0.814 - half:.4f}, {0.814 + half:.4f}]"
    assert report.interval([0.5]) == "0.5000"


def test_every_case_is_of_a_script_that_has_it(kit: ModuleType, tmp_path: Path) -> None:
    """Their own parsers accept what the kit asks for, in both sizes."""
    for tiny in (False, True):
        for step in kit.STEPS[1:]:
            cases = kit.cases(step, kit.Options("cuda", tiny, tmp_path, tmp_path))
            assert cases
            assert len({case.name for case in cases}) == len(cases)
            for case in cases:
                assert case.name.startswith(f"{step}.")
                assert Path(case.command[0]).is_file()
    checks = load_script("correctness").CHECKS
    assert list(checks) == list(kit.CHECKS)


def test_commands_of_the_readme_are_commands() -> None:
    text = (ROOT / "benchmarks" / "gpu" / "README.md").read_text()
    lines = [line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if "benchmarks/gpu/" in line]
    assert len(commands) >= 5
    for script_name in {command[1] for command in commands}:
        shown = subprocess.run(
            [sys.executable, ROOT / script_name, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for command in (command for command in commands if command[1] == script_name):
            for word in command[2:]:
                option = word.split("=")[0]
                known = load_script("kit").STEPS if script_name.endswith("kit.py") else ()
                assert not option.startswith("--") or option in shown, command
                assert option.startswith("--") or "." in word or word.isdigit() or word in (*known, "cpu"), command
