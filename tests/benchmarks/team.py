"""The history of a team: what writing it costs us and the database, and how soon a question is answered."""

from __future__ import annotations

import time
from pathlib import Path

from lazycelery.store.history.postgres.address import WRITES, address_of, connect
from lazycelery.store.history.postgres.schema import bytes_of
from lazycelery.store.history.postgres.storage import Shared
from tests.benchmarks.figure import Figure
from tests.benchmarks.history import PACED, ROUNDS, cost, fill, lives, restart, searches
from tests.support.postgres import PostgresServer

TASKS = 250_000
"""A million events."""


def team_figures(home: Path) -> list[Figure]:
    server = PostgresServer().start()
    try:
        return _measured(server)
    finally:
        server.remove()


def _measured(server: PostgresServer) -> list[Figure]:
    made = list(lives(PACED // 4, time.time()))
    written = [Shared(address_of(server.url, f"cost{n}", "")) for n in range(ROUNDS)]
    extra = min(cost(made, each) for each in written) - min(cost(made, None) for _ in range(ROUNDS))
    before = _server_cpu(server)
    cost(made, Shared(address_of(server.url, "once", "")))
    theirs = (_server_cpu(server) - before) / PACED
    storage = Shared(address_of(server.url, "many", ""))
    began = time.perf_counter()
    fill(storage, TASKS)
    rate = 4 * TASKS / (time.perf_counter() - began)
    connection = connect(storage.address, WRITES)
    size = sum(bytes_of(connection, storage.address.schema).values())
    query = "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = to_regclass(%s)"
    events = connection.execute(query, (f"{storage.address.schema}.events",)).fetchone()[0]
    connection.execute("VACUUM ANALYZE")
    connection.close()
    return [
        Figure("PostgreSQL: CPU an event more, at 20,000 events a second", extra * 1e6, "us", 10.0),
        Figure("PostgreSQL: the server's CPU an event", theirs * 1e6, "us", 40.0),
        Figure("PostgreSQL: a million events at full speed", 1e6 / rate, "s", 120.0, f"{rate:,.0f} events/s"),
        Figure("PostgreSQL: bytes an event row, with its index", float(events) / (4 * TASKS), "B", 200.0),
        Figure("PostgreSQL: bytes a task, four events with it", size / TASKS, "B", 1500.0),
        *restart(storage, TASKS, " (PostgreSQL)"),
        *searches(storage, TASKS, " (PostgreSQL)"),
    ]


def _server_cpu(server: PostgresServer) -> float:
    """CPU seconds of the server's processes, also of those that have ended."""
    time.sleep(1.0)  # Those that end are counted once their parent has seen it.
    ended = server.processes()[0].cpu_times()
    alive = [process.cpu_times() for process in server.processes()]
    return ended.children_user + ended.children_system + sum(each.user + each.system for each in alive)
