"""Sending messages straight to a queue: confirmed by the broker, and never into nowhere."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence

from pika import exceptions as amqp  # type: ignore[import-untyped]

from lazycelery.errors import LazyCeleryError, NothingFound
from lazycelery.model.message import StoredMessage
from lazycelery.sources.amqp import problems
from lazycelery.sources.amqp.channel import Channel
from lazycelery.sources.amqp.connection import Server, Session
from lazycelery.sources.amqp.envelope import from_envelope
from lazycelery.sources.amqp.properties import Properties

WINDOW = 200
"""Messages on their way at once."""
WINDOW_BYTES = 4 * 1024 * 1024
Ready = tuple[str, bytes, Properties]
"""Queue, body and properties."""


async def append(server: Server, messages: Sequence[StoredMessage]) -> int:
    """Publish in order, each to its queue; returns how many of the first ones the broker took.

    Raises before anything is sent (`nothing_done`) when a queue is missing (`NothingFound`), nobody lets us
    in or an alarm is known; and when an answer is lost, or others than the first ones were taken: whoever
    asked must not believe that these were not sent.
    """
    user = server.address.username
    ready = [(message.queue, *from_envelope(message.raw, user)) for message in messages]
    try:
        session, channel = await _opened(server, sorted({queue for queue, _, _ in ready}))
    except (LazyCeleryError, *problems.FAILURES) as error:  # type: ignore[misc]
        raise problems.before_all(error, server.address) from None
    taken = 0
    try:
        for window in _windows(ready):
            try:
                number = await _send(server, session, channel, window)
            except amqp.ChannelClosedByBroker as closed:
                problem = problems.explain(closed, server.address)
                problem.nothing_done = len(ready) == 1  # It was refused: too large, or no permission.
                raise problem from None
            taken += number
            if number < len(window) or session.blocked is not None:
                break
    finally:
        channel.close()
    return taken


def _windows(ready: Sequence[Ready]) -> Iterator[list[Ready]]:
    """Messages to be sent together, bounded in number and bytes."""
    window, size = list[Ready](), 0
    for each in ready:
        window.append(each)
        size += len(each[1])
        if len(window) >= WINDOW or size >= WINDOW_BYTES:
            yield window
            window, size = [], 0
    if window:
        yield window


async def _opened(server: Server, queues: Sequence[str]) -> tuple[Session, Channel]:
    """A channel that confirms, where all these queues are."""
    session = await server.session("control")
    if session.blocked is not None:
        raise problems.blocked(session.blocked, server.address)
    channel = await session.channel()
    try:
        await _check_queues(channel, queues)
        await channel.confirm()
    except BaseException:
        channel.close()
        raise
    return session, channel


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


async def _send(server: Server, session: Session, channel: Channel, window: Sequence[Ready]) -> int:
    """How many of the first ones of these a queue took."""
    sent = [channel.publish("", queue, body, properties) for queue, body, properties in window]
    patience = max(server.timeout, 5.0) * 2
    try:
        confirmed = await asyncio.wait_for(asyncio.gather(*sent), patience)
    except asyncio.TimeoutError:
        if session.blocked is None:
            raise
        # An alarm is told to us only when we publish: these are on their way already.
        problem = problems.blocked(session.blocked, server.address)
        problem.hint += " What was sent may arrive then: look at the queue before you send it again."
        raise problem from None
    number = sum(1 for _ in itertools.takewhile(bool, confirmed))
    if any(confirmed[number:]):
        raise LazyCeleryError(
            f"RabbitMQ took {sum(confirmed):,} of {len(window):,} messages, and refused others between them.",
            "A queue is full (max-length, reject-publish): make room, and look at it before you send again.",
        )
    return number
