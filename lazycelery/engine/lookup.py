"""All that can be found out about one task: whoever may know more is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from lazycelery.engine.watch import Watch
from lazycelery.errors import LazyCeleryError, NothingFound, UsageError
from lazycelery.insight.verdict.common import SETTLE, said_to_run
from lazycelery.model.message import Message
from lazycelery.model.profile import Profile
from lazycelery.model.states import FINISHED
from lazycelery.sources.control import Control
from lazycelery.sources.whole import WholeBroker
from lazycelery.store.store import Store

FIND_LIMIT = 5000
"""Waiting messages that are searched for one task."""
ENDED = {state.label for state in FINISHED}


class Lookup:
    """Finds tasks by prefix, and asks backend, workers and broker about one of them."""

    def __init__(
        self,
        store: Store,
        broker: WholeBroker,
        control: Control,
        watch: Watch,
        profile: Profile,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._broker, self._control = store, broker, control
        self._watch, self._profile, self._clock = watch, profile, clock

    def resolve(self, id: str) -> str:
        """The whole id of a task from its beginning. Raises `UsageError` when several begin so."""
        if self._store.task(id, self._clock()) is not None:
            return id
        found = self._store.resolve(id) if len(id) >= 4 else []
        if len(found) > 1:
            raise UsageError(f"{len(found)} tasks begin with {id}.", f"For example {found[0]}, {found[1]}.")
        return found[0] if found else id

    async def fetch(self, id: str) -> None:
        """Ask whoever may know more. None of them may keep the others from answering."""
        known = self._store.task(id, self._clock())
        ended = known is not None and known.state in ENDED
        asks = [self._fetch_result(id)]
        if not ended:
            asks.append(self._fetch_control(id))
        if known is None or known.state in ("waiting", "unknown"):
            asks.append(self._fetch_message(id))
        for problem in await asyncio.gather(*asks, return_exceptions=True):
            if isinstance(problem, BaseException) and not isinstance(problem, LazyCeleryError):
                raise problem
        known = None if ended else self._store.task(id, self._clock())
        if known is not None and known.worker and said_to_run(known):
            with suppress(LazyCeleryError):
                await self._ask_holder(id, known.worker)

    async def _ask_holder(self, id: str, worker: str) -> None:
        """That it once began is all that the backend told: its worker tells all that it runs, and then the
        backend whether it ended meanwhile."""
        await asyncio.sleep(SETTLE)
        reports = await self._control.survey(
            destination=[worker],
            what=("ping", "active"),
            timeout=min(1.0, self._profile.timeout),
            clock=self._clock,
        )
        for report in reports:
            self._store.apply_worker(report)
        if self._watch.backend.results is not None and any(report.active is not None for report in reports):
            found = await self._watch.backend.results.get([id])
            ended = [one for one in found.values() if one.status != "STARTED"]
            self._store.apply_results(ended, self._clock())

    async def _fetch_result(self, id: str) -> None:
        if self._watch.backend.results is not None:
            found = await self._watch.backend.results.get([id])
            self._store.apply_results(list(found.values()), self._clock())

    async def _fetch_control(self, id: str) -> None:
        if self._watch.rounds.plays:
            return  # What was asked so then was about another task, or is told already.
        reports = await self._control.query_tasks([id], timeout=min(1.0, self._profile.timeout))
        self._store.apply_tasks(reports, self._clock())

    async def _fetch_message(self, id: str) -> None:
        for found in (await self._broker.queues.find([id], FIND_LIMIT)).values():
            message = self._broker.codec.describe(found.raw, found.position)
            self._store.raw.keep(id, found)
            flights = self._watch.flights
            held = flights is not None and any(flight.id == id for flight in flights.messages)
            self._store.apply_messages(
                found.queue, [message], self._clock(), "in-flight" if held else "waiting"
            )

    async def message(self, id: str) -> Message:
        """A task's true message, while it is held somewhere, or as it was seen before."""
        full = self.resolve(id)
        found = await self._broker.queues.find([full], FIND_LIMIT)
        stored = found.get(full) or self._store.raw.get(full)
        if stored is None:
            raise NothingFound(
                "Its message is on the broker no more, and was not seen while it was.",
                "Messages are seen while they wait, and while workers hold them unacknowledged.",
            )
        return self._broker.codec.describe(stored.raw, stored.position)
