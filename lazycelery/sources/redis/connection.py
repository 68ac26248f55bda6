"""One Redis server, as an address names it: a client, raw connections, and what is wrong when it fails."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from redis import exceptions as redis_errors
from redis.asyncio import Connection, ConnectionPool, Redis, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection
from redis.backoff import NoBackoff

from lazycelery.errors import LazyCeleryError, UsageError
from lazycelery.sources.redis import problems
from lazycelery.sources.redis.address import Address
from lazycelery.sources.tls import tls_context

P = TypeVar("P", bound=asyncio.BaseProtocol)
MIN_READ_TIMEOUT = 5.0
"""Seconds; a blocking pop of one second must fit into it."""


class Server:
    """Connections to one server. Nothing is opened before it is needed."""

    def __init__(self, address: Address, timeout: float = 2.0) -> None:
        self.address = address
        self.timeout = timeout
        self.commands = 0
        """Commands sent over all connections."""
        self._redis: Redis | None = None
        self._sentinel: Any = None
        self._master = address.master
        self._tls: ssl.SSLContext | None = None

    @property
    def redis(self) -> Redis:
        """A client on a pool of connections; bytes in, bytes out."""
        if self._redis is None:
            if self.address.sentinel and self._master is None:
                raise UsageError("The sentinel was not asked yet for its primary.", "Connect first.")
            self._redis = self._through_sentinel() if self.address.sentinel else Redis.from_pool(self._pool())
        return self._redis

    async def check(self) -> None:
        """Raises `ConnectionProblem` unless the server answers, lets us in and is a primary."""
        try:
            await self._find_master()
            await self.redis.ping()
            await self._refuse_replica()
        except problems.FAILURES as error:
            raise await self.diagnose(error) from None

    async def diagnose(self, error: BaseException) -> LazyCeleryError:
        """Look closer at a failure: who is there, and what does it speak?"""
        from lazycelery.sources.redis.diagnosis import look_closer

        return await look_closer(error, self)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turns failures of redis-py into `LazyCeleryError`s."""
        try:
            yield
        except problems.FAILURES as error:
            raise problems.explain(error, self.address) from None

    async def open(self, protocol: Callable[[], P]) -> tuple[asyncio.Transport, P]:
        """A raw connection to the server, TLS done, not yet authenticated. Raises `OSError`s."""
        loop = asyncio.get_running_loop()
        opening: Any
        if self.address.path is not None:
            opening = loop.create_unix_connection(protocol, self.address.path)
        else:
            host, port = await self._where()
            tls = self.tls_context()
            opening = loop.create_connection(
                protocol, host, port, ssl=tls, ssl_handshake_timeout=self.timeout if tls else None
            )
        transport, made = await asyncio.wait_for(opening, self.timeout)
        return transport, made

    def tls_context(self) -> ssl.SSLContext | None:
        """Certificates as the address wants them checked. Raises `UsageError` for unreadable files."""
        if self._tls is None and self.address.tls is not None:
            self._tls = tls_context(self.address.tls)
        return self._tls

    async def close(self) -> None:
        """Close every connection."""
        for client in (self._redis, *(self._sentinel.sentinels if self._sentinel else ())):
            if client is not None:
                await client.aclose()
                await client.connection_pool.disconnect()
        self._redis = self._sentinel = None

    def count(self, commands: int = 1) -> None:
        """Note commands sent."""
        self.commands += commands

    # -- connections of redis-py

    def _options(self) -> dict[str, Any]:
        # No retries of redis-py's own: it would send a publish twice.
        return {
            "db": self.address.db,
            "username": self.address.username,
            "password": self.address.password,
            "protocol": 2,
            "socket_connect_timeout": self.timeout,
            "socket_timeout": max(self.timeout, MIN_READ_TIMEOUT),
            "retry": Retry(NoBackoff(), 0),
        }

    def _pool(self) -> ConnectionPool:
        if self.address.path is not None:
            kind: type[Any] = UnixDomainSocketConnection
            where: dict[str, Any] = {"path": self.address.path}
        else:
            kind = Connection
            host, port = self.address.nodes[0]
            where = {"host": host, "port": port}
        return ConnectionPool(connection_class=self._counted(kind), **where, **self._options())

    def _counted(self, kind: type[Any]) -> type[Any]:
        """A connection class that counts what it sends, and shares our TLS context."""
        count, tls = self.count, self.tls_context()

        class Counted(kind):  # type: ignore[misc]
            def pack_command(self, *args: Any) -> list[bytes]:
                count()
                packed: list[bytes] = super().pack_command(*args)
                return packed

            def _connection_arguments(self) -> dict[str, Any]:
                arguments = dict(super()._connection_arguments())
                return {**arguments, "ssl": tls} if tls else arguments

        return Counted

    # -- Sentinel

    def _sentinels(self) -> Any:
        if self._sentinel is None:
            options = {
                "socket_connect_timeout": self.timeout,
                "socket_timeout": self.timeout,
                "password": self.address.sentinel_password,
                "protocol": 2,
                "retry": Retry(NoBackoff(), 0),
            }
            self._sentinel = Sentinel(  # type: ignore[no-untyped-call]
                list(self.address.nodes), sentinel_kwargs=options
            )
        return self._sentinel

    def _through_sentinel(self) -> Redis:
        pool = SentinelConnectionPool(  # type: ignore[no-untyped-call]
            self._master,
            self._sentinels(),
            connection_class=self._counted(SentinelManagedConnection),
            **self._options(),
        )
        return Redis.from_pool(pool)

    async def _where(self) -> tuple[str, int]:
        if not self.address.sentinel:
            return self.address.nodes[0]
        await self._find_master()
        host, port = await self._sentinels().discover_master(str(self._master))
        return str(host), int(port)

    async def _find_master(self) -> None:
        if not self.address.sentinel or self._master is not None:
            return
        names = await self._master_names()
        if len(names) != 1:
            known = ", ".join(sorted(names)) or "none"
            raise UsageError(
                f"The sentinels watch several primaries: {known}." if names else "They watch no primary.",
                "Name one with master_name in the profile, or ?master_name=… in the URL.",
            )
        self._master = names[0]

    async def _master_names(self) -> list[str]:
        failure: BaseException | None = None
        for sentinel in self._sentinels().sentinels:
            try:
                return [str(name) for name in await sentinel.sentinel_masters()]
            except problems.FAILURES as error:
                failure = error
        raise failure or OSError("no sentinel")

    async def _refuse_replica(self) -> None:
        with self.explained():
            try:
                role = (await self.redis.info("replication")).get("role")
            except redis_errors.ResponseError:
                return  # Not permitted to ask: then we will see.
        if role == "slave":
            raise problems.explain(redis_errors.ReadOnlyError("READONLY"), self.address)
