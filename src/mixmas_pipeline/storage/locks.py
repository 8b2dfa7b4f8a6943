"""One run at a time on one data root.

On a disk the lock is the operating system's: it vanishes with the process, however that ends, and forked or spawned
workers do not hold it. An object store has no such lock; there a run holds a lease, an object that it refreshes while
it lives. The record of the holder lies below the data root: ``.run.json`` on a disk, the ``.run-<number>.json`` with
the highest number in a store. Reading needs no lock.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import shlex
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from mixmas_pipeline.storage.paths import as_path

if TYPE_CHECKING:
    from mixmas_pipeline.storage.paths import AnyPath

LOCK_FILE = ".run.lock"
HOLDER_FILE = ".run.json"
LEASE = re.compile(r"\.run-(\d{8})\.json")
# Seconds between two signs of life of a lease, and of silence after which it counts as dead.
BEAT, DEAD_AFTER = 30.0, 180.0

_log = logging.getLogger(__name__)
_held: set[DataRootLock] = set()  # by this process


def check_locks() -> None:
    """Raise ``DataRootBusy`` if a data root that this process has locked was lost to another run."""
    for lock in list(_held):
        lock.check()


class DataRootBusy(RuntimeError):
    """Another run works on the data root, has taken it over, or has saved newer versions; or it cannot be locked."""


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
            run: save version of the run. Default None, for a command that saves no versions.

        Raises:
            DataRootBusy: another process, or another session of this one, holds it; or a run with a later version
                was here, so that what this one saves would never be the newest; or the data root cannot be locked.
        """
        self._take()
        try:
            last = self._read().get("last_run")
            if run is not None and last is not None and run < last:
                raise DataRootBusy(
                    f"This run's versions ({run}) would be older than those of the last run on {self.root} ({last}), "
                    "so they would not be loaded. Either that run was started later and has ended before this one "
                    "began: run the same command again. Or this machine's clock was set back: run again after that "
                    f"time, or, if no version is newer than now, delete {self._holder_file()} there"
                )
            self._write({"last_run": run or last, "holder": _this_process()})
            _held.add(self)
        except BaseException:
            self.release()
            raise
        return self

    @abstractmethod
    def check(self) -> None:
        """Raise ``DataRootBusy`` if this run no longer holds the lock."""

    def release(self) -> None:
        """Let the next run begin."""
        _held.discard(self)
        try:
            self._write({**self._read(), "holder": None})
        except Exception as error:  # a full disk or a lost network, for example; the lock itself is what counts
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
        """Stop holding it."""

    @abstractmethod
    def _read(self) -> dict[str, Any]:
        """The record; {} if there is none."""

    @abstractmethod
    def _write(self, record: dict[str, Any]) -> None:
        """Replace the record."""

    @abstractmethod
    def _holder_file(self) -> str:
        """Name of the file or object that holds the record."""


class DiskLock(DataRootLock):
    """A lock of the operating system on a file in the data root's folder.

    Args:
        root: the data root; it is made if it does not exist.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        from filelock import FileLock

        self._folder = root
        # A soft lock (a file that exists) would outlive a killed run: better an error where there is no other.
        self._lock = FileLock(root / LOCK_FILE, timeout=0, thread_local=False, fallback_to_soft=False)
        self._file: tuple[int, int] | None = None

    def check(self) -> None:
        """Also when the file has been deleted: another run could lock a new one."""
        if not self._is_ours():
            raise DataRootBusy(
                f"The file {self._folder / LOCK_FILE} was deleted or replaced while this run held it, so another run "
                "may have begun. This one stops. Run the same command again when no other is running: it goes on from "
                "there"
            )

    def _is_ours(self) -> bool:
        """Whether the lock's file on the disk is the one that this run holds."""
        try:
            return self._file in (None, self._identity())
        except OSError:
            return True

    def _identity(self) -> tuple[int, int] | None:
        """Device and number of the lock's file; None if it does not exist."""
        try:
            found = (self._folder / LOCK_FILE).stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _take(self) -> None:
        from filelock import Timeout

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._file = self._identity()
        except Timeout:
            raise self._busy(self._read().get("holder")) from None
        except OSError as error:
            raise DataRootBusy(
                f"The data root {self.root} cannot be locked, which every run does first: {error}. It must be a folder "
                "that this user may write to, on a file system with locks (flock)"
            ) from error

    def _give_up(self) -> None:
        self._file = None
        self._lock.release()

    def _read(self) -> dict[str, Any]:
        return _parsed(lambda: (self._folder / HOLDER_FILE).read_bytes())

    def _write(self, record: dict[str, Any]) -> None:
        if not self._is_ours():
            return  # the record is that of another run
        partial = self._folder / f"{HOLDER_FILE}.partial"
        try:
            partial.write_text(json.dumps(record, indent=1))
            partial.replace(self._folder / HOLDER_FILE)
        except OSError as error:
            raise DataRootBusy(f"{partial} cannot be written, as every run does first: {error}") from error

    def _holder_file(self) -> str:
        return HOLDER_FILE


class LeaseLock(DataRootLock):
    """A lease on object storage: a numbered object, refreshed by a thread.

    The highest number is the lease. A run takes it by creating the next number, which must not exist yet: the store
    lets only one of several runs do that. It then writes to no object but its own, so that it can never overwrite
    another's lease.

    A lease is weaker than a lock: one that is silent for ``DEAD_AFTER`` counts as dead, so a run that was cut off for
    so long may find that another has taken the data root; ``check`` then raises. A dead run of this machine is
    recognised at once. The clocks of the machines that share a data root must agree to a minute.

    Args:
        url: the data root.
        clock: seconds since 1970. Default ``time.time``.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(url)
        from fsspec.core import url_to_fs

        self._storage, path = url_to_fs(url)
        self._folder = path.rstrip("/")
        self._clock = clock
        self._number = 0
        self._record: dict[str, Any] = {}
        self._process = os.getpid()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_beat = 0.0
        self._lost = ""

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
        """Refresh the lease, unless another run has taken the data root."""
        newest = self._numbers()[-1]
        if newest != self._number:
            holder = self._read_number(newest).get("holder") or {}
            self._lost = f"{holder.get('command', 'another run')!r} has taken it over"
            self._stop.set()
        else:
            self._write(self._record)

    def release(self) -> None:
        self._give_up()  # no sign of life may follow the end
        if not self._lost:
            super().release()
        _held.discard(self)

    def _take(self) -> None:
        numbers = self._numbers()
        before = self._read_number(numbers[-1])
        if before.get("holder") and not self._is_dead(before):
            silent = max(0.0, self._clock() - before["beat"])
            raise self._busy(
                before["holder"],
                f" It gave its last sign of life {silent:.0f} s ago; after {DEAD_AFTER:.0f} s of silence it counts as "
                "dead.",
            )
        self._number = numbers[-1] + 1
        self._record = {"last_run": before.get("last_run"), "holder": _this_process(), "token": uuid4().hex}
        # Its own object, if the store's answer was lost and the request was sent again.
        if not self._create() and (other := self._read_number(self._number)).get("token") != self._record["token"]:
            raise self._busy(other.get("holder"))
        try:
            self._confirm()
        except BaseException:
            self._storage.rm_file(self._object(self._number))
            raise
        self._last_beat = self._clock()
        for number in numbers[1:]:
            with contextlib.suppress(OSError):  # one that stays does no harm: it is not the highest
                self._storage.rm_file(self._object(number))
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def _confirm(self) -> None:
        """Raise ``DataRootBusy`` if the object that was just created is not the lease."""
        if self._create():
            raise DataRootBusy(
                f"The data root {self.root} cannot be locked, which every run does first: this store overwrites an "
                "object that was to be created only if it does not exist (If-None-Match: *). Use a store that refuses "
                "that, as Amazon S3 and Google Cloud Storage do, or mount this one and give the folder as data_root"
            )
        newest = self._numbers()[-1]
        if newest != self._number:  # others have taken, released and cleared away this number since it was looked up
            raise self._busy(self._read_number(newest).get("holder"))

    def _create(self) -> bool:
        """Create this run's object, unless it exists."""
        try:
            self._storage.pipe_file(self._object(self._number), self._lease(), mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno == errno.EINVAL:  # a store's answer 412, if it does not name the condition as Amazon's does
                return False
            raise
        return True

    def _give_up(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _keep(self) -> None:
        while not self._stop.wait(BEAT):
            try:
                self.beat()
            except Exception as error:  # a network may fail for a while; ``check`` says when it was too long
                _log.warning("The lease on %s could not be refreshed, and is tried again: %s", self.root, error)

    def _numbers(self) -> list[int]:
        """0, and the numbers of all leases in the store, ascending."""
        self._storage.invalidate_cache()
        try:
            names = self._storage.ls(self._folder, detail=False)
        except FileNotFoundError:
            return [0]
        matches = [LEASE.fullmatch(Path(name).name) for name in names]
        return [0, *sorted(int(match[1]) for match in matches if match)]

    def _read(self) -> dict[str, Any]:
        return self._record

    def _read_number(self, number: int) -> dict[str, Any]:
        return _parsed(lambda: self._storage.cat_file(self._object(number)))

    def _write(self, record: dict[str, Any]) -> None:
        self._record = record
        self._storage.pipe_file(self._object(self._number), self._lease())
        self._last_beat = self._clock()

    def _lease(self) -> bytes:
        return json.dumps({**self._record, "beat": self._clock()}, indent=1).encode()

    def _object(self, number: int) -> str:
        return f"{self._folder}/.run-{number:08d}.json"

    def _holder_file(self) -> str:
        return Path(self._object(self._number)).name

    def _is_dead(self, lease: dict[str, Any]) -> bool:
        holder, here = lease["holder"], _this_process()
        if here["machine"] and holder["machine"] == here["machine"]:
            return _started(holder["pid"]) != holder["started"]
        return self._clock() - lease["beat"] > DEAD_AFTER


def data_root_lock(root: AnyPath) -> DataRootLock:
    """The lock for a data root: a folder of this machine, or one in an object store."""
    return DiskLock(root) if isinstance(root, Path) else LeaseLock(str(root))


@contextmanager
def locked(root: AnyPath) -> Iterator[None]:
    """Hold the data root while something is done that saves no versions."""
    lock = data_root_lock(root).acquire()
    try:
        yield
    finally:
        lock.release()


def data_root(globals_: dict[str, Any], project: Path) -> AnyPath:
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
    path = as_path(root)
    return project / path if isinstance(path, Path) else path


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
    """Identifies this machine since its start, and its set of process numbers (a container has another); empty if the
    system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Start time of a process of this machine, in the kernel's ticks; empty if no such process runs. It distinguishes
    two processes that had the same number one after the other."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]  # killed, and not yet collected by its parent


def _parsed(read: Callable[[], bytes]) -> dict[str, Any]:
    try:
        record = json.loads(read())
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
