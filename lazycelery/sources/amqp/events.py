"""Celery events from RabbitMQ: one exclusive, bounded queue of our own."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable

from lazycelery.errors import LazyCeleryError, Refused
from lazycelery.model.cluster import Link
from lazycelery.model.event import Event
from lazycelery.sources.amqp import problems
from lazycelery.sources.amqp.channel import Channel
from lazycelery.sources.amqp.connection import Server
from lazycelery.sources.amqp.exchanges import exists
from lazycelery.sources.amqp.properties import Properties
from lazycelery.sources.event_wire import decode_event_bodies
from lazycelery.sources.protocols.events import Deliver, EventBatch
from lazycelery.sources.protocols.status import StatusChange, TellStatus

TTL = 60_000
"""Milliseconds an event waits for us: Celery's own receivers forget after 5 s."""
MAX_LENGTH = 50_000
MAX_BYTES = 64 * 1024 * 1024
"""Beyond these RabbitMQ drops the oldest: a monitor that hangs must not fill the broker."""
EXPIRES = 120_000
LOOK = 2.0
"""Seconds between looks for the exchange where no worker has ever been: it declares it, we never do."""
REBIND = 15.0
"""Seconds between bindings anew: whoever deletes the exchange and declares it again unbinds us in silence."""
FIRST_DELAY, LAST_DELAY = 0.2, 5.0


class AmqpEvents:
    """The `EventStream` of RabbitMQ. Each turn delivers what was read together."""

    def __init__(self, server: Server, exchange: str) -> None:
        self._server, self._exchange = server, exchange
        self._queue = ""
        self._seen = False
        """The exchange has been there: when it is not, that is a fault."""

    async def run(self, deliver: Deliver, status: TellStatus) -> None:
        """Read until cancelled; `status` tells each change of the link."""
        status(StatusChange("connecting"))
        failures = 0
        while True:
            try:
                self._queue = f"{self._exchange}.lazycelery-{uuid.uuid4()}"
                channel = await self._subscribe(_Gathered(deliver))
                try:
                    status(StatusChange("connected"))
                    failures = 0
                    await self._stay_bound(channel)
                finally:
                    channel.close()
            except (LazyCeleryError, *problems.FAILURES) as error:  # type: ignore[misc]
                delay = _delay(failures)
                failures += 1
                status(self._broken(error, delay))
                await asyncio.sleep(delay)

    async def _subscribe(self, gathered: _Gathered) -> Channel:
        """Begin to read, on a channel of its own."""
        session = await self._server.session("events")
        gathered.more = lambda: session.full
        channel = await session.channel()
        limits = {"x-message-ttl": TTL, "x-max-length": MAX_LENGTH, "x-max-length-bytes": MAX_BYTES}
        await channel.declare_queue(self._queue, {**limits, "x-expires": EXPIRES})
        if self._seen or await exists(self._server, "events", self._exchange):
            await channel.bind(self._queue, self._exchange, "#")
            self._seen = True
        session.open_lane(channel, gathered.read)
        await channel.consume(self._queue, gathered.take)
        return channel

    async def _stay_bound(self, channel: Channel) -> None:
        """Until the channel closes: raises why."""
        while True:
            await asyncio.wait([channel.closed], timeout=REBIND if self._seen else LOOK)
            if channel.closed.done():
                raise channel.closed.result()
            if self._seen or await exists(self._server, "events", self._exchange):
                await channel.bind(self._queue, self._exchange, "#")
                self._seen = True

    def _broken(self, error: BaseException, delay: float) -> StatusChange:
        problem = problems.explain(error, self._server.address)
        state: Link = "refused" if isinstance(problem, Refused) else "lost"
        return StatusChange(state, problem.title, problem.hint, next_try=time.time() + delay)


class _Gathered:
    """Events of one turn of the loop, delivered together."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._bodies: list[bytes] = []
        self._received = self._began = 0.0
        self.more: Callable[[], bool] = lambda: False
        """Whether others wait behind those that were read last."""

    def take(self, body: bytes, properties: Properties) -> None:
        self.read(body)

    def read(self, body: bytes) -> None:
        if not self._bodies:
            self._received, self._began = time.time(), time.monotonic()
            asyncio.get_running_loop().call_soon(self._flush)
        self._bodies.append(body)

    def _flush(self) -> None:
        bodies, self._bodies = self._bodies, []
        events: list[Event] = []
        malformed = decode_event_bodies(bodies, self._received, events)
        self._deliver(EventBatch(events, malformed, self._began, self.more()))


def _delay(failures: int) -> float:
    """Exponential, with jitter so that many monitors do not come back at once."""
    return float(min(LAST_DELAY, FIRST_DELAY * 2 ** min(failures, 10)) * random.uniform(0.8, 1.2))
