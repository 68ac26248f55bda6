"""The tables of a cluster's schema, how an older one becomes one of today, and the days that exist.

The rows are those of the files (`history/schema.py`); the versions are its own. Tasks and events are
partitioned by day, so that forgetting is dropping a table; every index stands on the parents, so that who
may read those may read all days.
"""

from __future__ import annotations

import datetime
import hashlib
import time
from typing import Any

from lazycelery.store.history.schema import BAD, STATES
from lazycelery.store.history.storage import Newer

DAY = 86_400.0
AHEAD = 2
"""Days whose partitions are made before they come."""
DROP_WAITS = "250ms"
"""For its turn: whoever comes after a drop that waits, waits too, also those who only read."""
DROP_TRIES = 4
LOCKED = "55P03"
DROP_PAUSE = 0.5
"""Seconds between two of them."""
_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE {s}.words (
            code integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, word text COLLATE "C" NOT NULL UNIQUE,
            day date NOT NULL)""",
        "CREATE SEQUENCE {s}.batches AS bigint",
        """CREATE TABLE {s}.tasks (
            day date NOT NULL, n bigint NOT NULL, run integer NOT NULL, id text COLLATE "C" NOT NULL,
            name integer, state smallint, worker integer, queue integer,
            first float8, since float8, seen float8, sent float8, received float8, started float8,
            finished float8, runtime float8, wait float8,
            retries integer, attempt integer, marks integer, sources integer, cut integer, told bigint,
            clock bigint,
            args text COLLATE "C", kwargs text COLLATE "C", result text COLLATE "C", error text COLLATE "C",
            traceback text COLLATE "C", root_id text COLLATE "C", parent_id text COLLATE "C",
            eta text COLLATE "C", expires text COLLATE "C", extra bytea,
            UNIQUE (day, id)) PARTITION BY RANGE (day)""",
        "CREATE INDEX tasks_n ON {s}.tasks (n)",
        f"CREATE INDEX tasks_bad ON {{s}}.tasks (state, n) WHERE {BAD}",
        """CREATE TABLE {s}.events (
            task uuid NOT NULL, at float8 NOT NULL, received float8, clock bigint NOT NULL,
            type integer NOT NULL, worker integer NOT NULL, fields text COLLATE "C",
            UNIQUE (task, at, clock, type, worker)) PARTITION BY RANGE (at)""",
        "CREATE TABLE {s}.events_other PARTITION OF {s}.events DEFAULT",
        """CREATE TABLE {s}.runs (
            n integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, began float8, ended float8, seen float8,
            host text, pid integer, batches bigint DEFAULT 0, events bigint DEFAULT 0,
            dropped bigint DEFAULT 0)""",
        """CREATE FUNCTION {s}.task_key(id text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
            SELECT CASE WHEN id ~ '"""
        + _UUID
        + """' THEN id::uuid ELSE md5(id)::uuid END $$""",
        f"""CREATE VIEW {{s}}.task AS SELECT
            t.id, n.word AS name, CASE t.state {STATES} END AS state, w.word AS worker, q.word AS queue,
            to_timestamp(t.since) AS since, t.sent, t.received, t.started, t.finished, t.runtime, t.wait,
            t.retries, ltrim(t.args, chr(1)) AS args, ltrim(t.kwargs, chr(1)) AS kwargs,
            ltrim(t.result, chr(1)) AS result, t.error, t.traceback,
            CASE t.root_id WHEN '' THEN t.id ELSE t.root_id END AS root_id, t.parent_id, t.eta, t.expires,
            t.day
            FROM {{s}}.tasks t LEFT JOIN {{s}}.words n ON n.code = t.name
            LEFT JOIN {{s}}.words w ON w.code = t.worker LEFT JOIN {{s}}.words q ON q.code = t.queue""",
    ),
    (
        """CREATE TABLE {s}.findings (
            n integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text, subject text, severity text,
            title text, hint text, began float8, ended float8, UNIQUE (code, subject, began))""",
        "CREATE UNIQUE INDEX findings_open ON {s}.findings (code, subject) WHERE ended IS NULL",
        "CREATE TABLE {s}.samples (slot bigint PRIMARY KEY, at float8, queues text, workers text)",
        """CREATE TABLE {s}.statistics (
            began bigint, kind text, key text COLLATE "C", weight bigint, counts bytea, runtime bytea,
            wait bytea, PRIMARY KEY (began, kind, key))""",
        """CREATE TABLE {s}.marks (
            n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at float8, by text, line text UNIQUE)""",
    ),
    (
        "CREATE SEQUENCE {s}.dealt_changes AS bigint",
        """CREATE TABLE {s}.dealt (
            id text COLLATE "C" PRIMARY KEY, at float8 NOT NULL, by text NOT NULL, note text NOT NULL,
            undone boolean NOT NULL, change bigint NOT NULL DEFAULT nextval('{s}.dealt_changes'))""",
        "CREATE INDEX dealt_change ON {s}.dealt (change)",
        # Who may read or write marks already may do so here: nobody grants anything again.
        """DO $$ DECLARE given record; BEGIN
            FOR given IN SELECT a.grantee, a.privilege_type AS what FROM pg_class c, aclexplode(c.relacl) a
                WHERE c.oid = '{s}.marks'::regclass AND a.grantee <> c.relowner
                AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') LOOP
                EXECUTE format('GRANT %s ON {s}.dealt TO %s', given.what,
                    CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE given.grantee::regrole::text END);
                IF given.what = 'INSERT' THEN
                    EXECUTE format('GRANT USAGE ON SEQUENCE {s}.dealt_changes TO %s',
                        CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE given.grantee::regrole::text END);
                END IF;
            END LOOP; END $$""",
    ),
    ("ALTER TABLE {s}.runs ADD COLUMN dropped_notes bigint DEFAULT 0",),
    ("ALTER TABLE {s}.runs ADD COLUMN dropped_tasks bigint DEFAULT 0",),
    (
        # A finding is its recorder's: another one may have it for longer, or not at all.
        "ALTER TABLE {s}.findings ADD COLUMN run integer",
        "DROP INDEX {s}.findings_open",
        "ALTER TABLE {s}.findings DROP CONSTRAINT findings_code_subject_began_key",
        "CREATE UNIQUE INDEX findings_run ON {s}.findings (run, code, subject, began)",
        """UPDATE {s}.findings SET ended = greatest(began,
            (SELECT max(coalesce(ended, seen)) FROM {s}.runs)) WHERE ended IS NULL""",
    ),
)
"""Step by step: what makes version 1 of nothing, version 2 of version 1."""
VERSION = len(MIGRATIONS)
WITH_DEALT = 3
"""The first version that has the marks of tasks that were dealt with."""


def key_of(schema: str) -> int:
    """The number of the schema's advisory lock: who migrates, makes or drops days holds it."""
    return int.from_bytes(hashlib.sha256(f"lazycelery {schema}".encode()).digest()[:8], "big", signed=True)


def version_of(connection: Any, schema: str) -> int:
    """The version of a schema: 0 where there is none."""
    # Read from the catalogue itself: `to_regclass` may still know of before somebody else made it.
    query = """SELECT count(*) FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
        WHERE s.nspname = %s AND c.relname = 'version'"""
    if not connection.execute(query, (schema,)).fetchone()[0]:
        return 0
    told = connection.execute(f"SELECT max(version) FROM {schema}.version").fetchone()[0]
    return int(told or 0)


def migrate(connection: Any, schema: str) -> None:
    """Bring a schema to the version of today; one does it, others wait. Each is whole or has not
    happened. Raises `Newer`."""
    version = version_of(connection, schema)
    if version > VERSION:
        raise Newer(f"The schema {schema}")
    if version == VERSION:
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (key_of(schema),))
        version = version_of(connection, schema)  # Somebody else may have been faster.
        if not version:
            query = "SELECT count(*) FROM pg_namespace WHERE nspname = %s"
            if not connection.execute(query, (schema,)).fetchone()[
                0
            ]:  # An administrator may have made it, for a role that may not.
                connection.execute(f"CREATE SCHEMA {schema}")
            connection.execute(f"CREATE TABLE {schema}.version (version integer PRIMARY KEY)")
        for step in range(version, VERSION):
            for statement in MIGRATIONS[step]:
                connection.execute(statement.replace("{s}", schema))
            connection.execute(f"INSERT INTO {schema}.version VALUES (%s)", (step + 1,))


def day_of(moment: float) -> datetime.date:
    """The day in UTC."""
    return datetime.datetime.fromtimestamp(max(0.0, moment), datetime.timezone.utc).date()


def begin_of(day: datetime.date) -> float:
    """Its first second."""
    return float((day - datetime.date(1970, 1, 1)).days * DAY)


def days(connection: Any, schema: str) -> list[datetime.date]:
    """Days that have a partition, oldest first."""
    query = """SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass(%s)"""
    rows = connection.execute(query, (f"{schema}.tasks",)).fetchall()
    own = [text for (name,) in rows if (text := name.rpartition("_")[2]).isdecimal()]
    return sorted(datetime.datetime.strptime(text, "%Y%m%d").date() for text in own)


def make_days(connection: Any, schema: str, today: datetime.date) -> None:
    """The partitions of today and the days ahead; one does it, and it is in nobody's way: tables are
    attached, which waits for no writer."""
    wanted = [today + datetime.timedelta(days=ahead) for ahead in range(AHEAD + 1)]
    if not set(wanted) - set(days(connection, schema)):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (key_of(schema),))
        for day in sorted(set(wanted) - set(days(connection, schema))):
            _make_day(connection, schema, day)


def _make_day(connection: Any, schema: str, day: datetime.date) -> None:
    run, name, begin = connection.execute, f"{day:%Y%m%d}", begin_of(day)
    run(f"CREATE TABLE {schema}.tasks_{name} (LIKE {schema}.tasks INCLUDING ALL)")
    after = day + datetime.timedelta(days=1)
    run(
        f"ALTER TABLE {schema}.tasks ATTACH PARTITION {schema}.tasks_{name} "
        f"FOR VALUES FROM ('{day}') TO ('{after}')"
    )
    run(f"CREATE TABLE {schema}.events_{name} (LIKE {schema}.events INCLUDING ALL)")
    # Who reads a span of time reads few pages; it costs next to nothing to write. The parent has none: to add
    # one there would read all days.
    run(f"CREATE INDEX ON {schema}.events_{name} USING brin (at) WITH (autosummarize = on)")
    # What came from a clock that is ahead has waited for its day.
    run(
        f"WITH early AS (DELETE FROM {schema}.events_other WHERE at >= {begin} AND at < {begin + DAY} "
        f"RETURNING *) INSERT INTO {schema}.events_{name} SELECT * FROM early"
    )
    run(
        f"ALTER TABLE {schema}.events ATTACH PARTITION {schema}.events_{name} "
        f"FOR VALUES FROM ({begin}) TO ({begin + DAY})"
    )


def bytes_of(connection: Any, schema: str) -> dict[datetime.date, int]:
    """Bytes of each day, tasks and events with their indexes."""
    query = """SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN (to_regclass(%s), to_regclass(%s))"""
    found: dict[datetime.date, int] = {}
    for name, size in connection.execute(query, (f"{schema}.tasks", f"{schema}.events")).fetchall():
        text = name.rpartition("_")[2]
        if text.isdecimal():
            day = datetime.datetime.strptime(text, "%Y%m%d").date()
            found[day] = found.get(day, 0) + int(size)
    return found


def sweep(
    connection: Any, schema: str, now: float, keep: float, max_bytes: int, by_age: bool
) -> list[datetime.date]:
    """Drop what is older than `keep` days, then the oldest day while all are too large; today always
    stays. Another recorder that is at it does it alone. Returns the days that went. Raises what psycopg
    does, after the days before have gone."""
    run, today = connection.execute, day_of(now)
    sizes = bytes_of(connection, schema)
    oldest = day_of(now - keep * DAY) if by_age else datetime.date.min
    gone: list[datetime.date] = []
    for day in sorted(sizes):
        kept = sum(size for each, size in sizes.items() if each not in gone)
        if day >= today or (day >= oldest and kept <= max_bytes):
            break
        if not _drop(connection, schema, day):
            return gone
        gone.append(day)
    left = [day for day in sizes if day not in gone]
    if gone or by_age:
        begin = begin_of(min([*left, today]))
        with connection.transaction():
            if not run("SELECT pg_try_advisory_xact_lock(%s)", (key_of(schema),)).fetchone()[0]:
                return gone
            run(f"DELETE FROM {schema}.events_other WHERE received < %s", (begin,))
            run(f"DELETE FROM {schema}.samples WHERE at < %s", (begin,))
            run(f"DELETE FROM {schema}.findings WHERE ended < %s", (begin - DAY,))
            run(f"DELETE FROM {schema}.statistics WHERE began < %s", (begin,))
            run(f"DELETE FROM {schema}.runs WHERE coalesce(ended, seen) < %s", (begin - DAY,))
            run(f"DELETE FROM {schema}.words WHERE day < %s", (min([*left, today]) - datetime.timedelta(2),))
    return gone


def _drop(connection: Any, schema: str, day: datetime.date) -> bool:
    """One day, alone. Each try waits for a moment only: somebody's long query must not hold up, behind
    ours, all who read. Returns whether it was ours to do."""
    run, name = connection.execute, f"{day:%Y%m%d}"
    for tries in range(1, DROP_TRIES + 1):
        try:
            with connection.transaction():
                if not run("SELECT pg_try_advisory_xact_lock(%s)", (key_of(schema),)).fetchone()[0]:
                    return False
                run(f"SET LOCAL lock_timeout = '{DROP_WAITS}'")
                run(f"DROP TABLE IF EXISTS {schema}.tasks_{name}, {schema}.events_{name}")
            return True
        except Exception as problem:
            if getattr(problem, "sqlstate", None) != LOCKED or tries == DROP_TRIES:
                raise
            time.sleep(DROP_PAUSE)
    return False
