"""Other sessions at the same object: told in the plan, and waited for before acting.

Sessions know of each other by the audit log they share: those of one user on one machine, or all whose
`audit_file` is the same file.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from lazycelery.actions.audit import INTENT, REFUSED, AuditLog
from lazycelery.model.action import AuditEntry

RECENT = 300.0
"""Seconds for which it matters to others what somebody did."""
ABROAD = 60.0
"""Seconds for which an action of another machine is believed to run on, when no outcome was written."""
MOST = 500
"""Lines of the log that are looked at."""
TOLD = 3


class Neighbours:
    """What other sessions did and do to the same cluster. `session` is this one's name in the log."""

    def __init__(self, audit: AuditLog, broker: str, session: str) -> None:
        self._audit, self._broker, self.session = audit, broker, session

    @property
    def mark(self) -> dict[str, Any]:
        """How this session signs its lines."""
        return {"session": self.session, "pid": os.getpid()}

    def warnings(self, objects: Iterable[str], now: float) -> list[str]:
        """Sentences about what others did lately, or are doing, to any of these objects."""
        found = []
        for entry, running in self._others(set(objects), now, now - RECENT):
            who, ago = f"{entry.user}@{entry.host}", _ago(now - entry.time)
            if running:
                found.append(f"{who} is at it now, in another session: {entry.title} (begun {ago} ago).")
            elif entry.outcome != INTENT:
                found.append(
                    f"{who} did this {ago} ago, in another session: {entry.title} ({entry.outcome})."
                )
        return found[:TOLD]

    def changed_since(self, objects: Iterable[str], since: float, now: float) -> AuditEntry | None:
        """What another session has done to one of these objects since a plan was made, if anything."""
        for entry, running in self._others(set(objects), now, since):
            if not running and entry.outcome not in (INTENT, REFUSED):
                return entry
        return None

    def ahead(self, objects: Iterable[str], plan_id: str, now: float) -> AuditEntry | None:
        """What another session began before our own line of this plan, and has not ended."""
        mine = False
        ended: set[object] = set()
        wanted = set(objects)
        for entry in self._lines(now - RECENT):
            other = entry.plan.get("id")
            if entry.outcome != INTENT:
                ended.add(other)
            elif other == plan_id:
                mine = True
            elif mine and other not in ended and self._foreign(entry, wanted) and _runs(entry, now):
                return entry
        return None

    def _others(self, wanted: set[str], now: float, since: float) -> Iterator[tuple[AuditEntry, bool]]:
        """Entries of other sessions, newest first, one an action, and whether it still runs."""
        ended: set[object] = set()
        for entry in self._lines(since):
            plan_id = entry.plan.get("id")
            if entry.outcome not in (INTENT, REFUSED):
                ended.add(plan_id)
            if not self._foreign(entry, wanted) or entry.outcome == REFUSED:
                continue
            if entry.outcome != INTENT:
                yield entry, False
            elif plan_id not in ended:
                yield entry, _runs(entry, now)

    def _lines(self, since: float) -> Iterator[AuditEntry]:
        for entry in islice(self._audit.entries(), MOST):
            if entry.time and entry.time < since:
                return
            yield entry

    def _foreign(self, entry: AuditEntry, wanted: set[str]) -> bool:
        if entry.broker != self._broker or entry.plan.get("session") in (None, self.session):
            return False
        return not wanted.isdisjoint(entry.targets) or entry.plan.get("queue") in wanted


def _runs(entry: AuditEntry, now: float) -> bool:
    """Whether whoever began it may still be at it."""
    pid = entry.plan.get("pid")
    if entry.host != socket.gethostname() or not isinstance(pid, int):
        return now - entry.time < ABROAD
    return _alive(pid)


def _alive(pid: int) -> bool:
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ago(seconds: float) -> str:
    seconds = max(0, round(seconds))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
