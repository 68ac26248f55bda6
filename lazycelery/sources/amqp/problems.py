"""What went wrong with a RabbitMQ, in plain words with a cure."""

from __future__ import annotations

import asyncio
import re
from copy import copy

from pika import exceptions as amqp  # type: ignore[import-untyped]
from pika.adapters.utils import connection_workflow  # type: ignore[import-untyped]

from lazycelery.errors import AuthFailed, ConnectionProblem, LazyCeleryError, NothingFound, Refused
from lazycelery.sources import network
from lazycelery.sources.amqp.address import Address

FAILURES: tuple[type[BaseException], ...] = (
    amqp.AMQPError,
    connection_workflow.AMQPConnectorException,
    OSError,
    asyncio.TimeoutError,
    EOFError,
)
"""What pika and sockets raise when the outside is at fault."""
LOG = "RabbitMQ's log tells why."


def explain(error: BaseException, address: Address) -> LazyCeleryError:
    """The problem behind an exception of pika or of a socket."""
    if isinstance(error, LazyCeleryError):
        return error
    error = root_of(error)
    if isinstance(error, amqp.ChannelClosedByBroker):
        return _refusal(error.reply_code, str(error.reply_text), address)
    if isinstance(error, amqp.ConnectionClosedByBroker):
        return _hung_up(error.reply_code, str(error.reply_text), address)
    if isinstance(error, (amqp.AuthenticationError, amqp.ProbableAuthenticationError)):
        return _login(address)
    if isinstance(error, amqp.ProbableAccessDeniedError):
        return _no_vhost(address)
    if isinstance(error, amqp.AMQPHeartbeatTimeout):
        return ConnectionProblem(
            f"{_it(address)} stopped answering.", "Check the network, and RabbitMQ's log."
        )
    if isinstance(error, (amqp.AMQPError, connection_workflow.AMQPConnectorException)):
        return ConnectionProblem(f"The connection to {_it(address)} is lost.", LOG)
    return explain_network(error, address)


def before_all(error: BaseException, address: Address) -> LazyCeleryError:
    """The same of what failed before anything was sent: certainly nothing was done."""
    told = copy(explain(error, address))  # One that is remembered answers for other calls too.
    told.nothing_done = True
    return told


def root_of(error: BaseException) -> BaseException:
    """The first cause inside pika's wrappings."""
    for _ in range(10):
        inner = getattr(error, "exception", None)
        if inner is None and isinstance(error, connection_workflow.AMQPConnectionWorkflowFailed):
            inner = error.exceptions[-1] if error.exceptions else None
        if inner is None and type(error) in (amqp.AMQPConnectionError, amqp.StreamLostError):
            inner = next((each for each in error.args if isinstance(each, BaseException)), None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return error


def explain_network(error: BaseException, address: Address) -> ConnectionProblem:
    """The problem behind a socket's error."""
    told = network.explain_network(error, address.place)
    if told is None and isinstance(error, OSError) and error.strerror:
        told = ConnectionProblem(
            f"{address.place} cannot be reached: {error.strerror}.", "Check network and VPN."
        )
    return told or ConnectionProblem(f"The connection to {_it(address)} is lost.", LOG)


def not_rabbitmq(what: str, address: Address) -> ConnectionProblem:
    """Something else listens there."""
    return ConnectionProblem(
        f"{address.place} is {what}, not RabbitMQ.", "Check host and port; AMQP's usual port is 5672."
    )


def speaks_tls(address: Address) -> ConnectionProblem:
    """The URL says plain, the port wants TLS."""
    return ConnectionProblem(f"{address.place} speaks TLS, and the URL does not.", "Write amqps://.")


def speaks_plainly(address: Address) -> ConnectionProblem:
    """The URL says TLS, the port does not."""
    return ConnectionProblem(
        f"{address.place} does not speak TLS.", "Write amqp://, or give the port that speaks TLS (5671)."
    )


def blocked(why: str, address: Address) -> ConnectionProblem:
    """RabbitMQ takes no messages."""
    return ConnectionProblem(
        f"{_it(address)} takes no messages now: {why}.",
        "Free memory or disk space on its nodes; it goes on by itself then.",
    )


def quoted(text: str) -> str:
    """What RabbitMQ says of itself, in one short line, without its own error word."""
    text = re.sub(r"^[A-Z_]+ - ", "", " ".join(text.split()))
    return text[:200].rstrip(".")


def _it(address: Address) -> str:
    return f"RabbitMQ at {address.place}"


def _login(address: Address) -> ConnectionProblem:
    return AuthFailed(
        f"{_it(address)} refuses user name or password.",
        "Check them in the URL, percent-encoded; RabbitMQ lets guest in only from its own machine.",
    )


def _no_vhost(address: Address) -> ConnectionProblem:
    return AuthFailed(
        f"{_it(address)} has no virtual host {address.vhost!r} for this user.",
        'It is the URL\'s path: `//` is "/", `/shop` is "shop", `/team%2Fa` is "team/a". '
        "`rabbitmqctl list_permissions -p NAME` tells who may enter.",
    )


def _hung_up(code: int, text: str, address: Address) -> ConnectionProblem:
    if code == 403:
        return _login(address)
    if code == 530:
        return _no_vhost(address)
    said = quoted(text)
    if code == 320 and "'shutdown'" in said:
        return ConnectionProblem(f"{_it(address)} shuts down.", "It is back when somebody starts it.")
    if code == 320:
        return ConnectionProblem(f"Somebody closed our connection to {_it(address)}: {said}.", LOG)
    return ConnectionProblem(f"{_it(address)} ended the connection: {said}.", LOG)


def _refusal(code: int, text: str, address: Address) -> LazyCeleryError:
    said = quoted(text)
    if code == 404:
        return NothingFound(f"RabbitMQ has {said}." if said.startswith("no ") else f"{said}.")
    if code == 403:
        return Refused(
            f"{_it(address)} refuses this user something: {said}.",
            "Its permissions on the virtual host need configure, write and read for Celery's queues and "
            "exchanges: `rabbitmqctl set_permissions`.",
        )
    if code == 405:
        return Refused(f"The queue belongs to another connection: {said}.")
    return Refused(f"{_it(address)} refused a command: {said}.", "RabbitMQ's log tells what it objects to.")
