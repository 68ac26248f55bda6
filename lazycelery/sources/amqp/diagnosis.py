"""Who is there, and what does it speak? Looked at only after a connection failed."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from pika import exceptions as amqp  # type: ignore[import-untyped]

from lazycelery.errors import LazyCeleryError
from lazycelery.sources.amqp import problems

if TYPE_CHECKING:
    from lazycelery.sources.amqp.address import Node
    from lazycelery.sources.amqp.connection import Server

HELLO = b"AMQP\x00\x00\x09\x01"
START = b"\x01\x00\x00"
"""A method frame on channel 0: what RabbitMQ begins with."""
CLEAR = (
    amqp.ConnectionClosedByBroker,
    amqp.AuthenticationError,
    amqp.ProbableAuthenticationError,
    amqp.ProbableAccessDeniedError,
    ssl.SSLCertVerificationError,
)
"""These say it themselves: nothing to look for."""


async def look_closer(error: BaseException, server: Server) -> LazyCeleryError:
    """The problem behind a failed connection, found by asking the ports themselves."""
    if isinstance(error, (*CLEAR, LazyCeleryError)):
        return problems.explain(error, server.address)
    for node in server.address.nodes:
        try:
            answer = await asyncio.wait_for(_answer(node, HELLO), server.timeout)
        except (OSError, asyncio.TimeoutError) as failure:
            error = failure
            continue
        return await _judge(answer, error, node, server)
    return problems.explain(error, server.address)


async def _judge(answer: bytes, error: BaseException, node: Node, server: Server) -> LazyCeleryError:
    address = server.address
    if answer.startswith(START):
        return problems.speaks_plainly(address) if address.tls else problems.explain(error, address)
    if answer.startswith((b"-", b"+", b"$")):
        return problems.not_rabbitmq("a Redis", address)
    if answer.startswith((b"HTTP/", b"<")):
        return problems.not_rabbitmq("a web server", address)
    if answer.startswith(b"AMQP"):
        return problems.not_rabbitmq("a broker that speaks another version of AMQP", address)
    if await _speaks_tls(node, server.timeout):
        return problems.explain(error, address) if address.tls else problems.speaks_tls(address)
    if answer == b"" and await _is_redis(node, server.timeout):
        return problems.not_rabbitmq("a Redis", address)
    return problems.not_rabbitmq("something that does not speak AMQP", address)


async def _answer(node: Node, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(node.host, node.port)
    try:
        writer.write(question)
        return await asyncio.wait_for(reader.read(64), 1.0)
    except (ConnectionError, asyncio.TimeoutError):
        return b""
    finally:
        writer.close()


async def _is_redis(node: Node, timeout: float) -> bool:
    """A Redis waits for the end of the line."""
    try:
        answer = await asyncio.wait_for(_answer(node, b"PING\r\n"), timeout)
    except (OSError, asyncio.TimeoutError):
        return False
    return answer.startswith((b"+PONG", b"-"))


async def _speaks_tls(node: Node, timeout: float) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        opening = asyncio.open_connection(node.host, node.port, ssl=context, ssl_handshake_timeout=timeout)
        _, writer = await asyncio.wait_for(opening, timeout)
    except (OSError, asyncio.TimeoutError):
        return False
    writer.close()
    return True
