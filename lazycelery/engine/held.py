"""Time in which this process did not run, as it was stopped or starved: the system and the broker keep what
comes meanwhile for as long as the connection holds, so that it was watched after all."""

from __future__ import annotations

from math import inf

from lazycelery.model.cluster import SourceHealth
from lazycelery.sources import AMQP
from lazycelery.store.rings import SUSPENDED

RABBIT = 60.0
"""Seconds, as `sources.amqp.events.TTL`."""


def kept_by(broker: str) -> float:
    """Seconds for which a broker keeps events for us. Redis keeps all of them, or ends the connection."""
    return RABBIT if broker.partition("://")[0] in AMQP else inf


class Held:
    """Of one engine. Its clock stands still while the machine sleeps, where the system has such a one."""

    def __init__(self, kept: float = inf) -> None:
        """`kept`: seconds for which the broker keeps events for us."""
        self._kept = kept
        self._looked: float | None = None
        self._owed = 0.0
        self._until = 0.0
        """When it ran again, epoch seconds."""
        self._gaps = 0

    def second(self, monotonic: float, now: float, events: SourceHealth) -> float:
        """A second is over. Returns seconds that were held, and turn out to have been watched now: the same
        connection has brought something since."""
        seen = 0.0
        connected = events.state == "connected"
        if self._owed and (not connected or events.gaps != self._gaps):
            self._owed = 0.0  # What came since it broke is lost.
        elif self._owed and events.last is not None and events.last > self._until:
            seen, self._owed = self._owed, 0.0
        passed = 0.0 if self._looked is None else monotonic - self._looked
        self._looked = monotonic
        if passed > SUSPENDED and connected:
            self._owed += min(passed, self._kept)
            self._until, self._gaps = now, events.gaps
        return seen
