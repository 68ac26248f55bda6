"""What every transport of Kombu can do with a queue: append messages to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lazycelery.errors import LazyCeleryError, Refused
from lazycelery.model.message import StoredMessage
from lazycelery.sources.jsontext import size_text
from lazycelery.sources.kombu.internal import Internal
from lazycelery.sources.kombu.lane import Channel, Lane


class SentQueues:
    """Queues that can only be sent to; the profile names them, and workers where there is control."""

    fills_front = False

    def __init__(self, lane: Lane, internal: Internal, shown: Sequence[str]) -> None:
        self._lane, self._internal, self._shown = lane, internal, shown

    async def names(self) -> list[str]:
        """Queues that the profile names."""
        return sorted(self._shown)

    async def publish(self, messages: Sequence[StoredMessage]) -> int:
        """Append messages, in order; an error tells only of the first one."""
        payloads = [(message.queue, payload(message.raw)) for message in messages]

        def send(channel: Channel) -> int:
            for queue in dict.fromkeys(queue for queue, _ in payloads):
                self._check(channel, queue)
            sent = 0
            for queue, document in payloads:
                try:
                    channel._put(queue, document)
                except Exception:
                    if not sent:
                        raise
                    break
                sent += 1
            return sent

        return await self._lane.do(send, patience=60.0 + len(messages))

    def _check(self, channel: Channel, queue: str) -> None:
        """Raise when a message to this queue would go nowhere."""

    async def put_back(self, messages: Sequence[StoredMessage]) -> int:
        """Append messages in the order of their positions: there is no way in front."""
        return await self.publish(sorted(messages, key=lambda message: message.position))


def payload(raw: bytes) -> dict[str, Any]:
    """The envelope as Kombu puts it. Raises `Refused` for what is none."""
    try:
        document = json.loads(raw)
        document["properties"]["delivery_tag"]
    except (ValueError, TypeError, KeyError, RecursionError):
        problem: LazyCeleryError = Refused(
            f"This message of {size_text(len(raw))} has no Kombu envelope.", nothing_done=True
        )
        raise problem from None
    # SQS would not send what says so, but give up a message that it believes to hold.
    document.pop("redelivered", None)
    return dict(document)
