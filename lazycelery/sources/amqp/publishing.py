"""Sending messages straight to a queue: confirmed by the broker, and never into nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pika import exceptions as amqp  # type: ignore[import-untyped]

from lazycelery.errors import NothingFound
from lazycelery.model.message import StoredMessage
from lazycelery.sources.amqp import problems
from lazycelery.sources.amqp.channel import Channel
from lazycelery.sources.amqp.connection import Server, Session
from lazycelery.sources.amqp.envelope import from_envelope

WINDOW = 200
"""Messages on their way at once."""
WINDOW_BYTES = 4 * 1024 * 1024


async def append(server: Server, messages: Sequence[StoredMessage]) -> int:
    """Publish in order, each to its queue; returns how many the broker took.

    Raises `NothingFound` before anything is sent when a queue is missing.
    """
    user = server.address.username
    ready = [(message.queue, *from_envelope(message.raw, user)) for message in messages]
    session = await server.session("control")
    if session.blocked is not None:
        raise problems.blocked(session.blocked, server.address)
    channel = await session.channel()
    try:
        await _check_queues(channel, sorted({queue for queue, _, _ in ready}))
        await channel.confirm()
        taken, window, size = 0, list[asyncio.Future[bool]](), 0
        for queue, body, properties in ready:
            window.append(channel.publish("", queue, body, properties))
            size += len(body)
            if len(window) >= WINDOW or size >= WINDOW_BYTES:
                taken += await _confirmed(server, session, window)
                window, size = [], 0
                if session.blocked is not None:
                    return taken
        return taken + await _confirmed(server, session, window)
    finally:
        channel.close()


async def _check_queues(channel: Channel, queues: Sequence[str]) -> None:
    for queue in queues:
        try:
            await channel.depth(queue)
        except amqp.ChannelClosedByBroker as closed:
            if closed.reply_code != 404:
                raise
            raise NothingFound(
                f"RabbitMQ has no queue {queue}.", "Start a worker that consumes it: it declares the queue."
            ) from None


async def _confirmed(server: Server, session: Session, window: Sequence[asyncio.Future[bool]]) -> int:
    """How many of these a queue took."""
    if not window:
        return 0
    patience = max(server.timeout, 5.0) * 2
    try:
        return sum(await asyncio.wait_for(asyncio.gather(*window), patience))
    except asyncio.TimeoutError:
        if session.blocked is None:
            raise
        # An alarm is told to us only when we publish: these are on their way already.
        problem = problems.blocked(session.blocked, server.address)
        problem.hint += " What was sent may arrive then: look at the queue before you send it again."
        raise problem from None
