"""What went wrong with a Redis, in plain words with a cure."""

from __future__ import annotations

import asyncio

from redis import exceptions as redis_errors

from lazycelery.errors import AuthFailed, ConnectionProblem, LazyCeleryError
from lazycelery.sources import network
from lazycelery.sources.redis.address import Address

FAILURES = (redis_errors.RedisError, OSError, asyncio.TimeoutError, EOFError)
"""What redis-py and sockets raise when the outside is at fault."""


def explain(error: BaseException, address: Address) -> LazyCeleryError:
    """The problem behind an exception of redis-py or of a socket."""
    if isinstance(error, LazyCeleryError):
        return error
    text = str(error)
    for word, problem in _REPLIES.items():
        if word in text:
            return _problem(problem, address, AuthFailed if word in _LOGIN else ConnectionProblem)
    if isinstance(error, redis_errors.AuthenticationError):
        return _problem(_REPLIES["WRONGPASS"], address, AuthFailed)
    if isinstance(error, redis_errors.ReadOnlyError):
        return _problem(_REPLIES["READONLY"], address)
    if isinstance(error, redis_errors.NoPermissionError):
        return _problem(_REPLIES["NOPERM"], address, AuthFailed)
    if isinstance(error, redis_errors.ResponseError):
        # Redis repeats the arguments of a command it does not know: AUTH has the password there.
        said = text.partition(", with args")[0][:200].rstrip(".")
        return ConnectionProblem(f"Redis at {address.place} refused a command: {said}.")
    return explain_network(error, address)


def explain_network(error: BaseException, address: Address) -> ConnectionProblem:
    """The problem behind a socket's error."""
    place = address.place
    if isinstance(error, (FileNotFoundError, PermissionError)) and address.path:
        missing = isinstance(error, FileNotFoundError)
        return ConnectionProblem(
            f"The socket {place} {'does not exist' if missing else 'may not be opened by you'}.",
            "Check `unixsocket` in the server's configuration.",
        )
    if isinstance(error, redis_errors.TimeoutError):
        error = TimeoutError()
    told = network.explain_network(error, place)
    if told is None and isinstance(error, redis_errors.ConnectionError) and error.__context__ is not None:
        told = network.explain_network(error.__context__, place)  # What redis-py repeats in its own words.
    return told or ConnectionProblem(
        f"The connection to {place} broke.", "See the broker's log if it happens again."
    )


def not_redis(what: str, address: Address) -> ConnectionProblem:
    """Something else answers at that port."""
    cure = {
        "an AMQP broker": "Give an amqp:// URL.",
        "a web server": "Check the port: Redis usually listens on 6379.",
    }.get(what, "Check host and port: Redis usually listens on 6379.")
    return ConnectionProblem(f"{address.place} is not Redis but {what}.", cure)


def speaks_tls(address: Address) -> ConnectionProblem:
    """We spoke plainly to a TLS port."""
    return ConnectionProblem(
        f"{address.place} speaks TLS, and the URL does not.", "Write rediss:// instead of redis://."
    )


def speaks_plainly(address: Address) -> ConnectionProblem:
    """We spoke TLS to a plain port."""
    return ConnectionProblem(
        f"{address.place} speaks plain Redis, not TLS.",
        "Write redis:// instead of rediss://, or give its TLS port.",
    )


_REPLIES: dict[str, tuple[str, str]] = {
    "WRONGPASS": ("{} refused the user name or password.", "Check the credentials in the URL."),
    "invalid username-password": (
        "{} refused the user name or password.",
        "Check the credentials in the URL.",
    ),
    "invalid password": ("{} refused the password.", "Check the password in the URL."),
    "without any password configured": (
        "{} has no password set, and the URL gives one.",
        "Remove the password from the URL, or name the right server.",
    ),
    "no password is set": (
        "{} has no password set, and the URL gives one.",
        "Remove the password from the URL, or name the right server.",
    ),
    "NOAUTH": ("{} wants a password.", "Write redis://:PASSWORD@host/0, or redis://USER:PASSWORD@host/0."),
    "Authentication required": (
        "{} wants a password.",
        "Write redis://:PASSWORD@host/0, or redis://USER:PASSWORD@host/0.",
    ),
    "NOPERM": (
        "{} let us in but refuses this user a command or key.",
        "Grant the ACL user +@read +@write +@pubsub on the keys of the queues (~*) and channels (&*).",
    ),
    "has no permissions": (
        "{} let us in but refuses this user a command or key.",
        "Grant the ACL user +@read +@write +@pubsub on the keys of the queues (~*) and channels (&*).",
    ),
    "MISCONF": (
        "{} refuses writes: it cannot save to disk.",
        "Free disk space on the server, or see its log about RDB and AOF.",
    ),
    "LOADING": ("{} is still loading its data.", "It will answer when it is done; just wait."),
    "loading the dataset": ("{} is still loading its data.", "It will answer when it is done; just wait."),
    "READONLY": ("{} is a read-only replica.", "Give the address of the primary."),
    "MASTERDOWN": ("{} is a replica that lost its primary.", "Give the address of the primary."),
    "DB index is out of range": (
        "{} has no database of that number.",
        "Check the number at the end of the URL; `databases` in the server's configuration limits it.",
    ),
    "max number of clients": ("{} has no connection left for us.", "Raise `maxclients` on the server."),
    "used memory > 'maxmemory'": (
        "{} is out of memory and refuses writes.",
        "Raise `maxmemory` or empty queues and results.",
    ),
    "protected mode": (
        "{} is in protected mode and refuses connections from outside.",
        "Set a password on the server, or connect from the same machine.",
    ),
    "No master found": (
        "The sentinels at {} know no working primary of that name.",
        "Check master_name, and whether a failover is going on.",
    ),
}


_LOGIN = frozenset(list(_REPLIES)[: list(_REPLIES).index("MISCONF")])
"""Those that a person mends with other credentials or permissions."""


def _problem(
    words: tuple[str, str], address: Address, kind: type[ConnectionProblem] = ConnectionProblem
) -> ConnectionProblem:
    return kind(words[0].format(f"Redis at {address.place}"), words[1])
