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
from lazycelery.actions.journal import Header, Item
from lazycelery.errors import LazyCeleryError, Refused
from lazycelery.model.action import AuditEntry
from lazycelery.model.bulk import Bulk, BulkItem
from lazycelery.model.counting import agreed
from lazycelery.model.profile import Profile

TAGGED = 60
"""Newest files of which the tags are known."""


class PlanFiles:
    """What a session asks of them. `broker` is its URL without credentials."""

    def __init__(self, audit: AuditLog, profile: Profile, broker: str, clock: Callable[[], float]) -> None:
        self._audit, self._profile, self.broker, self._clock = audit, profile, broker, clock

    async def all(self, everywhere: bool = False) -> list[Bulk]:
        """Those of this broker, or of any, newest first, without their targets."""
        return await asyncio.to_thread(lambda: list(_every(None if everywhere else self.broker)))

    async def tags(self) -> dict[str, str]:
        """The tag by which each new task of this broker's plans was, or will be, sent; the oldest first."""
        return await asyncio.to_thread(self._tags)

    def _tags(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for path in journal.files()[-TAGGED:]:
            with contextlib.suppress(Refused):
                header, items, _ = journal.read(path)
                if header.broker == self.broker and header.tag:
                    found |= {
                        item.new_id or item.target: header.tag for item in items if _tells(header, item)
                    }
        return found

    async def tidy(self, known: Sequence[Bulk]) -> None:
        """Finish what a crash left: halves of files, and messages in plans whose work is done."""
        await asyncio.to_thread(_tidy, known)

    async def one(self, plan: str) -> Bulk:
        """One with its targets, of any broker. Raises `NothingFound`."""
        return await asyncio.to_thread(lambda: any_of(journal.find(plan), whole=True))

    async def discard(self, plan: str) -> Bulk:
        """Remove one; what is left in it is not done any more. Logged first. A damaged one is kept aside.

        Raises `NothingFound`, and `Refused` while it is carried out."""
        return await asyncio.to_thread(self._discard, journal.find(plan))

    def _discard(self, path: Path) -> Bulk:
        try:
            gone = any_of(path)
            descriptor = os.open(path, os.O_RDWR)
            try:
                if not claimed(descriptor):  # Ours until it is gone: nobody takes it up meanwhile.
                    raise Refused(f"Plan {gone.id} is being carried out.", "Stop it first.")
                self._audit.append(self._entry(gone))
                if gone.state == "damaged":
                    gone.path = str(journal.set_aside(path))
                else:
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
            proof=gone.why
            if gone.state == "damaged"
            else f"{gone.waiting:,} waited in it, {gone.doubtful:,} {agreed(gone.doubtful, 'were')} in doubt",
            origin=origin,
        )


def backups() -> set[str]:
    """Parts of backups that belong to a plan which can be gone on with."""
    found = set[str]()
    for path in journal.files():
        if path.suffix == journal.OPEN:
            with contextlib.suppress(Refused):
                backup = journal.read(path)[0].params.get("backup")
                found |= {f"{backup}.part"} if backup else set()
    return found


def taken_back(part: Path) -> None:
    """What a plan did was taken back, from this part of its backup: nothing is left to be done."""
    for path in journal.files():
        with contextlib.suppress(LazyCeleryError, OSError):
            if path.suffix == journal.OPEN and journal.read(path)[0].params.get("backup") == _whole(part):
                work = journal.Journal.take_up(journal.id_of(path))
                try:
                    left = [item for item in work.items if item.state in ("waiting", "doubt")]
                    work.tell(dropped=left, why="what it did was taken back")
                finally:
                    work.close()


def _whole(part: Path) -> str:
    return str(part).removesuffix(".part")


def any_of(path: Path, whole: bool = False) -> Bulk:
    """The same of a file that may be damaged: what its name and its first line tell, and why."""
    try:
        return bulk_of(path, whole)
    except Refused as error:
        known = journal.head(path)
        return Bulk(
            id=journal.id_of(path),
            action=journal.action_of(path),
            title=known.title if known else "Unknown",
            created=known.time if known else _written(path),
            user=known.user if known else "",
            host=known.host if known else "",
            profile=known.profile if known else "",
            broker=known.broker if known else "",
            state="damaged",
            total=known.count if known else 0,
            why=error.title,
            path=str(path),
        )


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


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
        noun="task" if header.action in ("retry", "revoke") else "message",
        backup=str(header.params.get("backup") or ""),
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
        bulk = any_of(path)
        if broker is None or bulk.broker in (broker, ""):
            yield bulk


def _tells(header: Header, item: Item) -> bool:
    """Whether a plan's tag finds a task: the new one of a retry, one that was moved."""
    return item.new_id is not None or (header.action != "revoke" and item.state == "done")


def _shown(item: Item) -> BulkItem:
    return BulkItem(
        target=item.target, state=item.state, name=item.name, queue=item.queue, new_id=item.new_id
    )


def _busy(path: Path) -> bool:
    try:
        return being_written(path)
    except OSError:
        return False
