"""Downloads from a server on this machine: whole, broken off, refused, and not HTTP at all."""

from __future__ import annotations

import gzip
import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from kedro.io import DatasetError

from mixmas_pipeline.storage.downloads import fetch

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()

pytestmark = pytest.mark.usefixtures("no_mirror")


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT in the manner that the path names."""

    def do_GET(self) -> None:
        body = gzip.compress(CONTENT) if self.path.endswith(".gz") else CONTENT
        if "missing" in self.path:
            self.send_error(404)
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


def download(cached: Path, url: str, sha256: str | None = SHA256) -> Path:
    """``fetch`` from an address."""
    return fetch(cached, mirror="set/file", url=url, sha256=sha256)


@pytest.mark.parametrize("name", ["table.csv", "unsized.csv", "digits.gz", "unsized.gz"])
def test_download(name: str, server: str, tmp_path: Path) -> None:
    cached = download(tmp_path / "raw" / name, f"{server}/{name}")
    content = cached.read_bytes()
    assert (gzip.decompress(content) if name.endswith("gz") else content) == CONTENT
    assert sorted(path.name for path in cached.parent.iterdir()) == [f".{name}.verified", name]
    assert download(cached, "http://127.0.0.1:9/gone") == cached, "a cached file asks nobody"


@pytest.mark.parametrize("sha256", [SHA256, None], ids=["hash", "any content"])
def test_download_that_breaks_off(sha256: str | None, server: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        download(tmp_path / "raw" / "half.csv", f"{server}/half.csv", sha256)
    assert f"{server}/half.csv" in str(caught.value)
    assert f"after {len(CONTENT) // 2} of {len(CONTENT)} bytes" in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


def test_chunked_download_that_breaks_off(server: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        download(tmp_path / "raw" / "chunked.csv", f"{server}/chunked.csv", None)
    assert f"{server}/chunked.csv" in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


def test_download_of_other_content(server: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        download(tmp_path / "raw" / "table.csv", f"{server}/table.csv", "0" * 64)
    for part in (f"{server}/table.csv", SHA256, "expected " + "0" * 64):
        assert part in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


def test_address_that_does_not_exist(server: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"404.*MIXMAS_MIRROR") as caught:
        download(tmp_path / "raw" / "missing.csv", f"{server}/missing.csv")
    assert "'set/file'" in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


def test_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/table.csv"
        with pytest.raises(DatasetError) as caught:
            download(tmp_path / "raw" / "table.csv", url)
    for part in (url, "could not be downloaded", "MIXMAS_MIRROR", "'set/file'"):
        assert part in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


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
        with pytest.raises(DatasetError) as caught:
            download(tmp_path / "raw" / "table.csv", url)
        thread.join(timeout=10)
    assert url in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []
