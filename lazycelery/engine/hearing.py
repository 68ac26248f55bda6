"""Whether a worker's silence means anything: not while events do not reach us, or nobody can send them."""

from __future__ import annotations

from collections.abc import Callable

from lazycelery.engine.links import Links
from lazycelery.sources.whole import WholeBroker
from lazycelery.store.store import Store

QUIET = 4.0
"""Seconds without any event, after which a broker that does not answer is thought to be cut off."""
UNNOTICED = 30.0
"""Seconds for which a broken link may go unnoticed: silence just before the break is ours, too."""


class Hearing:
    """Tells the store. `ask` has the workers asked now: they are silent all at once."""

    def __init__(
        self,
        store: Store,
        links: Links,
        broker: WholeBroker,
        clock: Callable[[], float],
        ask: Callable[[], None],
    ) -> None:
        self._store, self._links, self._broker, self._clock = store, links, broker, clock
        self._ask = ask
        self._quiet = False

    def note(self) -> None:
        """Look at the links as they are now."""
        heard, now = self._links["events"].last, self._clock()
        if heard is None:
            return
        quiet, was_quiet = now - heard > QUIET, self._quiet
        self._quiet = quiet
        if quiet and not was_quiet:
            self._ask()  # An alarm that keeps workers from speaking is told to us when we send something.
        # The queues' probe notes a broker that hangs before the events' connection does.
        broken = self._links["broker"].state != "connected" and quiet
        if broken or self._broker.blocked or self._links["events"].state != "connected":
            self._store.blind(max(heard, now - UNNOTICED))
        else:
            self._store.blind(None)
