"""The plan files as a whole: which there are, what is left in each, and their end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lazycelery.actions import journal
from lazycelery.actions.audit import AuditLog, whoami
from lazycelery.actions.files import being_written, claimed
from lazycelery.actions.journal import Item
from lazycelery.errors import LazyCeleryError, Refused
from lazycelery.model.action import AuditEntry
from lazycelery.model.bulk import Bulk, BulkItem
from lazycelery.model.profile import Profile

TAGGED = 60
"""Newest files of which the tags are known."""


class PlanFiles:
    """What a session asks of them. `broker` is its URL without credentials."""

    def __init__(self, audit: AuditLog, profile: Profile, broker: str, clock: Callable[[], float]) -> None:
        self._audit, self._profile, self._broker, self._clock = audit, profile, broker, clock

    async def all(self, everywhere: bool = False) -> list[Bulk]:
        """Those of this broker, or of any, newest first, without their targets."""
        return await asyncio.to_thread(lambda: list(_every(None if everywhere else self._broker)))

    async def tags(self) -> dict[str, str]:
        """The tag by which each new task of this broker's plans was, or will be, sent; the oldest first."""
        return await asyncio.to_thread(self._tags)

    def _tags(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for path in journal.files()[-TAGGED:]:
            with contextlib.suppress(Refused):
                header, items, _ = journal.read(path)
                if header.broker == self._broker and header.tag:
                    found |= {item.new_id: header.tag for item in items if item.new_id}
        return found

    async def tidy(self, known: Sequence[Bulk]) -> None:
        """Finish what a crash left: halves of files, and messages in plans whose work is done."""
        await asyncio.to_thread(_tidy, known)

    async def one(self, plan: str) -> Bulk:
        """One with its targets, of any broker. Raises `NothingFound`, `Refused`."""
        return await asyncio.to_thread(lambda: bulk_of(journal.find(plan), whole=True))

    async def discard(self, plan: str) -> Bulk:
        """Remove one; what is left in it is not done any more. Logged first.

        Raises `NothingFound`, and `Refused` while it is carried out."""
        return await asyncio.to_thread(self._discard, journal.find(plan))

    def _discard(self, path: Path) -> Bulk:
        try:
            gone = bulk_of(path)
            descriptor = os.open(path, os.O_RDWR)
            try:
                if not claimed(descriptor):  # Ours until it is gone: nobody takes it up meanwhile.
                    raise Refused(f"Plan {gone.id} is being carried out.", "Stop it first.")
                self._audit.append(self._entry(gone))
                path.unlink()
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Refused(f"{path} cannot be removed: {error.strerror or error}.") from error
        return gone

    def _entry(self, gone: Bulk) -> AuditEntry:
        user, host, origin = whoami()
        return AuditEntry(
            time=self._clock(),
            user=user,
            host=host,
            profile=self._profile.name,
            broker=gone.broker,
            action="discard",
            title=f"Discard plan {gone.id}: {gone.title}",
            targets=[gone.id],
            outcome="done",
            proof=f"{gone.waiting:,} waited in it, {gone.doubtful:,} were in doubt",
            origin=origin,
        )


def bulk_of(path: Path, whole: bool = False) -> Bulk:
    """A plan file as people see it; with its targets when `whole`. Raises `Refused`."""
    header, items, why = journal.read(path)
    counts = {state: sum(item.state == state for item in items) for state in journal.STATES}
    over = counts["done"] + counts["dropped"] == len(items)
    return Bulk(
        id=header.plan,
        action=header.action,
        title=header.title,
        created=header.time,
        user=header.user,
        host=header.host,
        profile=header.profile,
        broker=header.broker,
        state="done" if over else "running" if _busy(path) else "stopped",
        tag=header.tag,
        rate=header.rate,
        total=len(items),
        done=counts["done"],
        doubtful=counts["doubt"],
        waiting=counts["waiting"],
        dropped=counts["dropped"],
        why=why,
        path=str(path),
        items=[_shown(item) for item in items] if whole else [],
    )


def _tidy(known: Sequence[Bulk]) -> None:
    journal.tidy(time.time())
    for each in known:
        if each.state == "done" and each.path.endswith(journal.OPEN):
            with contextlib.suppress(LazyCeleryError, OSError):  # Another session is at it.
                journal.Journal.take_up(each.id).close()


def _every(broker: str | None) -> Iterator[Bulk]:
    for path in reversed(journal.files()):
        with contextlib.suppress(Refused):
            bulk = bulk_of(path)
            if broker is None or bulk.broker == broker:
                yield bulk


def _shown(item: Item) -> BulkItem:
    return BulkItem(
        target=item.target, state=item.state, name=item.name, queue=item.queue, new_id=item.new_id
    )


def _busy(path: Path) -> bool:
    try:
        return being_written(path)
    except OSError:
        return False
