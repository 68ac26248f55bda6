"""Celery's own exchanges: used as they are. What is durable is never declared by us."""

from __future__ import annotations

from pika import exceptions as amqp  # type: ignore[import-untyped]

from lazycelery.sources.amqp.connection import Server


async def exists(server: Server, purpose: str, name: str) -> bool:
    """Whether an exchange is there: asked on a channel of its own, which a no closes."""
    channel = await server.channel(purpose)
    try:
        await channel.has_exchange(name)
    except amqp.ChannelClosedByBroker as closed:
        if closed.reply_code != 404:
            raise
        return False
    channel.close()
    return True


async def ensure_transient(server: Server, purpose: str, name: str, kind: str) -> None:
    """Make sure that an exchange is there which a restart of the broker removes; the arguments of one that
    is there are not ours to argue about."""
    if not await exists(server, purpose, name):
        channel = await server.channel(purpose)
        await channel.declare_exchange(name, kind)
        channel.close()
