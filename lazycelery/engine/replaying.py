"""What an engine does otherwise when its broker is a recording."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from lazycelery.model.profile import Profile
from lazycelery.model.reports import QueueReport
from lazycelery.sources.protocols.mailbox import Mailbox
from lazycelery.sources.protocols.status import StatusChange

if TYPE_CHECKING:
    from lazycelery.engine.parts import Parts

OFTEN = 0.2
"""Seconds between two looks at the most."""
LOOKS = 2.0
"""Seconds of ours for which levels stand: they are looked at once a second."""


def as_replayed(profile: Profile, speed: float) -> Profile:
    """Read-only for good, without history; looks come as often as they did in the recording's time."""
    pace = max(1.0, speed)
    return msgspec.structs.replace(
        profile,
        allow=[],
        may_unlock=[],
        backend=None,
        beat=None,
        history=False,
        recorder=False,
        alerts=[],
        rules=[],
        record=None,
        enable_events=False,
        refresh=max(OFTEN, profile.refresh / pace),
        control_refresh=max(OFTEN, profile.control_refresh / pace),
    )


class Companion:
    """Goes along with a recording: the store's seconds are those of the recording, at any pace."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._asking: list[asyncio.Future[None]] = []

    def linked(self, name: str, change: StatusChange) -> None:
        """The broker was reached, or the workers were, or no more."""
        self._parts.links.as_recorded(name, change)
        self._parts.watch.hearing.note()
        if name == "broker":
            self._parts.examiner.as_recorded(change)

    async def answered(self, mailbox: Mailbox, what: Sequence[str], asked: float, at: float) -> None:
        """What workers told is the same at any pace, and on the way to another moment."""
        await self._parts.watch.rounds.told(mailbox, what, asked, at)

    def looked(self, reports: Sequence[QueueReport]) -> None:
        """What was seen of the queues, likewise."""
        self._parts.store.apply_queues(reports)
        self._parts.watch.hearing.note()

    def second(self, at: float) -> None:
        """A second of the recording is over."""
        parts = self._parts
        parts.second(at)
        parts.meter.played(at, parts.store.counted(), LOOKS * max(1.0, parts.pace()))

    async def passed(self) -> None:
        """It is between two frames."""
        if self._parts.rewinder is not None:
            await self._parts.rewinder.passed(self._parts)

    def turned(self) -> None:
        """Faces should look."""
        self._parts.changes.status()

    def arrived(self) -> None:
        """Queues are looked at again: some were named since, of which nobody told."""
        self._parts.changes.status()
        watch = self._parts.watch
        self._asking = [asyncio.ensure_future(self._parts.examiner.anew())]
        if watch.first_truth.is_set():
            self._asking.append(asyncio.ensure_future(watch.looks.probe()))
