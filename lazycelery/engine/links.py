"""The health of the four sources, as the header and the notices tell it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from lazycelery.errors import LazyCeleryError
from lazycelery.model.cluster import SourceHealth
from lazycelery.sources.protocols.status import StatusChange

BACKOFF = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between tries to connect; the last one stays."""


def backoff() -> Iterator[float]:
    """Waiting times with jitter, so that many monitors do not come back at once."""
    at = 0
    while True:
        yield BACKOFF[min(at, len(BACKOFF) - 1)] * random.uniform(0.8, 1.2)
        at += 1


class Links:
    """One `SourceHealth` a source, and a call whenever one of them changes."""

    def __init__(self, clock: Callable[[], float], changed: Callable[[], None]) -> None:
        self._clock = clock
        self._changed = changed
        self.told: Callable[[str, StatusChange], None] = lambda _name, _change: None
        """Wired from outside: hears what a source says of its link."""
        self._were_up: set[str] = set()
        self._recorded: set[str] = set()
        """Sources of which a recording tells how their links were."""
        now = clock()
        self._by_name = {
            name: SourceHealth(name=name, since=now) for name in ("broker", "events", "control", "results")
        }

    def __getitem__(self, name: str) -> SourceHealth:
        return self._by_name[name]

    def all(self) -> list[SourceHealth]:
        """In a fixed order: broker, events, control, results."""
        return list(self._by_name.values())

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        for health in self._by_name.values():
            for name in ("since", "last", "next_try"):
                at = getattr(health, name)
                if at is not None:
                    setattr(health, name, at + by)

    def heard(self, name: str) -> None:
        """Data came from a source."""
        self._by_name[name].last = self._clock()

    def tell(self, name: str, change: StatusChange) -> None:
        """Note what a source says of its link."""
        health = self._by_name[name]
        if change.state == "connected" and health.state != "connected":
            # However it went meanwhile (lost, refused, begun anew), nothing was seen in between.
            health.gaps += name in self._were_up
            self._were_up.add(name)
        said = (health.state, health.reason, health.hint, health.next_try)
        if health.state != change.state:
            health.since = self._clock() if change.at is None else change.at
        health.state, health.reason = change.state, change.reason
        health.hint, health.next_try = change.hint, change.next_try
        health.code = change.code
        self.told(name, change)
        if said != (change.state, change.reason, change.hint, change.next_try):
            self._changed()

    def as_recorded(self, name: str, change: StatusChange) -> None:
        """How a source's link was, as a recording tells; from now on nothing else brings it back."""
        health = self._by_name[name]
        if change.state == "refused":  # It had never been reached: only the recording was.
            health.last = None
            self._were_up.discard(name)
        elif health.state == "connected" and change.state != "connected":
            health.last = change.at  # Until then it answered.
        self._recorded.add(name)
        self.tell(name, change)

    def up(self, name: str) -> None:
        """A source answers."""
        if name in self._recorded and self._by_name[name].state != "connected":
            return  # A recording can always be read: that says nothing of the source.
        self.heard(name)
        self.tell(name, StatusChange("connected"))

    def unanswered(self, name: str, why: str) -> None:
        """A source can be asked, and answers nothing: its last fault is over. A recording tells itself."""
        if name not in self._recorded and self._by_name[name].state != "connected":
            self.tell(name, StatusChange("off", "", why))

    def down(self, name: str, problem: LazyCeleryError, next_try: float | None = None) -> None:
        """A source does not answer; `lost` if it ever did, else `refused`."""
        known = self._by_name[name]
        state = "lost" if known.last is not None else "refused"
        self.tell(name, StatusChange(state, problem.title, problem.hint, next_try, problem.code))  # type: ignore[arg-type]
