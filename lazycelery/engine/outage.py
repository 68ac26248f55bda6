"""After the broker was gone, its workers come back one by one, and after we stood still ourselves, they are
yet to be heard: their silence says nothing then."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from lazycelery.model.finding import Finding

LONGEST_PAUSE = 30.0
"""Seconds between two tries of a worker at the most: Kombu waits 2, 4, 6 … seconds."""
SETTLING = 10.0
"""Seconds that a worker takes from its connection to its first heartbeats, on a busy machine."""
OF_WORKERS = frozenset(
    {
        "no-workers",
        "worker-lost",
        "worker-deaf",
        "worker-busy-control",
        "queue-without-consumer",
        "message-orphaned",
        "beat-missing",
    }
)
"""Failure modes that judge by workers that do not speak."""
OF_ABSENCE = frozenset({"worker-lost", "no-workers", "queue-without-consumer", "beat-missing"})
"""Of these, those which say that somebody is not there: who was not before is not until heard."""


class Outage:
    """Told at each examination whether the broker is there."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._back, self._until = 0.0, 0.0
        self._what, self._their = "The broker came back", "its"
        self._blocked = False
        self._before: set[tuple[str, str]] = set()
        """Code and subject of what was found before it, and was not seen to be over since."""

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        self._began = None if self._began is None else self._began + by
        if self._until:
            self._back, self._until = self._back + by, self._until + by

    def note(
        self,
        connected: bool,
        lost: bool,
        now: float,
        *,
        blocked: bool = False,
        present: Collection[tuple[str, str]] = (),
    ) -> None:
        """The broker's link as it is now: there, or lost after all, or `blocked`: it takes no messages from
        anybody, so that workers cannot tell of themselves. `present`: code and subject of all that the
        examination before found."""
        self._blocked = blocked
        lost, connected = lost or blocked, connected and not blocked
        if lost and self._began is None:
            self._remember(present, now)
            self._began = now
        elif connected and self._began is not None:
            away = max(0.0, now - self._began)
            self._began, self._back = None, now
            self._until = now + min(LONGEST_PAUSE, 2 * math.sqrt(away) + 2) + SETTLING
            self._what, self._their = "The broker came back", "its"

    def woke(self, now: float, present: Collection[tuple[str, str]] = ()) -> None:
        """We stood still ourselves, or the clock was set: what was sent meanwhile is yet to be read.
        `present` as with `note`."""
        if self._began is None:
            self._remember(present, now)
        if now + SETTLING > self._until or not self._back <= now:
            self._back, self._until = now, now + SETTLING
            self._what, self._their = "This monitor went on after a standstill", "the"

    def _remember(self, present: Collection[tuple[str, str]], now: float) -> None:
        known = {key for key in present if key[0] in OF_ABSENCE}
        again = self._back <= now < self._until  # The one before is hardly over: it may have hidden some.
        self._before = self._before | known if again else known

    def still(self, code: str, found: Sequence[Finding]) -> list[Finding]:
        """What holds of a hindered mode's findings: what was there before, without a break. Whoever was heard
        meanwhile is as unknown as all others, should it be silent again."""
        held = [finding for finding in found if (code, finding.subject) in self._before]
        subjects = {finding.subject for finding in held}
        self._before = {key for key in self._before if key[0] != code or key[1] in subjects}
        return held

    def hinders(self, code: str, now: float) -> str | None:
        """Why a failure mode cannot be judged yet."""
        if code in OF_WORKERS and self._blocked:
            return "The broker takes no messages now: its workers can tell nothing of themselves."
        if code not in OF_WORKERS or not self._back <= now < self._until:
            return None
        return (
            f"{self._what} {now - self._back:.0f} s ago; "
            f"{self._their} workers may need {self._until - now:.0f} s more to be heard."
        )
