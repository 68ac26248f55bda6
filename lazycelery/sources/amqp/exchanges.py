"""Celery's own exchanges: used as they are, declared as Celery declares them when there is no worker yet."""

from __future__ import annotations

from pika import exceptions as amqp  # type: ignore[import-untyped]

from lazycelery.sources.amqp.connection import Server


async def ensure_exchange(server: Server, purpose: str, name: str, kind: str, durable: bool) -> None:
    """Make sure that an exchange is there; its arguments are not ours to argue about."""
    channel = await server.channel(purpose)
    try:
        await channel.has_exchange(name)
    except amqp.ChannelClosedByBroker as closed:
        if closed.reply_code != 404:
            raise
        channel = await server.channel(purpose)
        await channel.declare_exchange(name, kind, durable)
    channel.close()
