"""im.pk: arrays and nothing else. A pickle that would run something must not."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DatasetError
from mimic_samples import same_inputs

from mixmas_pipeline.pipelines.data.mimic import nodes
from mixmas_pipeline.pipelines.data.mimic import sources as mimic
from mixmas_pipeline.pipelines.data.mimic.parameters import LabelParameters, SplitParameters
from mixmas_pipeline.pipelines.data.mimic.sources import ImPickleDataset, read_arrays

LABELS = LabelParameters(edges=nodes.PICKLE_EDGES)


def arrays(rows: int = 60) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    series = rng.normal(size=(rows, 24, 12))
    series[0, :5, 3] = np.nan
    series[1, 2, 2] = np.inf
    died = np.zeros((rows, 6))
    for row in range(rows):
        if row % 6:
            died[row, row % 6 :] = 1  # dead within a day is dead within a year
    return {
        "ep_tdata": series,
        "adm_features_all": rng.normal(size=(rows, 5)),
        "adm_labels_all": died,
        "y_icd9": rng.integers(0, 2, (rows, 20)),
    }


def written(content: Any, path: Path, protocol: int = 4) -> ImPickleDataset:
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol=protocol))
    return ImPickleDataset(filepath=str(path), mirror="none")


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_protocol(protocol: int, tmp_path: Path) -> None:
    content = {**arrays(), "more": [1, "two", (3.0, None)], "count": np.float64(3)}
    content["adm_features_all"] = np.asfortranarray(content["adm_features_all"]).astype(">f4")
    loaded = written(content, tmp_path / "im.pk", protocol).load()
    assert set(loaded) == set(arrays())
    for name, array in loaded.items():
        np.testing.assert_array_equal(array, content[name])


class Malicious:
    """Unpickled without restriction, this would make a file."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_malicious_pickles_do_not_run(protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "ran"
    calls = [
        Malicious(os.system, f"touch {target}"),
        Malicious(eval, f"open({str(target)!r}, 'w')"),
        Malicious(open, str(target), "w"),
        Malicious(getattr, "x", "upper"),
        Malicious(np.fromfile, str(tmp_path / "im.pk")),
        Malicious(Path, str(target)),
    ]
    for call in calls:
        for content in (call, {**arrays(), "extra": call}, {"ep_tdata": np.array([call], dtype=object)}):
            source = written(content, tmp_path / "im.pk", protocol)
            with pytest.raises(
                DatasetError, match=r"im.pk is refused: it asks for .*which was not run; expected numpy"
            ):
                source.load()
    assert not target.exists()
    pickle.loads(pickle.dumps(calls[0]))
    assert target.exists(), "the attack works where nothing is restricted"


@pytest.mark.parametrize("name", sorted(mimic._RECORDERS))
@pytest.mark.parametrize("state", [b"}U\x0b__defaults__)s", b"N}U\x05_callNs\x86", b"}U\x05_callNs"])
def test_a_pickle_cannot_set_anything_of_a_recorder(name: tuple[str, str], state: bytes, tmp_path: Path) -> None:
    """BUILD gives an object its attributes, also when the object is a function."""
    before = {key: getattr(value, "_call", None) for key, value in mimic._RECORDERS.items()}
    attack = b"\x80\x02}U\x01ac" + "\n".join(name).encode() + b"\n" + state + b"bs."
    with pytest.raises(DatasetError, match=r"im.pk (is refused|is not a whole pickle)"):
        written(attack, tmp_path / "im.pk").load()
    assert before == {key: getattr(value, "_call", None) for key, value in mimic._RECORDERS.items()}
    assert not mimic._record_array.__defaults__


def test_sets_within_sets_are_refused_before_they_are_hashed(tmp_path: Path) -> None:
    """Each level doubles the time of a hash."""
    content: Any = frozenset()
    for _ in range(60):
        content = frozenset([content, frozenset([content])])
    with pytest.raises(DatasetError, match=r"im.pk is .*: it has the instruction (FROZENSET|EMPTY_SET|ADDITEMS)"):
        written({**arrays(), "extra": content}, tmp_path / "im.pk").load()


def bomb(depth: int, again: bytes = b"h\x00h\x00\x86q\x00") -> bytes:
    """A tuple of twice a tuple of twice a tuple, ..."""
    return b")q\x00" + (b"0" + again) * depth


@pytest.mark.parametrize(
    "attack",
    [
        b"}" + bomb(60) + b"K\x01s.",  # as a key: hashed
        b"}" + b"U\x01a" + b"cnumpy\ndtype\n" + bomb(60) + b"\x85Rs.",  # as the name of a type
        b"}" + b"U\x01a" + b"c_codecs\nencode\nX\x01\x00\x00\x00a" + bomb(60) + b"\x86Rs.",
        b"}" + bomb(60, b"h\x00q\x01h\x01\x86q\x00") + b"K\x01s.",  # by another number
        b"}" + b")" + b"2\x86" * 60 + b"K\x01s.",
        b"}" + b")" + b"\x85" * 10**6 + b"K\x01s.",  # deep enough to end the process
        b"}" + b"U\x01a" + b"r\xff\xff\xff\x7f" + b"K\x01s.",  # a memory of 2**31 places
        b"}" + b"U\x01a" + b"p4000000000\n" + b"K\x01s.",
        b"}" + b"U\x01a" + b"\x82\x01s.",
        b"}" + b"U\x01a" + b"Psomewhere\ns.",
        b"}" + b"U\x01a" + b"K\x01Qs.",
    ],
)
def test_bombs_and_foreign_objects_are_refused_at_once(attack: bytes, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"im.pk is refused: it .{,100}$"):
        written(b"\x80\x02" + attack, tmp_path / "im.pk").load()


@pytest.mark.parametrize("name", [b"U\x01X", b"K\x05", b"X\x09\x00\x00\x00" + b"f" * 9])
def test_names_of_types_are_short_text(name: bytes, tmp_path: Path) -> None:
    attack = b"\x80\x02}U\x01acnumpy\ndtype\n" + name + b"\x85Rs."
    with pytest.raises(DatasetError, match=r"im.pk (is refused: it holds an array of a type|holds no array)"):
        written(attack, tmp_path / "im.pk").load()


def test_objects_inside_arrays_are_refused(tmp_path: Path) -> None:
    content = {**arrays(), "ep_tdata": np.array([{"a": 1}, None], dtype=object)}
    with pytest.raises(DatasetError, match=r"im.pk is refused: it holds an array of"):
        written(content, tmp_path / "im.pk").load()


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("ep_tdata", np.zeros((60, 12, 24)), r"ep_tdata has the shape \(60, 12, 24\); expected \(60, 24, 12\)"),
        ("ep_tdata", np.zeros((0, 24, 12)), r"ep_tdata has the shape \(0, 24, 12\)"),
        ("ep_tdata", np.zeros(()), r"ep_tdata has the shape \(\)"),
        ("adm_features_all", np.zeros((59, 5)), r"adm_features_all has the shape \(59, 5\); expected \(60, 5\)"),
        ("adm_labels_all", np.zeros((60, 3)), r"adm_labels_all .*\(60, 3\); expected \(60, 6\) \(or more columns\)"),
        ("y_icd9", np.zeros(60), r"y_icd9 has the shape \(60,\); expected \(60, 8\) \(or more columns\)"),
        ("y_icd9", None, r"holds no array 'y_icd9'"),
    ],
)
def test_wrong_shapes(name: str, array: np.ndarray | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        written({**arrays(), name: array}, tmp_path / "im.pk").load()


def test_damaged_files(tmp_path: Path) -> None:
    whole = pickle.dumps(arrays())
    for content in (whole[: len(whole) // 2], b"", b"not a pickle", pickle.dumps([1, 2])):
        with pytest.raises(DatasetError, match=r"im.pk (is not a whole pickle|is refused|holds a list)"):
            written(content, tmp_path / "im.pk").load()


def test_array_that_announces_more_than_it_has(tmp_path: Path) -> None:
    whole = pickle.dumps({"a": np.arange(1000.0)}, protocol=2)
    (tmp_path / "im.pk").write_bytes(whole.replace(b"M\xe8\x03", b"M\xe9\x03", 1))
    with pytest.raises(DatasetError, match=r"im.pk"):
        read_arrays(tmp_path / "im.pk")


def test_absent(tmp_path: Path) -> None:
    source = ImPickleDataset(filepath=str(tmp_path / "im.pk"), mirror="none")
    assert (source.exists(), source.fingerprint()) == (False, "absent")
    with pytest.raises(DatasetError, match=r"neither .*im.pk nor .*MultiBench.*mimic.input"):
        source.load()


def test_from_the_pickle_to_tables(tmp_path: Path) -> None:
    content = written(arrays(), tmp_path / "im.pk").load()
    stays, events = nodes.read_pickle(content, LABELS)
    *examples, cohort = nodes.split_patients(stays, events, LABELS, SplitParameters(seed=0))
    statistics = nodes.fit_statistics(examples[0], events)
    tables = [nodes.build_table(frame, events, statistics, LABELS, "pickle", False) for frame in examples]
    assert [len(table) for table in tables] == [48, 6, 6]
    assert cohort["stays"].tolist() == [60, 60]
    rows = np.concatenate([table.extra["admission"] for table in tables])
    labels = np.concatenate([table.labels for table in tables])
    np.testing.assert_array_equal(labels, np.where(rows % 6, rows % 6 - 1, 5))
    observed = np.concatenate([table.extra["observed"] for table in tables])[np.argsort(rows)]
    np.testing.assert_array_equal(observed, np.isfinite(arrays()["ep_tdata"]))
    disease = LabelParameters(task="icd9_460_519")
    *other, _ = nodes.split_patients(*nodes.read_pickle(content, disease), disease, SplitParameters(seed=0))
    assert all((frame["label"] == content["y_icd9"][frame["admission"], 7]).all() for frame in other)
    assert not same_inputs(tables[0], tables[1])


def test_its_classes_are_its_own(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"mimic.labels.edges are \[24.0, 48.0, 72.0, 168.0, 8760.0\]; .*720"):
        nodes.read_pickle(arrays(), LabelParameters())
