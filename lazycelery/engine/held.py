"""Time in which this process did not run, as it was stopped or starved: the system and the broker keep what
comes meanwhile for as long as the connection holds, so that it was watched after all."""

from __future__ import annotations

from lazycelery.model.cluster import SourceHealth
from lazycelery.store.rings import SUSPENDED


class Held:
    """Of one engine. Its clock stands still while the machine sleeps, where the system has such a one."""

    def __init__(self) -> None:
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
            self._owed += passed
            self._until, self._gaps = now, events.gaps
        return seen
