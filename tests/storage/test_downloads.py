"""Source files: the same data has the same hash in any packing, and nothing unchecked gets its name."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import socket
import threading
import traceback
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from source_samples import make_zip

from mixmas_pipeline.storage import downloads
from mixmas_pipeline.storage.downloads import Source, content_hash, fetch
from mixmas_pipeline.storage.errors import StorageError

CONTENT = np.random.default_rng(0).integers(0, 8, 20_000, dtype=np.uint8).tobytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BODY = bytes(range(256)) * 2000  # of downloads
BODY_SHA256 = hashlib.sha256(BODY).hexdigest()
MEMBERS = {"a.wav": b"one", "b.wav": b"two" * 1000, "c.wav": b""}


def of(folder: Path) -> list[str]:
    """Names of what lies in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def ask(cached: Path, sha256: str | None = SHA256, *, mirror: str = "", members: str = "") -> Path:
    """``fetch`` with an address that nobody answers."""
    return fetch(cached, Source(mirror or cached.name, "http://127.0.0.1:9/none", sha256, members))


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
    with pytest.raises(StorageError) as caught:
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
    with pytest.raises(StorageError) as caught:
        ask(cached, sha256, members=".wav")
    assert str(own_mirror / "sounds.zip") in str(caught.value)
    if damage == "altered":
        assert content_hash(tmp_path / "bad.zip", ".wav") in str(caught.value)
        assert f"expected {sha256}" in str(caught.value)
    assert of(cached.parent) == []


def test_mirror_without_the_file_says_where_it_belongs(own_mirror: Path, tmp_path: Path) -> None:
    cached = tmp_path / "raw" / "digits.gz"
    with pytest.raises(StorageError, match="MIXMAS_MIRROR") as caught:
        ask(cached, mirror="set/digits.gz")
    assert str(own_mirror / "set" / "digits.gz") in str(caught.value)
    assert "http://127.0.0.1:9/none" in str(caught.value)
    assert of(cached.parent) == []


def test_a_cached_file_is_checked_once(tmp_path: Path, no_mirror: None, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = tmp_path / "digits.gz"
    cached.write_bytes(gzip.compress(CONTENT))
    hashed: list[Path] = []
    monkeypatch.setattr(
        downloads, "content_hash", lambda path, members="": hashed.append(path) or content_hash(path, members)
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
        with pytest.raises(StorageError) as caught:
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
    with pytest.raises(StorageError, match="altered"):
        ask(cached)


def test_a_cached_file_is_checked_again_for_another_hash(tmp_path: Path, no_mirror: None) -> None:
    cached = tmp_path / "table.csv"
    cached.write_bytes(CONTENT)
    ask(cached, None)
    ask(cached, SHA256)
    with pytest.raises(StorageError, match="expected 000000"):
        ask(cached, "0" * 64)


@pytest.mark.parametrize("content", [gzip.compress(CONTENT)[:500], b"not gzip"], ids=["truncated", "not gzip"])
def test_a_damaged_cached_file_is_named(content: bytes, tmp_path: Path, no_mirror: None) -> None:
    cached = tmp_path / "digits.gz"
    cached.write_bytes(content)
    with pytest.raises(StorageError, match="damaged") as caught:
        ask(cached)
    assert str(cached) in str(caught.value)
    assert of(tmp_path) == ["digits.gz"]


def test_an_evil_archive_gets_no_name(own_mirror: Path, tmp_path: Path) -> None:
    make_zip(own_mirror / "evil.zip", {"../a.wav": b"1"})
    cached = tmp_path / "raw" / "evil.zip"
    with pytest.raises(StorageError, match="points outside"):
        ask(cached, "0" * 64, members=".wav")
    assert of(cached.parent) == []


# --- downloads from a server on this machine: whole, broken off, refused, and not HTTP at all ------------------------


class Handler(BaseHTTPRequestHandler):
    """Serves BODY in the manner that the path names."""

    def do_GET(self) -> None:
        body = gzip.compress(BODY) if self.path.endswith(".gz") else BODY
        if "missing" in self.path:
            self.send_error(404)
            return
        if self.path.endswith("/led"):
            self.send_response(302)
            self.send_header("Location", "/missing?X-Signature=S3CR3T")
            self.end_headers()
            return
        self.send_response(200)
        if "chunked" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n%x\r\n%s" % (1000, body[:1000], 5000, body[1000:2000]))
            self.close_connection = True
            return
        if "unsized" not in self.path:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if "half" in self.path else body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that lives as long as this file's tests."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join(timeout=10)


def download(cached: Path, url: str, sha256: str | None = BODY_SHA256) -> Path:
    """``fetch`` from an address."""
    return fetch(cached, Source("set/file", url, sha256))


@pytest.mark.usefixtures("no_mirror")
def test_logged_progress_ends_at_the_size(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """pooch fills the bar once more at the end, which must not count the bytes twice."""
    monkeypatch.setattr(downloads, "_PROGRESS_EVERY", -1.0)
    monkeypatch.setattr(downloads, "_CHUNK", len(BODY))
    caplog.set_level(logging.INFO, downloads.__name__)
    download(tmp_path / "table.csv", f"{server}/table.csv")
    size = f"{len(BODY) / 1e6:.1f}"
    progress = [record.getMessage().strip() for record in caplog.records if " of " in record.getMessage()]
    assert progress == [f"{size} of {size} MB"] * 2


@pytest.mark.usefixtures("no_mirror")
@pytest.mark.parametrize("name", ["table.csv", "unsized.csv", "digits.gz", "unsized.gz"])
def test_download(name: str, server: str, tmp_path: Path) -> None:
    cached = download(tmp_path / "raw" / name, f"{server}/{name}")
    content = cached.read_bytes()
    assert (gzip.decompress(content) if name.endswith("gz") else content) == BODY
    assert sorted(path.name for path in cached.parent.iterdir()) == [f".{name}.verified", name]
    assert download(cached, "http://127.0.0.1:9/gone") == cached, "a cached file asks nobody"


@pytest.mark.usefixtures("no_mirror")
@pytest.mark.parametrize("sha256", [BODY_SHA256, None], ids=["hash", "any content"])
def test_download_that_breaks_off(sha256: str | None, server: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        download(tmp_path / "raw" / "half.csv", f"{server}/half.csv", sha256)
    assert f"{server}/half.csv" in str(caught.value)
    assert f"{len(BODY) // 2} bytes read, {len(BODY) - len(BODY) // 2} more expected" in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.usefixtures("no_mirror")
def test_chunked_download_that_breaks_off(server: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        download(tmp_path / "raw" / "chunked.csv", f"{server}/chunked.csv", None)
    assert f"{server}/chunked.csv" in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.usefixtures("no_mirror")
def test_download_of_other_content(server: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        download(tmp_path / "raw" / "table.csv", f"{server}/table.csv", "0" * 64)
    for part in (f"{server}/table.csv", BODY_SHA256, "expected " + "0" * 64):
        assert part in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.usefixtures("no_mirror")
def test_address_that_does_not_exist(server: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"404.*MIXMAS_MIRROR") as caught:
        download(tmp_path / "raw" / "missing.csv", f"{server}/missing.csv")
    assert "'set/file'" in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.usefixtures("no_mirror")
def test_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/table.csv"
        with pytest.raises(StorageError) as caught:
            download(tmp_path / "raw" / "table.csv", f"{url}?X-Signature=secret")
    assert "secret" not in str(caught.value)
    for part in (url, "could not be downloaded", "MIXMAS_MIRROR", "'set/file'"):
        assert part in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.usefixtures("no_mirror")
def test_somebody_else_answers(tmp_path: Path) -> None:
    """Not an HTTP server: a captive portal, a mail server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"220 mail.example ready\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/table.csv"
        with pytest.raises(StorageError) as caught:
            download(tmp_path / "raw" / "table.csv", url)
        thread.join(timeout=10)
    assert url in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


# --- files of the web that change ------------------------------------------------------------------------------------
class Web:
    """A table on a server of this machine: its text, its headers, and how often it was asked for."""

    def __init__(self) -> None:
        self.text, self.headers, self.asked = b"a\n1\n", {"ETag": '"one"'}, 0


@pytest.fixture
def web(no_mirror: None) -> Iterator[tuple[Web, str]]:
    state = Web()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked += 1
            self.send_response(200)
            for name, value in {**state.headers, "Content-Length": str(len(state.text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(state.text)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield state, f"http://127.0.0.1:{http.server_port}/table.csv?key=secret"
        http.shutdown()
        thread.join(timeout=10)


def newest(folder: Path, url: str) -> bytes:
    """What a new run gets."""
    downloads.ask_again()
    return downloads.fetch_newest(folder / "table.csv", Source("table.csv", url)).read_bytes()


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_a_file_that_has_changed_on_the_web_is_fetched_again(
    header: str, web: tuple[Web, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state, url = web
    state.headers = {header: "one"}
    assert newest(tmp_path, url) == b"a\n1\n"
    state.text = b"a\n2\n"
    assert newest(tmp_path, url) == b"a\n1\n", "the server says that it is the same"
    assert "WARNING" not in caplog.text
    state.headers = {header: "two"}
    assert downloads.fetch_newest(tmp_path / "table.csv", Source("table.csv", url)).read_bytes() == b"a\n1\n", (
        "a run sees one file"
    )
    assert newest(tmp_path, url) == b"a\n2\n"
    assert "table.csv is not what it was when it was fetched" in caplog.text
    assert "secret" not in caplog.text
    caplog.clear()
    assert newest(tmp_path, url) == b"a\n2\n"
    assert "WARNING" not in caplog.text


def test_a_server_that_tells_nothing_or_is_gone(
    web: tuple[Web, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state, url = web
    state.headers = {}
    newest(tmp_path, url)
    assert newest(tmp_path, url) == b"a\n1\n"
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert f"the copy fetched on {today} is used; to fetch it again, delete {tmp_path / 'table.csv'}" in caplog.text
    assert "does not tell whether it has changed" in caplog.text
    caplog.clear()
    gone = url.replace(url.split(":")[2].split("/")[0], "9")
    assert newest(tmp_path, gone) == b"a\n1\n"
    assert "cannot be asked" in caplog.text
    assert "secret" not in caplog.text


def test_the_etag_decides_where_there_is_one(web: tuple[Web, str], tmp_path: Path) -> None:
    """A mirror may give the same file another time, and a weak form of the same tag."""
    state, url = web
    state.headers = {"ETag": '"one"', "Last-Modified": "Mon"}
    newest(tmp_path, url)
    state.text = b"a\n2\n"
    state.headers = {"ETag": 'W/"one"', "Last-Modified": "Tue"}
    assert newest(tmp_path, url) == b"a\n1\n"


@pytest.mark.parametrize("left", ["", "{", None])
def test_a_file_whose_state_is_lost_is_fetched_once_more(
    left: str | None, web: tuple[Web, str], tmp_path: Path
) -> None:
    """As after a kill between the download and the state, and of files that were cached before there were states."""
    state, url = web
    newest(tmp_path, url)
    kept = tmp_path / ".table.csv.origin"
    kept.unlink() if left is None else kept.write_text(left)
    state.text = b"a\n2\n"
    assert newest(tmp_path, url) == b"a\n2\n"
    asked = state.asked
    assert newest(tmp_path, url) == b"a\n2\n"
    assert state.asked == asked + 1, "it is known now"


@pytest.mark.usefixtures("no_mirror")
@pytest.mark.parametrize("query", ["X-Signature=S3CR3T", "sig=a|S3CR3T", "sig=üS3CR3T", "a={S3CR3T}"])
def test_a_trace_shows_no_signature(query: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        download(tmp_path / "table.csv", f"http://127.0.0.1:9/table.csv?{query}")
    assert "S3CR3T" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.usefixtures("no_mirror")
def test_the_address_that_a_server_leads_to_is_a_secret_too(server: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="404") as caught:
        download(tmp_path / "table.csv", f"{server}/led")
    assert "S3CR3T" not in "".join(traceback.format_exception(caught.value))


def test_a_file_that_has_changed_in_the_mirror_is_copied_again(own_mirror: Path, tmp_path: Path) -> None:
    (own_mirror / "table.csv").write_bytes(b"a\n1\n")
    nowhere = "http://127.0.0.1:9/table.csv"
    assert newest(tmp_path / "cache", nowhere) == b"a\n1\n"
    (own_mirror / "table.csv").write_bytes(b"a\n2\n")
    assert newest(tmp_path / "cache", nowhere) == b"a\n2\n"
