"""A name that one machine holds alone: a queue that is exclusive to one connection, and goes with it."""

from __future__ import annotations

from pika import exceptions as amqp  # type: ignore[import-untyped]

from lazycelery.sources.amqp.connection import Server
from lazycelery.sources.amqp.management import Management

PURPOSE = "lease"
"""Of a connection of its own: that another one breaks gives nothing back."""
LOCKED = 405
SOMEBODY = "another connection"
ARGUMENT = "x-lazycelery-holder"
"""Tells others, by the management API, who it is; RabbitMQ itself ignores it."""


async def lease(server: Server, management: Management, name: str, holder: str) -> str:
    """Who holds the queue now: of others the management API alone tells. Raises what the broker raises."""
    channel = await server.channel(PURPOSE)
    try:
        await channel.declare_queue(name, {ARGUMENT: holder})
    except amqp.ChannelClosedByBroker as error:
        if error.reply_code != LOCKED:
            raise
        told = (await management.queues() or {}).get(name)
        other = str(told.arguments.get(ARGUMENT) or SOMEBODY) if told is not None else SOMEBODY
        # Our own name there is that of a connection which broke, or was told before another one took it.
        return SOMEBODY if other == holder else other
    finally:
        channel.close()
    return holder
