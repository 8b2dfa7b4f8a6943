"""Source files: the same data has the same hash in any packing, and nothing unchecked gets its name."""

from __future__ import annotations

import gzip
import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError
from source_samples import make_zip

from mixmas_pipeline.storage import downloads as sources
from mixmas_pipeline.storage.downloads import content_hash, fetch, open_archive

CONTENT = np.random.default_rng(0).integers(0, 8, 20_000, dtype=np.uint8).tobytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MEMBERS = {"a.wav": b"one", "b.wav": b"two" * 1000, "c.wav": b""}


def of(folder: Path) -> list[str]:
    """Names of what lies in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def ask(cached: Path, sha256: str | None = SHA256, *, mirror: str = "", members: str = "") -> Path:
    """``fetch`` with an address that nobody answers."""
    return fetch(cached, mirror=mirror or cached.name, url="http://127.0.0.1:9/none", sha256=sha256, members=members)


def test_hash_of_gzip_is_that_of_what_it_holds(tmp_path: Path) -> None:
    packings = {f"level{level}.gz": gzip.compress(CONTENT, level, mtime=level) for level in (0, 1, 6, 9)}
    packings["two parts.gz"] = gzip.compress(CONTENT[:100]) + gzip.compress(CONTENT[100:])
    assert len(set(packings.values())) == 5
    for name, content in packings.items():
        (tmp_path / name).write_bytes(content)
        assert content_hash(tmp_path / name) == SHA256
    (tmp_path / "plain.csv").write_bytes(CONTENT)
    assert content_hash(tmp_path / "plain.csv") == SHA256


def test_hash_of_zip_is_that_of_its_members(tmp_path: Path) -> None:
    lines = [f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in MEMBERS.items()]
    expected = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
    turned = dict(reversed(MEMBERS.items()))
    packings = [
        make_zip(tmp_path / "1.zip", MEMBERS),
        make_zip(tmp_path / "2.zip", turned),
        make_zip(tmp_path / "3.zip", MEMBERS, zipfile.ZIP_STORED),
        make_zip(tmp_path / "4.zip", MEMBERS, zipfile.ZIP_BZIP2),
        make_zip(tmp_path / "5.zip", {f"repo-main/sounds/{name}": MEMBERS[name] for name in turned}),
        make_zip(tmp_path / "6.zip", {"repo/": b"", "repo/README.md": b"about", **MEMBERS}),
    ]
    assert {content_hash(path, ".wav") for path in packings} == {expected}
    assert content_hash(packings[5]) != content_hash(packings[0]), "without an ending every member counts"


@pytest.mark.parametrize(
    "members",
    [
        {**MEMBERS, "a.wav": b"onE"},  # altered
        {"a.wav": b"one", "b.wav": b"two" * 1000},  # missing
        {**MEMBERS, "d.wav": b"more"},  # surplus
        {"b.wav": b"one", "a.wav": b"two" * 1000, "c.wav": b""},  # names exchanged
    ],
)
def test_hash_of_zip_sees_every_change(members: dict[str, bytes], tmp_path: Path) -> None:
    one, other = make_zip(tmp_path / "1.zip", MEMBERS), make_zip(tmp_path / "2.zip", members)
    assert content_hash(one, ".wav") != content_hash(other, ".wav")


def test_fetch_copies_from_the_mirror_and_checks(own_mirror: Path, tmp_path: Path) -> None:
    (own_mirror / "set").mkdir()
    (own_mirror / "set" / "digits.gz").write_bytes(gzip.compress(CONTENT))
    cached = tmp_path / "raw" / "digits.gz"
    assert ask(cached, mirror="set/digits.gz") == cached
    assert gzip.decompress(cached.read_bytes()) == CONTENT
    assert of(cached.parent) == [".digits.gz.verified", "digits.gz"]
    assert of(own_mirror / "set") == ["digits.gz"]


@pytest.mark.parametrize("damage", ["altered", "truncated", "wrong hash", "not gzip", "bit flipped"])
def test_bad_gzip_from_the_mirror_is_not_kept(damage: str, own_mirror: Path, tmp_path: Path) -> None:
    whole = gzip.compress(CONTENT)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x10
    bad = {
        "altered": gzip.compress(CONTENT[:-1] + b"\xff"),
        "truncated": whole[: len(whole) // 2],
        "wrong hash": whole,
        "not gzip": b"<html>404 not found</html>",
        "bit flipped": bytes(flipped),
    }[damage]
    sha256 = "0" * 64 if damage == "wrong hash" else SHA256
    (own_mirror / "digits.gz").write_bytes(bad)
    cached = tmp_path / "raw" / "digits.gz"
    with pytest.raises(DatasetError) as caught:
        ask(cached, sha256)
    message = str(caught.value)
    assert str(own_mirror / "digits.gz") in message
    if damage in ("altered", "wrong hash"):
        assert hashlib.sha256(gzip.decompress(bad)).hexdigest() in message
        assert f"expected {sha256}" in message
    else:
        assert "damaged" in message
    assert not cached.exists()
    assert of(cached.parent) == []


@pytest.mark.parametrize("damage", ["altered", "truncated", "not a zip", "member damaged"])
def test_bad_zip_from_the_mirror_is_not_kept(damage: str, own_mirror: Path, tmp_path: Path) -> None:
    good = make_zip(tmp_path / "good.zip", MEMBERS, zipfile.ZIP_STORED)
    sha256, content = content_hash(good, ".wav"), good.read_bytes()
    bad = {
        "altered": make_zip(tmp_path / "bad.zip", {**MEMBERS, "a.wav": b"onE"}).read_bytes(),
        "truncated": content[: len(content) // 2],
        "not a zip": b"<html>404 not found</html>",
        "member damaged": content.replace(b"twotwo", b"twotwO", 1),
    }[damage]
    (own_mirror / "sounds.zip").write_bytes(bad)
    cached = tmp_path / "raw" / "sounds.zip"
    with pytest.raises(DatasetError) as caught:
        ask(cached, sha256, members=".wav")
    assert str(own_mirror / "sounds.zip") in str(caught.value)
    if damage == "altered":
        assert content_hash(tmp_path / "bad.zip", ".wav") in str(caught.value)
        assert f"expected {sha256}" in str(caught.value)
    assert of(cached.parent) == []


def test_mirror_without_the_file_says_where_it_belongs(own_mirror: Path, tmp_path: Path) -> None:
    cached = tmp_path / "raw" / "digits.gz"
    with pytest.raises(DatasetError, match="MIXMAS_MIRROR") as caught:
        ask(cached, mirror="set/digits.gz")
    assert str(own_mirror / "set" / "digits.gz") in str(caught.value)
    assert "http://127.0.0.1:9/none" in str(caught.value)
    assert of(cached.parent) == []


def test_a_cached_file_is_checked_once(tmp_path: Path, no_mirror: None, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = tmp_path / "digits.gz"
    cached.write_bytes(gzip.compress(CONTENT))
    hashed: list[Path] = []
    monkeypatch.setattr(
        sources, "content_hash", lambda path, members="": hashed.append(path) or content_hash(path, members)
    )
    for _ in range(3):
        ask(cached)
    assert hashed == [cached]


def test_a_cached_file_is_checked_again_when_it_changes(tmp_path: Path, no_mirror: None) -> None:
    cached = tmp_path / "digits.gz"
    cached.write_bytes(gzip.compress(CONTENT, mtime=0))
    ask(cached)
    swapped = CONTENT[1:2] + CONTENT[0:1] + CONTENT[2:]
    assert swapped != CONTENT
    altered = hashlib.sha256(swapped).hexdigest()
    cached.write_bytes(gzip.compress(swapped, mtime=0))
    for _ in range(2):  # the refusal must not leave a stamp either
        with pytest.raises(DatasetError) as caught:
            ask(cached)
        assert str(cached) in str(caught.value)
        assert altered in str(caught.value)
        assert f"expected {SHA256}" in str(caught.value)
    cached.write_bytes(gzip.compress(CONTENT))
    assert ask(cached) == cached


def test_a_change_of_the_same_length_is_seen(tmp_path: Path, no_mirror: None) -> None:
    cached = tmp_path / "table.csv"
    cached.write_bytes(CONTENT)
    ask(cached)
    cached.write_bytes(CONTENT[:-1] + b"\xff")
    os.utime(cached, ns=(1, cached.stat().st_mtime_ns + 1))  # whatever the file system's clock resolves
    with pytest.raises(DatasetError, match="altered"):
        ask(cached)


def test_a_cached_file_is_checked_again_for_another_hash(tmp_path: Path, no_mirror: None) -> None:
    cached = tmp_path / "table.csv"
    cached.write_bytes(CONTENT)
    ask(cached, None)
    ask(cached, SHA256)
    with pytest.raises(DatasetError, match="expected 000000"):
        ask(cached, "0" * 64)


@pytest.mark.parametrize("content", [gzip.compress(CONTENT)[:500], b"not gzip"], ids=["truncated", "not gzip"])
def test_a_damaged_cached_file_is_named(content: bytes, tmp_path: Path, no_mirror: None) -> None:
    cached = tmp_path / "digits.gz"
    cached.write_bytes(content)
    with pytest.raises(DatasetError, match="damaged") as caught:
        ask(cached)
    assert str(cached) in str(caught.value)
    assert of(tmp_path) == ["digits.gz"]


@pytest.mark.parametrize(
    "name", ["../evil.wav", "a/../../evil.wav", "/etc/evil.wav", "..\\evil.wav", "C:\\evil.wav", "\\evil.wav"]
)
def test_a_member_that_points_outside_is_refused(name: str, tmp_path: Path) -> None:
    path = make_zip(tmp_path / "evil.zip", {"good.wav": b"1", name: b"2"})
    with pytest.raises(DatasetError, match="points outside the archive") as caught:
        open_archive(path)
    assert str(path) in str(caught.value)
    assert "evil.wav" in str(caught.value)


@pytest.mark.parametrize("name", ["./", "./a.wav", "a..b/c..wav", "sub/./a.wav"])
def test_a_harmless_member_is_admitted(name: str, tmp_path: Path) -> None:
    """Archives made by bsdtar and others begin with the member ``./``."""
    path = make_zip(tmp_path / "good.zip", {name: b"", "good.wav": b"1"})
    with open_archive(path) as archive:
        assert archive.read("good.wav") == b"1"


def test_an_evil_archive_gets_no_name(own_mirror: Path, tmp_path: Path) -> None:
    make_zip(own_mirror / "evil.zip", {"../a.wav": b"1"})
    cached = tmp_path / "raw" / "evil.zip"
    with pytest.raises(DatasetError, match="points outside"):
        ask(cached, "0" * 64, members=".wav")
    assert of(cached.parent) == []
