"""Queues on RabbitMQ: who is there, how deep, and what costs something: looking, emptying, filling."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from functools import partial

from lazycelery.errors import Refused
from lazycelery.model.message import PeekPage, StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.model.reports import Limit, QueueReport
from lazycelery.sources.amqp import costs, deadletters, delayed, leases, publishing
from lazycelery.sources.amqp.channel import Depth
from lazycelery.sources.amqp.connection import Server
from lazycelery.sources.amqp.costs import DeliveryLimit, LastLooks
from lazycelery.sources.amqp.delayed import FOLDED, Held
from lazycelery.sources.amqp.depths import Depths
from lazycelery.sources.amqp.envelope import from_envelope
from lazycelery.sources.amqp.facts import QueueFacts
from lazycelery.sources.amqp.management import Management
from lazycelery.sources.amqp.renewing import Renewing
from lazycelery.sources.amqp.room import NOWHERE, Rooms, bytes_held
from lazycelery.sources.amqp.sifting import Sift
from lazycelery.sources.amqp.taking import Look, Purge, refuse_stream
from lazycelery.sources.amqp.wiring import Wiring
from lazycelery.sources.protocols.queues import PurgeResult
from lazycelery.sources.protocols.sifting import Looked, Pace, Pick, Save, Settled, Shifted
from lazycelery.sources.wire import read_message

EXACT = 16
"""Up to so many queues are asked one by one; beyond, the management API's figures do."""
ONE_BY_ONE = 500
"""Queues asked one by one at most, where there is no management API."""
MAX_PEEK = 16 * 1024 * 1024
"""Bytes of messages that one look takes."""
LIMIT_OF_4 = 20
"""Deliveries after which a quorum queue drops a message, from RabbitMQ 4 on."""
UNKNOWN_LIMIT = 2
"""Supposed where nobody tells: a second look then puts fresh copies back."""
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class AmqpQueues:
    """The queues of RabbitMQ. It shows no message without delivering it, so nothing looks unasked; it
    neither searches a queue, nor shows a message that a worker holds."""

    free_looks = False
    may_double = True
    fills_front = False

    def __init__(self, server: Server, management: Management, profile: Profile) -> None:
        self._server, self._management = server, management
        self._depths = Depths(server)
        self._wiring = Wiring(management, f"{profile.control_exchange}.pidbox")
        self._shown = profile.queues
        self._last_looks = LastLooks()
        namespace, events = re.escape(profile.control_exchange), re.escape(profile.event_exchange)
        self._internal = re.compile(
            rf"(.+\.)?{namespace}\.pidbox|.+\.reply\.{namespace}\.pidbox|{events}\..+|amq\.gen-.+"
            rf"|(.+_)?celery_delayed_(\d+|delivery)"
        )
        self._results = re.compile(_UUID)

    async def names(self) -> list[str]:
        """Queues that RabbitMQ or the profile names, sorted; those of the profile without the API."""
        facts = await self._management.queues() or {}
        lines = [FOLDED] if any(map(delayed.is_delayed, facts)) else []
        return sorted({*self._shown, *lines, *(name for name, each in facts.items() if self._is_work(each))})

    def _is_work(self, facts: QueueFacts) -> bool:
        """Neither a mailbox, nor a queue of events or replies, nor one of delayed delivery."""
        if facts.exclusive or self._internal.fullmatch(facts.name):
            return False
        return not (facts.auto_delete and self._results.fullmatch(facts.name))

    @property
    def tells_letters(self) -> bool:
        """Whether it is told where dead letters go."""
        return not self._management.why and self._wiring.told

    @property
    def delayed(self) -> list[Held]:
        """Tasks that RabbitMQ holds until their ETA, as last told."""
        return delayed.held(self._management.last, self._wiring.behind)

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        """Depths, consumers, types. Exact for few queues; of many, as the management API tells."""
        fold = FOLDED in names
        names = [name for name in dict.fromkeys(names) if name != FOLDED]
        with self._server.explained():
            facts = await self._management.queues()
            told = facts or {}
            if facts is not None:
                await self._wiring.refresh(facts)
                if len(names) == 1 and names[0] not in told:  # Perhaps newer than what was told last.
                    one = await self._management.one(names[0])
                    told = {names[0]: one} if one is not None else told
            many = facts is not None and len(names) > EXACT
            asked = [name for name in names if not many or name not in told][:ONE_BY_ONE]
            at = time.time()
            depths = await self._depths.read(asked)
        reports = [self._report(name, at, told.get(name), depths.get(name)) for name in names]
        held = delayed.by_queue(self.delayed)
        for report in reports:
            report.delayed = held.get(report.name)
        if fold and (line := delayed.folded(told, self.delayed, at)) is not None:
            reports.append(line)
        return reports

    def _report(
        self, name: str, at: float, facts: QueueFacts | None, depth: Depth | str | None
    ) -> QueueReport:
        report = QueueReport(name=name, at=at, bound=not isinstance(depth, str), limit_unknown=facts is None)
        if facts is not None:
            report.type = facts.type
            report.messages, report.unacked = facts.messages_ready, facts.messages_unacknowledged
            report.size, report.limit = facts.message_bytes_ready, facts.limit
            report.consumers, report.priorities = facts.consumers, facts.priorities
            report.in_rate, report.out_rate = facts.rates
            report.memory, report.policy, report.history = facts.memory, facts.policy, facts.depths
            report.first_priority = facts.highest_priority
            report.dead_letter_exchange = deadletters.exchange_of(facts)
            report.dead_letter_to = next(iter(self._wiring.dead_letter_to.get(name, [])), None)
            report.dead_letter_lost = self._wiring.dead_letter_lost.get(name)
            report.dead_letter_from = self._wiring.dead_letter_from.get(name, [])
            report.workers = self._wiring.workers.get(name, [])
            if facts.head_message_timestamp:
                report.oldest_age = max(0.0, at - facts.head_message_timestamp)
        if isinstance(depth, Depth):
            if sum(report.priorities.values()) != depth.messages:
                report.priorities = {}  # Older than the exact count.
            report.messages, report.consumers = depth.messages, depth.consumers
        elif isinstance(depth, str):
            report.error = depth
        return report

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, force: bool = False) -> PeekPage:
        """Take waiting messages and put them back. Raises `Refused` unless `force` says to."""
        if queue == FOLDED:
            raise Refused("Queues of delayed delivery are not looked into.", "RabbitMQ delivers from them.")
        facts = (await self._management.queues() or {}).get(queue)
        kind = facts.type if facts else None
        refuse_stream(queue, kind)
        with self._server.explained():
            allowed = await self._delivery_limit(facts)
            if not force:
                cost = costs.before(queue, kind, allowed, self._last_looks.text(queue))
                raise Refused(f"RabbitMQ shows a message only by delivering it. {cost}", costs.forced())
            renewing = self._renewing(queue, facts, self._rooms())
            look = Look(self._server, queue, allowed.number, kind != "classic", renewing)
            at = time.time()
            raws = await look.run(offset + limit, MAX_PEEK)
        page = PeekPage(queue=queue, at=at, total=look.total)
        for position, raw in enumerate(raws[offset:], offset):
            message = read_message(raw, position)
            page.messages.append(message)
            page.stored.append(
                StoredMessage(queue=queue, priority=message.priority or 0, raw=raw, position=position)
            )
            await asyncio.sleep(0)  # Decoding a large page must not hold up the loop.
        if raws and kind == "quorum":
            self._last_looks.note(queue, look.most_delivered)
        page.note = costs.after(kind, look, raws, offset + limit, allowed)
        return page

    async def _delivery_limit(self, facts: QueueFacts | None) -> DeliveryLimit:
        if facts is None:
            return DeliveryLimit(UNKNOWN_LIMIT, "supposed: only the management API tells the queue's own")
        if (said := facts.delivery_limit) is not None:
            return DeliveryLimit(said if said >= 0 else None, "x-delivery-limit, or a policy")
        if (await self._server.session("queues")).version >= (4,):
            return DeliveryLimit(LIMIT_OF_4, "the default of RabbitMQ 4")
        return DeliveryLimit(None, "no x-delivery-limit, and RabbitMQ 3 has none by default")

    async def publish(self, messages: Sequence[StoredMessage]) -> int:
        """Append messages at the end that runs last, in order, confirmed by the broker."""
        with self._server.explained():
            return await publishing.append(self._server, messages)

    async def put_back(self, messages: Sequence[StoredMessage]) -> int:
        """Append messages in the order of their positions: RabbitMQ has no way in front."""
        ordered = sorted(messages, key=lambda message: message.position)
        with self._server.explained():
            for queue in {message.queue for message in ordered}:
                await self._refuse_too_many(queue, [each for each in ordered if each.queue == queue])
        return await self.publish(ordered)

    async def _refuse_too_many(self, queue: str, messages: Sequence[StoredMessage]) -> None:
        """Raise `Refused` where so many more would push other messages out of a queue."""
        limit = await self._limit(queue)
        if limit is None:
            return
        rooms = Rooms(self._limit, self._depth, self._bytes_held)
        sizes = [len(from_envelope(each.raw, "")[0]) if limit.bytes is not None else 0 for each in messages]
        if await rooms.left_over((number, queue, size) for number, size in enumerate(sizes)):
            raise Refused(
                f"{queue} holds at most {limit.text}, and {limit.beyond}.",
                "Let workers take some, or restore into another queue.",
                nothing_done=True,
            )

    async def _depth(self, queue: str) -> int:
        """Messages that wait; 0 for a queue that cannot be read, which takes none."""
        depth = (await self._depths.read([queue]))[queue]
        return depth.messages if isinstance(depth, Depth) else 0

    async def _bytes_held(self, queue: str) -> int | None:
        return await bytes_held(partial(self._depth, queue), partial(self._management.one, queue))

    async def purge(self, queue: str, save: Callable[[Sequence[StoredMessage]], None]) -> PurgeResult:
        """Take every message, save it, and only then acknowledge all of them."""
        facts = (await self._management.queues() or {}).get(queue)
        refuse_stream(queue, facts.type if facts else None)
        with self._server.explained():
            result = await Purge(self._server, queue).run(save)
        self._management.forget()
        return result

    async def cost(self, queue: str) -> list[str]:
        """What taking the messages of a queue does to those that stay."""
        facts = await self._facts(queue)
        kind = facts.type if facts else None
        refuse_stream(queue, kind)
        with self._server.explained():
            limit = await self._delivery_limit(facts)
        return [*costs.of_a_pass(queue, kind, limit), "Workers cannot take the messages meanwhile."]

    async def look_through(self, queue: str, show: Callable[[StoredMessage], None], most: int) -> Looked:
        """Take waiting messages, show them, and put them back."""
        with self._server.explained():
            return await (await self._sift(queue, most)).look(show)

    async def shift(
        self,
        queue: str,
        pick: Pick,
        save: Save,
        settled: Settled,
        most: int,
        front: bool = False,
        pace: Pace | None = None,
    ) -> Shifted:
        """Take messages; those that are picked are saved, published to their targets, and acknowledged."""
        with self._server.explained():
            told = await (await self._sift(queue, most)).shift(pick, save, settled, pace)
        self._management.forget()
        return told

    async def lease(self, name: str, holder: str, seconds: float) -> str:
        """A queue that is exclusive to a connection of ours: nobody else can declare it."""
        with self._server.explained():
            return await leases.lease(self._server, self._management, name, holder)

    async def give_up(self, name: str, holder: str) -> None:
        """Close that connection: the queue goes with it."""
        await self._server.hang_up(leases.PURPOSE)

    async def _facts(self, queue: str) -> QueueFacts | None:
        """What the management API tells of a queue, also of one that is new."""
        told = await self._management.queues()
        if told is not None and queue not in told:
            self._management.forget()
            told = await self._management.queues()
        return (told or {}).get(queue)

    async def _sift(self, queue: str, most: int) -> Sift:
        facts = await self._facts(queue)
        kind = facts.type if facts else None
        refuse_stream(queue, kind)
        quorum, limit = kind != "classic", (await self._delivery_limit(facts)).number
        rooms = self._rooms()
        return Sift(self._server, queue, limit, quorum, most, rooms, self._renewing(queue, facts, rooms))

    def _rooms(self) -> Rooms:
        return Rooms(self._room, self._depth, self._bytes_held)

    def _renewing(self, queue: str, facts: QueueFacts | None, rooms: Rooms) -> Renewing:
        return Renewing(self._server, queue, rooms, facts is None or facts.rejects)

    async def _limit(self, queue: str) -> Limit | None:
        facts = await self._facts(queue)
        return facts.limit if facts else None

    async def _room(self, queue: str) -> Limit | None:
        """No room in a mailbox and the like: a message may name one as its home, to control a worker."""
        return NOWHERE if self._internal.fullmatch(queue) else await self._limit(queue)
