"""Messages of a quorum queue at the end of their deliveries, replaced by copies with a fresh count.

RabbitMQ tells nobody who transacts that a full queue refused a message (`reject-publish`): the copy would be
gone, and its original acknowledged with it. So a copy for such a queue is confirmed before its original is
acknowledged: a kill in between leaves both. Any other queue gets the copy in one transaction with what
acknowledges the original: no kill leaves both, or none.
"""

from __future__ import annotations

import asyncio

from lazycelery.sources.amqp.channel import Channel
from lazycelery.sources.amqp.connection import Server
from lazycelery.sources.amqp.envelope import from_envelope
from lazycelery.sources.amqp.room import Rooms

PATIENCE = 10.0
"""Seconds for a confirmation."""


class Renewing:
    """Makes the copies of one pass over one queue."""

    def __init__(self, server: Server, queue: str, rooms: Rooms, rejects: bool) -> None:
        """`rejects`: the queue may refuse a message, or nobody knows that it does not."""
        self._server, self._queue, self._rooms, self._rejects = server, queue, rooms, rejects
        self._sending: Channel | None = None

    async def copied(self, taking: Channel, tag: int, size: int, raw: bytes) -> bool:
        """Whether a copy is at the end of the queue, where a requeue would put it too, or will be with the
        commit of the channel that took the original. Not where the queue has no room: then the original must
        go back as it is. `size` is that of its body in bytes, `raw` its envelope."""
        if await self._rooms.left_over([(tag, self._queue, size)]):
            return False
        body, properties = from_envelope(raw, self._server.address.username)
        if self._rejects:
            sending = await self._confirming()
            return await asyncio.wait_for(sending.publish("", self._queue, body, properties), PATIENCE)
        await taking.transact()
        taking.send("", self._queue, body, properties, mandatory=True)
        return True

    async def kept_up(self, taking: Channel) -> None:
        """Wait until what was acknowledged so far counts: a quorum queue may keep many commands back."""
        await taking.commit()
        if self._rejects:
            await taking.depth(self._queue)

    async def _confirming(self) -> Channel:
        if self._sending is None:
            self._sending = await self._server.channel("queues")
            await self._sending.confirm()
        return self._sending

    def close(self) -> None:
        """Give up the channel that sends."""
        if self._sending is not None:
            self._sending.close()
