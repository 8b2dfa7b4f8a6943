"""The kit's results as Markdown. Standard library only."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

Cases = Mapping[str, Mapping[str, Any]]
BLOCKS = ("mlp_mixer", "hyper_mixer", "ramlp", "monarch_mixer")
# Two-sided 95 % quantile of Student's t, by degrees of freedom.
_STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def interval(values: list[float]) -> str:
    """Mean with its 95 % interval, Student's t; of one value only that."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.4f}"
    half = _STUDENT[min(len(values) - 1, 9)] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.4f} [{mean - half:.4f}, {mean + half:.4f}]"


def report_text(cases: Cases) -> str:
    """All that was found so far; what was not measured is left out, errors are named."""
    good = {name: found["result"] for name, found in cases.items() if "result" in found}
    sections = [_where(cases), _correctness(good), _speed(good), _science(good), _errors(cases)]
    return "\n".join(section for section in sections if section)


def _table(head: Iterable[str], rows: list[list[str]]) -> str:
    titles = list(head)
    lines = [f"| {' | '.join(row)} |" for row in (titles, ["---"] * len(titles), *rows)]
    return "\n".join(lines) + "\n"


def _where(cases: Cases) -> str:
    rows = sorted(
        {
            (
                str(f["settings"].get("card")),
                str(f["settings"].get("torch")),
                bool(f["settings"].get("tiny")),
                str(f["settings"].get("code")),
            )
            for f in cases.values()
        }
    )
    text = [
        f"- {card}, torch {torch}, code {code}{', TINY SIZES: no figures' if tiny else ''}"
        for card, torch, tiny, code in rows
    ]
    return "# Results\n\n" + "\n".join(text) + "\n"


def _correctness(good: Mapping[str, Any]) -> str:
    rows = []
    for name, found in good.items():
        if not name.startswith("correctness."):
            continue
        largest, what = found.get("largest"), found.get("where", found.get("summary", ""))
        others = ", ".join(f"{k} {found[k]}" for k in ("same_predictions", "bits", "killed") if k in found)
        failed = "; ".join(list(found.get("failed", {}))[:5])
        row = [name.partition(".")[2], "yes" if found["passed"] else f"**no**: {failed}"]
        rows.append([*row, "" if largest is None else f"{largest:.1e}", str(found.get("tolerance", "")), what, others])
    head = ("check", "passed", "largest difference", "tolerance", "where", "more")
    return f"## Correctness\n\n{_table(head, rows)}" if rows else ""


def _ratio(good: Mapping[str, Any], plain: str, ours: str) -> list[str] | None:
    if plain not in good or ours not in good:
        return None
    slow, fast = good[plain]["seconds"], good[ours]["seconds"]
    return [f"{slow:.2f}", f"{fast:.2f}", f"{slow / fast:.2f}"]


def _share(good: Mapping[str, Any], case: str, precision: str) -> str:
    best = good.get(f"speed.peak_{precision}")
    return f"{good[case]['gflops'] / best['gflops']:.1%}" if best else ""


def _speed(good: Mapping[str, Any]) -> str:
    rows = []
    for precision in ("float32", "tf32", "bfloat16"):
        if row := _ratio(good, "speed.epoch_plain", f"speed.epoch_{precision}"):
            rows.append([f"epoch of M2-Mixer, {precision}", *row, _share(good, f"speed.epoch_{precision}", precision)])
    for block in BLOCKS:
        if row := _ratio(good, f"speed.trial_plain_{block}", f"speed.trial_{block}"):
            rows.append([f"trial, {block}, bfloat16", *row, _share(good, f"speed.trial_{block}", "bfloat16")])
    pairs = [
        (f"three seeds, {size}: separate, stacked", f"speed.seeds_separate_{size}", f"speed.seeds_batched_{size}")
        for size in ("demo", "published")
    ]
    pairs += [
        (f"search: plain loops, {title}", "speed.search_plain", f"speed.search_{name}")
        for name, title in (
            ("one", "one candidate at a time"),
            ("four", "four at once"),
            ("four_bfloat16", "four at once in bfloat16"),
        )
    ]
    pairs.append(("search: one candidate at a time, four at once", "speed.search_one", "speed.search_four"))
    rows += [[title, *row, ""] for title, plain, ours in pairs if (row := _ratio(good, plain, ours))]
    head = ("", "plain or first, s", "here or second, s", "times as fast", "of the card's matrix peak")
    parts = [_table(head, rows)] if rows else []
    peaks = [
        f"{name.removeprefix('speed.peak_')} {found['gflops'] / 1000:.2f}"
        for name, found in good.items()
        if name.startswith("speed.peak_")
    ]
    parts += [f"Matrix peak in TFLOP/s: {', '.join(peaks)}.\n"] if peaks else []
    steps = [
        [
            name.removeprefix("speed.step_"),
            *(
                _number(found, key)
                for key in ("milliseconds", "compiled_milliseconds", "compile_seconds", "graph_milliseconds")
            ),
            found.get("compile_error", "") + found.get("graph_error", ""),
        ]
        for name, found in good.items()
        if name.startswith("speed.step_")
    ]
    parts += (
        [
            _table(
                ("step in bfloat16", "as it is, ms", "compiled, ms", "compiling, s", "CUDA graph, ms", "why not"), steps
            )
        ]
        if steps
        else []
    )
    parts += [_profiles(good), _choices(good)]
    text = "\n".join(part for part in parts if part)
    return f"## Speed\n\n{text}" if text else ""


def _number(found: Mapping[str, Any], key: str) -> str:
    return f"{found[key]:.2f}" if key in found else ""


def _choices(good: Mapping[str, Any]) -> str:
    found = {name.removeprefix("speed.search_"): f["chosen"] for name, f in good.items() if "chosen" in f}
    lines = [f"- {name}: {_named(chosen)}" for name, chosen in found.items()]
    return "Chosen by the searches, all from the same seeds:\n\n" + "\n".join(lines) + "\n" if lines else ""


def _named(chosen: Mapping[str, str]) -> str:
    return ", ".join(f"{stage} {name}" for stage, name in chosen.items())


def _profiles(good: Mapping[str, Any]) -> str:
    found = {name.removeprefix("speed.profile_"): f for name, f in good.items() if name.startswith("speed.profile_")}
    if not found:
        return ""
    kinds = [key for key in next(iter(found.values())) if key not in ("seconds", "peak_gb", "peak_gpu_gb")]
    rows = [[name, *(f"{f.get(kind, 0):.0%}" for kind in kinds)] for name, f in found.items()]
    return _table(("share of a step's time", *kinds), rows)


def _science(good: Mapping[str, Any]) -> str:
    parts = []
    if worth := good.get("science.worth"):
        found = [r for path, r in worth["files"].items() if "score" in r]
        names = list(dict.fromkeys(r["contender"] for r in found))
        rows = []
        for name in names:
            of = [r for r in found if r["contender"] == name]
            seconds = statistics.fmean(r["seconds"] for r in of)
            rows.append(
                [
                    name,
                    str(len(of)),
                    interval([r["score"] for r in of]),
                    f"{of[0]['parameters'] or 0:,}",
                    f"{seconds:.0f}",
                ]
            )
        head = ("contender", "seeds", "test accuracy, mean and 95 % interval", "parameters", "seconds, search included")
        parts.append(_table(head, rows))
        searched = [result for result in found if result["contender"] == "single" and result.get("chosen")]
        choices = [f"- seed {result['seed']}: {_named(result['chosen'])}" for result in searched]
        parts += ["Chosen by the search:\n\n" + "\n".join(choices) + "\n"] if choices else []
    if validated := good.get("science.validate_search"):
        state = "finished" if validated["complete"] else "not finished"
        trained = f"{validated['trained']} of {validated['combinations']} combinations trained, {state}"
        lines = [f"- {name}: {value}" for name, value in validated.get("summary", {}).items()]
        parts.append("\n".join([f"`validate_search`: {trained}.", "", *lines, ""]))
    return "## Science\n\n" + "\n".join(parts) if parts else ""


def _errors(cases: Cases) -> str:
    rows = [
        f"- {name}: {found['error'].strip().splitlines()[-1][:300]}"
        for name, found in cases.items()
        if "error" in found
    ]
    return "## Failed\n\n" + "\n".join(rows) + "\n" if rows else ""
