"""Which database, which schema in it, and how to get there. No driver is loaded before it is needed."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import os
import re
import socket
from typing import Any, NamedTuple

from lazycelery.errors import ConnectionProblem
from lazycelery.model.redaction import Redactor
from lazycelery.passwords import Password
from lazycelery.store.history.files import without_credentials

INSTALL = "pip install 'lazycelery[postgres]', where LazyCelery is installed."
PATIENCE = 3
"""Seconds for a connection to be made."""
KEPT_ALIVE = (
    "keepalives_idle=10 keepalives_interval=5 keepalives_count=3 tcp_user_timeout=15000 "
    "application_name=lazycelery"
)
LONGEST = 12
"""Seconds that a statement may take. A recorder lets go of a connection after 15: until then the server's
own word comes, which says more."""
WRITES = {
    "statement_timeout": f"{LONGEST}s",
    "lock_timeout": "5s",
    # A recorder that hangs must not hold up the others.
    "idle_in_transaction_session_timeout": "10s",
    "client_min_messages": "warning",
}
READS = {
    "statement_timeout": "60s",
    "default_transaction_read_only": "on",
    "client_min_messages": "warning",
    # Rows are read in the order of an index, also before the server has counted what is in a fresh table.
    "enable_sort": "off",
}
_UNSAFE = re.compile(r"[^a-z0-9]+")
_LONGEST = 40
"""Characters of a name in a schema's; PostgreSQL knows 63."""


class Address(NamedTuple):
    """A cluster's place in a database."""

    url: str
    schema: str
    password: Password | None = None
    """Where the URL has none."""

    @property
    def shown(self) -> str:
        """For people; without the password."""
        return f"{Redactor().url(self.url)} (schema {self.schema})"


def address_of(url: str, name: str, broker: str) -> Address:
    """The schema is that of a name, or of the broker: by where it is, without its credentials."""
    if name:
        return Address(url, f"lazycelery_{_plain(name)}")
    place = ";".join(without_credentials(one) for one in broker.split(";"))
    digest = hashlib.sha256(place.encode()).hexdigest()[:8]
    return Address(url, f"lazycelery_{_plain(place.partition('://')[2] or place)}_{digest}")


def _plain(text: str) -> str:
    return _UNSAFE.sub("_", text.lower()).strip("_")[:_LONGEST].strip("_")


def driver() -> Any:
    """psycopg. Raises `ConnectionProblem` where it is not installed."""
    try:
        return importlib.import_module("psycopg")
    except ImportError:
        raise ConnectionProblem(
            "A history in PostgreSQL needs psycopg, which is not installed.", INSTALL
        ) from None


def connect(address: Address, options: dict[str, str]) -> Any:
    """A connection, each statement its own transaction. Raises what psycopg does, and `ConnectionProblem`."""
    psycopg = driver()
    own = psycopg.conninfo.conninfo_to_dict(KEPT_ALIVE)
    given = psycopg.conninfo.conninfo_to_dict(address.url)
    said = " ".join(f"-c {name}={value}" for name, value in options.items())
    given["options"] = f"{given['options']} {said}" if given.get("options") else said
    if address.password is not None:
        given["password"] = address.password()
    try:
        return psycopg.connect(**{"connect_timeout": PATIENCE, **own, **given}, autocommit=True)
    except psycopg.OperationalError as problem:
        if address.password is not None and _refused(problem):
            address.password.wrong()
        raise


def _refused(problem: Any) -> bool:
    """Whether a server did not let us in: one that does not answer says nothing of the password, and nobody
    is asked for it again, who may have to touch a key. Of several hosts the text alone tells."""
    used = getattr(getattr(problem, "pgconn", None), "used_password", False)
    return bool(used) or "FATAL" in str(problem)


def abort(connection: Any) -> None:
    """From another thread: let whatever waits for the server fail. A server that hangs ends nothing by
    itself."""
    with contextlib.suppress(Exception):
        own = socket.socket(fileno=os.dup(connection.pgconn.socket))
        try:
            own.shutdown(socket.SHUT_RDWR)
        finally:
            own.close()
