"""Queues that are held: who consumed them before, kept on disk so that any session can put it back."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from lazycelery.actions.context import Context
from lazycelery.actions.files import (
    claimed,
    make_private_directory,
    open_private,
    state_directory,
    sync_directory,
    write_all,
)
from lazycelery.errors import Refused
from lazycelery.model.hold import HeldAt, Hold
from lazycelery.model.reports import ActiveQueue, WorkerReport

PATIENCE = 5.0
"""Seconds for another session to write the list; it takes milliseconds."""
SAME_START = 5.0
"""Seconds by which two reckonings of a worker's start may differ: it tells its uptime in whole seconds."""


class Holds:
    """The held queues of one cluster: a private file in the state directory, replaced as a whole.

    What goes wrong with the file is `Refused`: nothing is held that could not be put back.
    """

    def __init__(self, context: Context) -> None:
        place = context.broker.partition("://")[2].rpartition("@")[2] + f"|{context.profile.prefix or ''}"
        name = hashlib.sha256(place.encode()).hexdigest()[:16]
        self.path = state_directory() / "holds" / f"{name}.json"

    def read(self) -> dict[str, Hold]:
        """Held queues by name."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._trouble("read", error) from error
        try:
            return msgspec.json.decode(data, type=dict[str, Hold])
        except msgspec.MsgspecError as error:
            raise Refused(
                f"{self.path} cannot be read: {error}.",
                "It tells who consumed the held queues; mend or move it.",
            ) from error

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, Hold]]:
        """Held queues to change; written and on the disk when the block ends. One session at a time."""
        try:
            make_private_directory(self.path.parent)
            with _locked(self.path.with_suffix(".lock")):
                holds = self.read()
                yield holds
                self._write(holds)
        except OSError as error:
            raise self._trouble("written", error) from error

    def _write(self, holds: dict[str, Hold]) -> None:
        new = self.path.with_suffix(f".{os.getpid()}.new")
        descriptor = open_private(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            write_all(descriptor, msgspec.json.encode(holds))
        finally:
            os.close(descriptor)
        new.replace(self.path)
        sync_directory(self.path.parent)

    def _trouble(self, what: str, error: OSError) -> Refused:
        return Refused(
            f"The list of held queues {self.path} cannot be {what}: {error.strerror or error}.",
            "Make room or mend its permissions: nothing is held that could not be put back.",
        )


def seen_at(report: WorkerReport, queue: ActiveQueue) -> HeldAt:
    """A worker's present incarnation, and how it declares a queue."""
    return HeldAt(pid=report.stats.pid if report.stats else None, started=started(report), queue=queue)


def started(report: WorkerReport) -> float | None:
    """When a worker began, our clock."""
    uptime = report.stats.uptime if report.stats is not None else None
    return None if uptime is None else report.at - uptime


def restarted(report: WorkerReport, held: HeldAt) -> float | None:
    """When a worker began anew since it was held; `None` when it did not, as far as it tells."""
    now, pid = started(report), report.stats.pid if report.stats is not None else None
    if now is None:
        return report.at if None not in (pid, held.pid) and pid != held.pid else None
    late = held.started is not None and now - held.started > SAME_START
    return now if late or (None not in (pid, held.pid) and pid != held.pid) else None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among all sessions of this machine, where the platform can. Raises `OSError` when another one,
    stopped in the middle perhaps, does not let go of it."""
    descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    try:
        deadline = time.monotonic() + PATIENCE
        while not claimed(descriptor):
            if time.monotonic() >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, "another session has it locked")
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def declaration(queue: ActiveQueue) -> dict[str, Any]:
    """What `add_consumer` must say so that a worker declares the queue exactly so."""
    told: dict[str, Any] = {"queue": queue.name}
    for key, value in (
        ("exchange", queue.exchange),
        ("exchange_type", queue.exchange_type),
        ("routing_key", queue.routing_key),
        ("queue_arguments", queue.arguments),
    ):
        if value is not None:
            told[key] = value
    return told
