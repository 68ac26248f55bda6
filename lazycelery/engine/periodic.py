"""When tasks of the beat schedule were sent, and by which process."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from lazycelery.model.event import Event

KEPT = 200
"""Sendings remembered by name."""
RECENT = 2000
LATE = 3.0
"""Seconds by which a sending may come later than the one before: more, and we or the stream were held up."""
SENDERS = 100


class Periodic:
    """Listens for the names it is told."""

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self.sent: dict[str, deque[tuple[float, str]]] = {}
        self.since: dict[str, float] = {}
        """From when on each name is listened for."""
        self.told = False
        """Whether a process tells what it sends of them."""
        self.told_since = 0.0
        self.off = 0.0
        """Seconds by which the clock of who sent last is behind ours."""
        self._offs: dict[str, float] = {}
        """The same by sender."""
        self._ids: dict[str, tuple[float, str] | None] = {}
        """Sendings that were told: their reception tells nothing new. A reception that came first, as a fast
        worker tells it before beat does: what was noted of it, until its sender is known."""

    def listen(self, names: set[str], now: float = 0.0) -> None:
        """These names are scheduled now."""
        if names != self.names:
            self.since = {name: self.since.get(name, now) for name in names}
            self.names = frozenset(names)
            self.sent = {name: times for name, times in self.sent.items() if name in names}

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        self.sent = {
            name: deque(((at + by, sender) for at, sender in times), KEPT)
            for name, times in self.sent.items()
        }
        self.since = {name: at + by for name, at in self.since.items()}
        self.told_since, self.off = self.told_since + by, self.off + by
        self._offs = {sender: off + by for sender, off in self._offs.items()}
        self._ids = {uuid: one and (one[0] + by, one[1]) for uuid, one in self._ids.items()}

    def take(self, events: Sequence[Event]) -> None:
        """Note sendings, and receptions of what nobody told to have sent."""
        if not self.names:
            return
        for event in events:
            if (
                event.name in self.names
                and event.type in ("task-sent", "task-received")
                and not event.retries
            ):
                told = event.type == "task-sent"
                noted = self._ids.get(event.uuid or "")
                if event.uuid is None or (event.uuid in self._ids and not (told and noted)):
                    continue
                sender = event.hostname if told else ""
                if sender:
                    self._tells(event)
                one = (event.received or event.timestamp, sender)
                self._ids[event.uuid] = None if told else one
                if len(self._ids) > RECENT:
                    del self._ids[next(iter(self._ids))]
                times = self.sent.setdefault(str(event.name), deque(maxlen=KEPT))
                if noted is None:
                    times.append(one)
                elif noted in times:
                    times[times.index(noted)] = (noted[0], sender)

    def _tells(self, event: Event) -> None:
        received = event.received or event.timestamp
        if not self.told:
            self.told, self.told_since = True, received
        self.off = received - event.timestamp
        if abs(self.off - self._offs.get(event.hostname, self.off)) > LATE:
            self.told_since = received  # It came late, or a clock was set: what we noted proves nothing.
        self._offs[event.hostname] = self.off
        if len(self._offs) > SENDERS:
            del self._offs[next(iter(self._offs))]
