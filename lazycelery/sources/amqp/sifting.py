"""Looking through a queue, and moving or removing some of its messages.

All are taken and stay unacknowledged: should we die, RabbitMQ puts them back. A message that is moved is
saved, published with a confirmation, and only then acknowledged. One that stays, and would be dropped by
RabbitMQ after another delivery, is replaced by a copy (`renewing.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lazycelery.errors import LazyCeleryError
from lazycelery.model.message import StoredMessage
from lazycelery.sources.amqp import problems
from lazycelery.sources.amqp.channel import Channel, Got
from lazycelery.sources.amqp.connection import Server, Session
from lazycelery.sources.amqp.envelope import delivery_count, from_envelope, priority_of, to_envelope
from lazycelery.sources.amqp.holding import SELECTIVE, Holding
from lazycelery.sources.amqp.renewing import Renewing
from lazycelery.sources.amqp.room import Rooms
from lazycelery.sources.jsontext import size_text
from lazycelery.sources.pacing import Paced
from lazycelery.sources.protocols.sifting import GONE, Looked, Pace, Save, Settled, Shifted

MOST = 10_000
"""Messages that one pass takes: workers cannot have them meanwhile."""
MOST_BYTES = 256 * 1024 * 1024
PATIENCE = 10.0
"""Seconds for confirmations."""
LOOKS, PAUSE = 10, 0.1
"""Looks for messages that come back, and seconds between them."""
SLICE = 8
"""Messages after which others have their turn."""
Choose = Callable[[StoredMessage], str | None]


@dataclass
class _Picked:
    """A message that was taken and picked."""

    got: Got
    message: StoredMessage
    target: str


class Sift:
    """One pass over one queue. At most a window of messages (`SELECTIVE`) is on its way at once."""

    def __init__(
        self,
        server: Server,
        queue: str,
        limit_of_deliveries: int | None,
        quorum: bool,
        most: int,
        rooms: Rooms,
        renewing: Renewing,
    ) -> None:
        self._server, self._queue, self._rooms, self._renewing = server, queue, rooms, renewing
        self._limit, self._quorum, self._most = limit_of_deliveries, quorum, min(most, MOST)
        self._bytes = self._stay = 0
        self._last = 0
        """Acknowledged with the last window, and not proven yet to be gone (quorum queues)."""
        self.told = Shifted(total=0, looked=0)

    async def look(self, show: Callable[[StoredMessage], None]) -> Looked:
        """Show all, up to the bounds, and put them back."""

        def leave(message: StoredMessage) -> None:
            show(message)

        told = await self.shift(leave, lambda messages: None, lambda done: None)
        if told.problem:
            raise LazyCeleryError(told.problem, "The messages go back by themselves.")
        return Looked(total=told.total, looked=told.looked, renewed=told.renewed, cut=told.cut)

    async def shift(self, pick: Choose, save: Save, settled: Settled, pace: Pace | None = None) -> Shifted:
        """Move or remove what is picked. Raises only when nothing was done."""
        try:
            session = await self._server.session("control")
            if session.blocked is not None:
                raise problems.blocked(session.blocked, self._server.address)
            taking = await self._server.channel("queues")
            sending = await session.channel()
        except (LazyCeleryError, *problems.FAILURES) as error:  # type: ignore[misc]
            raise problems.before_all(error, self._server.address) from None
        try:
            await sending.confirm()
            self.told.total = (await taking.depth(self._queue)).messages
            await self._pass(_Ways(taking, sending, session), pick, save, settled, pace)
            if self._last and not await self._stays_away(taking, sending):
                self.told.unproven = self._last
        except (LazyCeleryError, *problems.FAILURES) as error:  # type: ignore[misc]
            told = problems.explain(error, self._server.address)
            told.nothing_done = not sum(self.told.done.values()) and not self.told.unknown
            if told.nothing_done:
                raise told from None
            self.told.problem = told.title
        finally:
            self._renewing.close()
            sending.close()
            taking.close()
        return self.told

    async def _pass(self, ways: _Ways, pick: Choose, save: Save, settled: Settled, pace: Pace | None) -> None:
        holding, proven = Holding(ways.taking, self._queue, SELECTIVE, closing=True), True
        paced = Paced(self.told, pace)
        while (room := self._room()) and await paced.goes_on():
            taken = await holding.take(min(room, paced.room(SELECTIVE)))
            if proven := not taken:
                break
            picked, gone = list[_Picked](), set[int]()
            for number, got in enumerate(taken):
                await self._sort(ways, got, pick, picked, gone)
                if number % SLICE == SLICE - 1:
                    await asyncio.sleep(0)
            before = self.told.rejected
            await self._through(ways, holding, picked, gone, save, settled)
            if picked:
                paced.sent(len(picked), self.told.rejected - before, picked[0].target or self._queue)
        if not self._quorum or proven or await holding.proven():
            self._last = 0
        await holding.let_go()
        if self._quorum and self._stay:
            await self._seen_back(ways.taking)

    def _room(self) -> int:
        """How many more may be taken."""
        left = self.told.total - self.told.looked
        if left > 0 and self.told.looked >= self._most:
            self.told.cut = "that is as many as one pass takes"
        elif left > 0 and self._bytes >= MOST_BYTES:
            self.told.cut = f"that is {size_text(MOST_BYTES)}, as much as one pass takes"
        return 0 if self.told.cut else min(left, self._most - self.told.looked)

    async def _sort(self, ways: _Ways, got: Got, pick: Choose, picked: list[_Picked], gone: set[int]) -> None:
        """Is it picked? `gone` are those that are to be acknowledged without it."""
        raw = to_envelope(got.body, got.properties.raw, got.method)
        priority = priority_of(got.properties.raw)
        message = StoredMessage(queue=self._queue, priority=priority, raw=raw, position=self.told.looked)
        self.told.looked += 1
        self._bytes += len(raw)
        target = pick(message)
        if target is not None:
            picked.append(_Picked(got, message, target))
        else:
            await self._stays(ways, got, raw, gone)

    async def _stays(self, ways: _Ways, got: Got, raw: bytes, gone: set[int]) -> None:
        if self._at_its_end(got) and await self._renewing.copied(ways.taking, got.tag, len(got.body), raw):
            gone.add(got.tag)
            self.told.renewed += 1
        else:
            self._stay += 1

    def _at_its_end(self, got: Got) -> bool:
        """One more delivery, and RabbitMQ would drop it: it must not go back as it is."""
        if not self._quorum or self._limit is None:
            return False
        return delivery_count(got.properties.raw) + 1 >= self._limit

    async def _through(
        self,
        ways: _Ways,
        holding: Holding,
        picked: Sequence[_Picked],
        gone: set[int],
        save: Save,
        settled: Settled,
    ) -> None:
        """Save, send and acknowledge what was picked of one window."""
        if picked:
            await _written(save, [each.message for each in picked])
        there = await self._sent(ways, picked)
        gone |= {each.got.tag for each, good in zip(picked, there, strict=True) if good}
        try:
            for each, good in zip(picked, there, strict=True):
                if not good:
                    await self._stays(ways, each.got, each.message.raw, gone)
            await holding.remove_last(gone)
        except (LazyCeleryError, *problems.FAILURES):  # type: ignore[misc]
            self.told.unknown += sum(there)
            raise
        self._last = len(gone)
        for each, good in zip(picked, there, strict=True):
            if good:
                self.told.done[each.target] = self.told.done.get(each.target, 0) + 1
            else:
                self.told.rejected += 1
        if picked:
            await asyncio.to_thread(settled, there)

    async def _sent(self, ways: _Ways, picked: Sequence[_Picked]) -> list[bool]:
        """Whether each is where it is to be."""
        # Those for which their target would drop its oldest messages stay.
        full = await self._rooms.left_over(
            (each.got.tag, each.target, len(each.got.body)) for each in picked if each.target != GONE
        )
        moving = [each for each in picked if each.target != GONE and each.got.tag not in full]
        ready = [from_envelope(each.message.raw, self._server.address.username) for each in moving]
        sent = [
            ways.sending.publish("", each.target, body, properties)
            for each, (body, properties) in zip(moving, ready, strict=True)
        ]
        try:
            answers = iter(await ways.confirmed(sent))
        except (LazyCeleryError, *problems.FAILURES):  # type: ignore[misc]
            self.told.unknown += len(moving)
            raise
        return [each.target == GONE or (each.got.tag not in full and next(answers)) for each in picked]

    async def _stays_away(self, taking: Channel, sending: Channel) -> bool:
        """Whether nothing comes back when the channel that took messages is closed: what RabbitMQ had not
        taken as acknowledged would. Where others take or add messages meanwhile, nobody can tell."""
        before = await sending.depth(self._queue)
        for _ in range(LOOKS):  # Those that stay are counted late.
            await asyncio.sleep(PAUSE)
            last, before = before, await sending.depth(self._queue)
            if last == before:
                break
        taking.close()
        if before.consumers:
            return False
        for _ in range(LOOKS):
            await asyncio.sleep(PAUSE)
            if (await sending.depth(self._queue)).messages > before.messages:
                return False
        return True

    async def _seen_back(self, taking: Channel) -> None:
        """A quorum queue takes messages back in its own time: the next look would find it empty."""
        for _ in range(30):
            if (await taking.depth(self._queue)).messages >= self._stay:
                return
            await asyncio.sleep(0.05)


@dataclass
class _Ways:
    """The channels of one pass: one takes, the other sends."""

    taking: Channel
    sending: Channel
    session: Session

    async def confirmed(self, sent: list[asyncio.Future[bool]]) -> list[bool]:
        """Whether a queue took each."""
        if not sent:
            return []
        try:
            return await asyncio.wait_for(asyncio.gather(*sent), PATIENCE)
        except asyncio.TimeoutError:
            if self.session.blocked is not None:
                raise LazyCeleryError(f"RabbitMQ takes no messages now: {self.session.blocked}.") from None
            raise


async def _written(save: Save, messages: list[StoredMessage]) -> None:
    try:
        await asyncio.to_thread(save, messages)  # It waits for the disk.
    except OSError as error:
        raise LazyCeleryError(
            f"The messages could not be saved: {error.strerror or 'disk error'}.",
            "Nothing of them was touched; they go back.",
        ) from None
