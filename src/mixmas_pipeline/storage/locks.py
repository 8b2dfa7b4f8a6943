"""One run at a time on one data root.

On a disk the lock is the operating system's: it vanishes with the process, however that ends, and forked or spawned
workers do not hold it. On object storage there is no such lock; there the run writes a lease, an object that it
refreshes as long as it lives. Who holds the lock can be read in ``.run.json`` below the data root in both cases.
Reading is never held up.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any, Self

import click

from mixmas_pipeline.storage.paths import place

if TYPE_CHECKING:
    from mixmas_pipeline.storage.paths import Place

LOCK_FILE = ".run.lock"
HOLDER_FILE = ".run.json"
# Seconds between two signs of life of a lease, and of silence after which it counts as dead.
BEAT, DEAD_AFTER = 30.0, 180.0
# Seconds after which a lease that was just written is read again: another's that was written meanwhile is seen.
SETTLE = 1.0

_log = logging.getLogger(__name__)
_held: set[DataRootLock] = set()  # by this process


def check_locks() -> None:
    """Raise ``DataRootBusy`` if a data root that this process has locked was lost to another run."""
    for lock in list(_held):
        lock.check()


class DataRootBusy(click.ClickException):
    """Another run works on the data root, has taken it over, or has saved newer versions. The command line shows the
    message without a trace."""


class DataRootLock(ABC):
    """Exclusive use of a data root by one run.

    Args:
        root: the data root, as the messages name it.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def acquire(self, run: str | None = None) -> Self:
        """Take the lock, or fail at once.

        Args:
            run: save version of the run; None for work that saves no versions.

        Raises:
            DataRootBusy: another process, or another session of this one, holds it; or a run with a later version
                has been here: what this one saves would never be the newest.
            OSError: the data root cannot be written to.
        """
        self._take()
        try:
            last = self._read().get("last_run")
            if run is not None and last is not None and run < last:
                raise DataRootBusy(
                    f"This run's versions ({run}) would be older than those of the last run on {self.root} ({last}), "
                    "so they would not be loaded. Either that run was started later and has ended before this one "
                    "began: run the same command again. Or this machine's clock was set back: run again after that "
                    f"time, or, if no version is newer than now, delete {HOLDER_FILE} there"
                )
            self._write({"last_run": run or last, "holder": _this_process()})
            _held.add(self)
        except BaseException:
            self._give_up()
            raise
        return self

    def check(self) -> None:
        """Raises ``DataRootBusy`` if this run holds the lock no longer. A lock on a disk cannot be lost."""
        return None

    def release(self) -> None:
        """Let the next run begin."""
        _held.discard(self)
        try:
            self._write({**self._read(), "holder": None})
        except DataRootBusy as error:  # a full disk, for example; the lock itself is what counts
            _log.warning("%s", error)
        finally:
            self._give_up()

    def _busy(self, holder: dict[str, Any] | None, state: str = "") -> DataRootBusy:
        who = "another run, which has not yet said who it is"
        stop = "stop it"
        if holder:
            who = "`{command}` (process {pid} on {host}, since {since})".format(**holder)
            stop = f"stop it there (kill {holder['pid']})"
        return DataRootBusy(
            f"The data root {self.root} is in use by {who}.{state} Two runs at once would mix their results. Wait "
            f"until it has ended, or {stop} and run this command again: it goes on from there. To run both at once, "
            "give this one another data root: data_root in the globals.yml of an environment of its own"
        )

    @abstractmethod
    def _take(self) -> None:
        """Hold the lock or raise."""

    @abstractmethod
    def _give_up(self) -> None:
        """Hold it no longer."""

    @abstractmethod
    def _read(self) -> dict[str, Any]:
        """The holder file; {} if there is none."""

    @abstractmethod
    def _write(self, record: dict[str, Any]) -> None:
        """Replace the holder file."""


class DiskLock(DataRootLock):
    """A lock of the operating system on a file in the data root's folder.

    Args:
        root: the data root; it is made when it is not there.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        from filelock import FileLock

        self._folder = root
        # A soft lock (a file that exists) would outlive a killed run: better an error where there is no other.
        self._lock = FileLock(root / LOCK_FILE, timeout=0, thread_local=False, fallback_to_soft=False)

    def _take(self) -> None:
        from filelock import Timeout

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise self._busy(self._read().get("holder")) from None
        except OSError as error:
            raise DataRootBusy(
                f"The data root {self.root} cannot be locked, which every run does first: {error}. It must be a folder "
                "that this user may write to, on a file system with locks (flock)"
            ) from error

    def _give_up(self) -> None:
        self._lock.release()

    def _read(self) -> dict[str, Any]:
        return _parsed(lambda: (self._folder / HOLDER_FILE).read_bytes())

    def _write(self, record: dict[str, Any]) -> None:
        partial = self._folder / f"{HOLDER_FILE}.partial"
        try:
            partial.write_text(json.dumps(record, indent=1))
            partial.replace(self._folder / HOLDER_FILE)
        except OSError as error:
            raise DataRootBusy(f"{partial} cannot be written, as every run does first: {error}") from error


class LeaseLock(DataRootLock):
    """A lease on object storage: the holder file itself, refreshed by a thread.

    It is weaker than a lock: a lease that is silent for ``DEAD_AFTER`` counts as dead, so a run that was cut off for
    so long may find its data root taken; ``check`` then raises. A dead run of this machine is known as such at once.
    The clocks of the machines that share a data root must agree to a minute.

    Args:
        url: the data root.
        clock: seconds since 1970. Default ``time.time``.
        settle: seconds before a lease that was just written is confirmed. Default ``SETTLE``.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time, settle: float = SETTLE) -> None:
        super().__init__(url)
        from fsspec.core import url_to_fs

        self._storage, path = url_to_fs(url)
        self._object = f"{path.rstrip('/')}/{HOLDER_FILE}"
        self._clock, self._settle = clock, settle
        self._token = uuid.uuid4().hex
        self._process = os.getpid()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_beat = 0.0
        self._lost = ""

    def _take(self) -> None:
        found = self._read()
        if (holder := found.get("holder")) and not self._is_dead(found):
            silent = max(0.0, self._clock() - found["beat"])
            raise self._busy(
                holder,
                f" It gave its last sign of life {silent:.0f} s ago; after {DEAD_AFTER:.0f} s of silence it counts as "
                "dead.",
            )

    def _write(self, record: dict[str, Any]) -> None:
        now = self._clock()
        lease = {**record, "beat": now, "token": self._token}
        self._storage.pipe_file(self._object, json.dumps(lease, indent=1).encode())
        self._last_beat = now
        if record["holder"] and self._thread is None:
            time.sleep(self._settle)
            found = self._read()
            if found.get("token") != self._token:
                raise self._busy(found.get("holder"))
            self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
            self._thread.start()

    def release(self) -> None:
        _held.discard(self)
        self._give_up()
        if self._read().get("token") == self._token:
            super().release()

    def check(self) -> None:
        if os.getpid() != self._process:  # a forked worker has no thread to hear of it; its driver does
            return
        if not self._lost and self._clock() - self._last_beat > DEAD_AFTER:
            self._lost = "the lease could not be refreshed for too long"
        if self._lost:
            raise DataRootBusy(
                f"This run has lost the data root {self.root}: {self._lost}. It stops before it mixes with another; "
                "what it finished is kept. Run the same command again when no other run is at work there"
            )

    def beat(self) -> None:
        """Refresh the lease, unless another has taken the data root."""
        found = self._read()
        if found.get("token") != self._token:
            self._lost = f"{(found.get('holder') or {}).get('command', 'another run')!r} has taken it over"
            self._stop.set()
        else:
            self._write({key: found[key] for key in ("last_run", "holder")})

    def _keep(self) -> None:
        while not self._stop.wait(BEAT):
            try:
                self.beat()
            except Exception as error:  # a network may fail for a while; ``check`` says when it was too long
                _log.warning("The lease on %s could not be refreshed, and is tried again: %s", self.root, error)

    def _give_up(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _read(self) -> dict[str, Any]:
        self._storage.invalidate_cache()
        return _parsed(lambda: self._storage.cat_file(self._object))

    def _is_dead(self, found: dict[str, Any]) -> bool:
        holder, here = found["holder"], _this_process()
        if here["machine"] and holder["machine"] == here["machine"]:
            return _started(holder["pid"]) != holder["started"]
        return self._clock() - found["beat"] > DEAD_AFTER


def data_root_lock(root: Place) -> DataRootLock:
    """The lock for a data root: a folder of this machine, or one in an object store."""
    return DiskLock(root) if isinstance(root, Path) else LeaseLock(str(root))


@contextmanager
def locked(root: Place) -> Iterator[None]:
    """Hold the data root while something is done that saves no versions."""
    lock = data_root_lock(root).acquire()
    try:
        yield
    finally:
        lock.release()


def data_root(globals_: dict[str, Any], project: Path) -> Place:
    """The data root that the configuration names; a relative path begins at the project folder.

    Args:
        globals_: ``config_loader["globals"]``.
        project: the project folder.

    Raises:
        ValueError: there is none.
    """
    root = globals_.get("data_root")
    if not isinstance(root, str) or not root:
        raise ValueError(f"data_root is {root!r} in conf/*/globals.yml; expected a folder or a URL")
    found = place(root)
    return project / found if isinstance(found, Path) else found


def _this_process() -> dict[str, Any]:
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    return {
        "command": f"{name} {shlex.join(sys.argv[1:])}",
        "host": gethostname(),
        "pid": os.getpid(),
        "since": datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": _machine(),
        "started": _started(os.getpid()),
    }


def _machine() -> str:
    """Tells this machine since its start, and its set of process numbers (a container has its own), from any other;
    empty where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process of this machine was started, in the kernel's ticks; empty if there is none. A number that was
    given to another process since is so told from the first."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]  # killed, and only not yet collected by its parent


def _parsed(read: Callable[[], bytes]) -> dict[str, Any]:
    try:
        record = json.loads(read())
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
