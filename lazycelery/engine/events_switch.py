"""Task events that this session switched on, and how they are put back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from lazycelery.actions.audit import AuditLog, whoami
from lazycelery.errors import LazyCeleryError
from lazycelery.model.action import AuditEntry, Outcome
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.sources.control import Control
from lazycelery.sources.protocols.mailbox import Replies

logger = logging.getLogger(__name__)

Log = Callable[[str, list[str]], Awaitable[None]]
"""Writes a title and the workers into the audit log; raises `Refused` when it cannot."""
SWITCHED_ON = "task events enabled"
"""What a worker answers when the call changed something; with -E it says "already enabled"."""


class EventsSwitch:
    """Remembers which workers were silent before us: only those are silenced at the end."""

    def __init__(self, control: Control, may: Callable[[], bool], log: Log, held: bool = False) -> None:
        self._control, self._may, self._log = control, may, log
        self.held = held
        """Whether this session wants events on: workers that come later are switched on too."""
        self._ours: set[str] = set()

    def note(self, outcome: Outcome) -> None:
        """Take over what the events action did."""
        answers = [item.replies for item in outcome.items]
        for replies in answers:
            for worker, answer in replies.items():
                self._take(worker, answer)

    def _take(self, worker: str, answer: object) -> None:
        said = str(answer.get("ok", "")) if isinstance(answer, dict) else str(answer)
        if said == SWITCHED_ON:
            self._ours.add(worker)
            self.held = True
        elif said == "task events disabled":
            self._ours.discard(worker)
            self.held = bool(self._ours)

    async def on_new_workers(self, names: list[str]) -> None:
        """Switch events on for workers that came later, while this session holds them on."""
        if not self.held or not self._may():
            return
        try:
            await self._log("Task events on for workers that came later", names)
            replies: Replies = await self._control.set_events(True, destination=names)
        except LazyCeleryError as problem:
            logger.warning("events on for new workers: %s", problem.title)
            return
        for reply in replies.replies:
            self._take(reply.worker, reply.value)

    async def restore(self) -> None:
        """Silence again whom we made talk. Raises `LazyCeleryError`."""
        if self._ours:
            names = sorted(self._ours)
            await self._log("Task events off again, as they were before this session", names)
            await self._control.set_events(False, destination=names)
            self._ours.clear()


def noted(audit: AuditLog, profile: Profile, redactor: Redactor, clock: Callable[[], float]) -> Log:
    """What the engine switches by itself is in the audit log too."""

    async def log(title: str, workers: list[str]) -> None:
        user, host, origin = whoami()
        entry = AuditEntry(
            time=clock(),
            user=user,
            host=host,
            origin=origin,
            profile=profile.name,
            broker=redactor.url(profile.broker),
            action="events",
            title=title,
            targets=workers,
            outcome="automatic",
        )
        await asyncio.to_thread(audit.append, entry)

    return log
