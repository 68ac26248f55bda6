"""Who is there, and what does it speak? Looked at only after a connection failed."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from redis import exceptions as redis_errors

from lazycelery.errors import LazyCeleryError
from lazycelery.sources.redis import problems

if TYPE_CHECKING:
    from lazycelery.sources.redis.connection import Server

CLEAR = (
    redis_errors.ResponseError,
    redis_errors.AuthenticationError,
    redis_errors.BusyLoadingError,
    redis_errors.ReadOnlyError,
)
"""A Redis said these itself: nothing to look for."""


async def look_closer(error: BaseException, server: Server) -> LazyCeleryError:
    """The problem behind a failed connection, found by asking the port itself."""
    address = server.address
    if isinstance(error, (*CLEAR, LazyCeleryError)) or "max number of clients" in str(error):
        return problems.explain(error, address)
    if address.path is not None:
        return problems.explain_network(await _socket_error(server) or error, address)
    refused: BaseException = error
    for host, port in address.nodes:
        try:
            answer = await asyncio.wait_for(_answer(host, port, b"PING\r\n"), server.timeout)
        except (OSError, asyncio.TimeoutError) as failure:
            refused = failure
            continue
        return await _judge(answer, error, server, host, port)
    return problems.explain_network(refused, address)


async def _judge(
    answer: bytes, error: BaseException, server: Server, host: str, port: int
) -> LazyCeleryError:
    address = server.address
    if answer.startswith((b"+PONG", b"-")):
        if address.tls is not None:
            return problems.speaks_plainly(address)
        if address.sentinel:
            return problems.explain(error, address)
        said = redis_errors.ResponseError(answer[1:].decode("ascii", "replace").strip())
        return problems.explain(said if answer.startswith(b"-") else error, address)
    if answer.startswith((b"HTTP/", b"<")):
        return problems.not_redis("a web server", address)
    if answer.startswith(b"AMQP"):
        return problems.not_redis("an AMQP broker", address)
    return await _judge_tls(answer, error, server, host, port)


async def _judge_tls(
    answer: bytes, error: BaseException, server: Server, host: str, port: int
) -> LazyCeleryError:
    failure = await _tls_error(host, port, server.timeout, server.tls_context())
    if isinstance(failure, ssl.SSLCertVerificationError):
        return problems.explain_network(failure, server.address)
    if failure is None:
        if server.address.tls is None:
            return problems.speaks_tls(server.address)
        return problems.explain(error, server.address)
    if server.address.tls is not None and not answer:
        return problems.explain_network(failure, server.address)
    return problems.not_redis("something that does not answer PING", server.address)


async def _answer(host: str, port: int, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(question)
        return await reader.read(64)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def _tls_error(
    host: str, port: int, timeout: float, context: ssl.SSLContext | None
) -> BaseException | None:
    """Why a TLS handshake fails, or `None` when it works."""
    if context is None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        opening = asyncio.open_connection(host, port, ssl=context, ssl_handshake_timeout=timeout)
        _, writer = await asyncio.wait_for(opening, timeout)
    except (OSError, asyncio.TimeoutError) as failure:
        return failure
    writer.close()
    return None


async def _socket_error(server: Server) -> BaseException | None:
    try:
        transport, _ = await server.open(asyncio.Protocol)
    except (OSError, asyncio.TimeoutError) as failure:
        return failure
    transport.close()
    return None
