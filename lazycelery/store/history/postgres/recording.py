"""Writes the history of a team: a batch is one transaction, and whoever else writes it too changes nothing.

All that is written may be written again: after a connection broke in the middle nobody knows whether the
batch is there. Tasks and events are sorted by their identity first, so that two recorders never wait for
each other in a ring.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import msgspec

from lazycelery.model.redaction import Redactor
from lazycelery.store.columns import Columns
from lazycelery.store.history.postgres import address as addresses
from lazycelery.store.history.postgres import schema as tables
from lazycelery.store.history.postgres.address import Address
from lazycelery.store.history.postgres.faults import said
from lazycelery.store.history.postgres.merging import ADD_EVENTS, PUT_TASKS, STAGE_EVENTS, STAGE_TASKS, STAGED
from lazycelery.store.history.postgres.rows import HEAD, TAIL, copied, pack, text_in
from lazycelery.store.history.standing import Standing, follow
from lazycelery.store.history.storage import (
    NOTHING,
    Dropped,
    FindingBegan,
    FindingEnded,
    Hour,
    Note,
    Sample,
)
from lazycelery.store.history.taking import AT_ONCE, NEWEST, Copied, Slots, Taken, made, snapshot, take
from lazycelery.store.history.veiling import Veiling
from lazycelery.store.history.writer import Codes
from lazycelery.store.told import NOTHING_TOLD, Told

logger = logging.getLogger(__name__)

SAMPLED = 10
"""Seconds of which one sample is kept, whoever made it."""
TOGETHER = 1 << 20
"""Numbers that a batch has for its tasks."""
LATER = ("42501", "55P03", "40P01", "57014")
"""Upkeep that a role may not do, or that a long query of somebody else holds up, is tried again later."""
SAID_AFTER = 3
"""Tries in a row: a day that waits for somebody's query, or for the recorder of a role that may, is no
trouble yet."""
LONGEST = 512
"""Characters of what stands in an index, which takes 2,700 bytes: the whole batch would be refused."""
GONE = 180
"""Seconds without a word after which a recorder that did not end is gone, and its findings with it; each says
once a minute that it is there."""
_counts = msgspec.msgpack.Decoder(list[int]).decode
_TEXTS = slice(-10, -1)
"""Where the texts stand in a row as it is taken."""


class SharedRecording:
    """The `Recording` of a schema."""

    fresh = False
    wants_events = True

    def __init__(
        self,
        address: Address,
        days: float,
        max_bytes: int,
        columns: Columns,
        redactor: Redactor,
        clock: Callable[[], float],
    ) -> None:
        self._address, self._days, self._max_bytes = address, days, max_bytes
        self._columns, self._veiling, self._clock = columns, Veiling(redactor), clock
        self._redactor = redactor
        self._connection: Any = None
        self._codes = Codes(columns, self._code, redactor)
        self._words: dict[str, int] = {}
        self._day = tables.day_of(0)
        self._ahead = 0.0
        """Seconds by which the server's clock is ahead of ours: days are the server's."""
        self._run: int | None = None
        self._standing: Standing = {}
        self.put_off = ""
        self._tries = 0
        self.batches = self.events = 0
        """Batches written in this run, and events in them, also those that another one had written."""

    def packed(self, told: Told) -> Told:
        """Its events as they will be written, and nothing that is not needed for it."""
        packed = pack(told.events, self._redactor.value)
        # Not a part of its numbers, which would keep all of them.
        return told._replace(numbers=NOTHING_TOLD, others={}, events=(), packed=packed)

    def copied(self, slots: Slots) -> Copied:
        """As they are."""
        return snapshot(self._columns, slots)

    # ---- life

    def ready(self) -> str:
        """A connection, the schema, and the partition of today. Never another one's turn."""
        if self._connection is None:
            self._connection = addresses.connect(self._address, addresses.WRITES)
            self._begin()
        if tables.day_of(self._clock() + self._ahead) != self._day:
            self._follow(tables.day_of(self.now()))  # Our clock may have been set since.
        return ""

    def now(self) -> float:
        """The server's clock; asks it. Raises what psycopg does."""
        query = "SELECT extract(epoch FROM clock_timestamp())"
        self._ahead = float(self._connection.execute(query).fetchone()[0]) - time.time()
        return self._clock() + self._ahead

    def _begin(self) -> None:
        run, schema = self._connection.execute, self._address.schema
        tables.migrate(self._connection, schema)
        now = self.now()
        self._day = tables.day_of(0)
        run(STAGE_TASKS)
        run(STAGE_EVENTS)
        if self._run is None:
            told = (now, now, socket.gethostname(), os.getpid())
            query = f"INSERT INTO {schema}.runs (began, seen, host, pid) VALUES (%s, %s, %s, %s) RETURNING n"
            self._run = int(run(query, told).fetchone()[0])
            self._stand()

    def _follow(self, today: Any) -> None:
        """Words are told anew: those that no day has any more are forgotten."""
        if today == self._day:
            return
        try:
            tables.make_days(self._connection, self._address.schema, today)
        except Exception as problem:
            # Somebody else may make them; without one for today the batch is refused.
            logger.warning("history: %s", said(problem) or problem)
        self._forget_words()
        self._day = today

    def close(self, now: float) -> None:
        """Say that it ended in good order."""
        if self._connection is None:
            return
        with contextlib.suppress(Exception), self._connection.transaction():
            run, schema = self._connection.execute, self._address.schema
            run(f"UPDATE {schema}.runs SET ended = %s WHERE n = %s", (now + self._ahead, self._run))
            query = "SET ended = greatest(began, %s) WHERE run = %s AND ended IS NULL"
            run(f"UPDATE {schema}.findings {query}", (now, self._run))
        self._let_go()

    def abort(self) -> None:
        """End what waits for the server, from another thread."""
        if (connection := self._connection) is not None:
            addresses.abort(connection)

    def refused(self, problem: Exception) -> str | None:
        """The connection is made anew."""
        self._let_go()
        reason = said(problem)
        return None if reason is None else f"{reason[:1].upper()}{reason[1:]}"

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        self._forget_words()
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def _forget_words(self) -> None:
        self._codes.clear()
        self._words.clear()

    def passed_over(self, notes: Sequence[Note]) -> None:
        """Nobody writes instead."""

    def known(self, part: str, slots: Any, numbers: Any, rows: Any) -> None:
        """Rows are found by their ids."""

    def upkeep(self, by_age: bool) -> bool:
        """Days that come, and days that go."""
        schema, what = self._address.schema, "make the days ahead"
        try:
            now = self.now()
            tables.make_days(self._connection, schema, tables.day_of(now))
            what = "end what a killed monitor left open"
            self._live()
            what = "remove old days"
            gone = tables.sweep(self._connection, schema, now, self._days, self._max_bytes, by_age)
        except Exception as problem:
            if getattr(problem, "sqlstate", None) not in LATER:
                raise
            # Batches can be written all the same.
            self._tries += 1
            if self._tries == SAID_AFTER:
                self.put_off = f"{what}: {said(problem)}"
                logger.warning("history: cannot %s", self.put_off)
            return True
        self.put_off, self._tries = "", 0
        for day in gone:
            logger.info("history: removed %s", day)
        return True

    def _live(self) -> None:
        """Tell that we are there, also where nothing happens; what recorders that went left open is ended at
        their last sight."""
        schema, seen = self._address.schema, "extract(epoch FROM clock_timestamp())"
        with self._connection.transaction():
            run = self._connection.execute
            run(f"UPDATE {schema}.runs SET seen = {seen} WHERE n = %s", (self._run,))
            run(
                f"""UPDATE {schema}.findings f SET ended = greatest(f.began, o.at) FROM (
                    SELECT f.n, coalesce(r.ended, r.seen, f.began) AS at
                    FROM {schema}.findings f LEFT JOIN {schema}.runs r ON r.n = f.run
                    WHERE f.ended IS NULL AND f.run IS DISTINCT FROM %s
                    AND (r.n IS NULL OR r.ended IS NOT NULL OR r.seen < {seen} - {GONE})
                    ORDER BY f.n FOR UPDATE OF f SKIP LOCKED) o WHERE f.n = o.n""",
                (self._run,),
            )
            self._stand()

    def _stand(self) -> None:
        """What stands is open in our run: somebody may have taken us for gone."""
        for finding in self._standing.values():
            self._begin_finding(finding, "DO UPDATE SET ended = NULL WHERE f.ended IS NOT NULL")

    def _begin_finding(self, finding: FindingBegan, there: str) -> None:
        self._connection.execute(
            f"""INSERT INTO {self._address.schema}.findings AS f
            (code, subject, severity, title, hint, began, run) VALUES (%s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (run, code, subject, began) {there}""",
            (*_key(finding), *map(text_in, finding[2:5]), finding.began, self._run),
        )

    # ---- batches

    def _code(self, word: str) -> int:
        """A transaction of its own: nobody may wait for a word until a batch has ended."""
        known = self._words.get(word)
        if known is not None:
            return known
        query = f"""INSERT INTO {self._address.schema}.words AS w (word, day) VALUES (%s, %s)
            ON CONFLICT (word) DO UPDATE SET day = greatest(w.day, excluded.day) RETURNING code"""
        found = self._connection.execute(query, (text_in(word), self._day)).fetchone()
        code = self._words[word] = int(found[0])
        return code

    def write(
        self,
        slots: Slots,
        told: Sequence[Told],
        notes: Sequence[Note],
        lean: bool = False,
        dropped: Dropped = NOTHING,
        left: Sequence[Copied] = (),
        newest: int = NEWEST,
    ) -> bool:
        """One transaction."""
        parts = [self._tasks(slots, lean, newest)]
        if left:  # First: one of them may have come again.
            parts.insert(0, _in_order([made(each, self._veiling, self._codes) for each in left]))
        packed, count = self._events(told)
        schema = self._address.schema
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for place, tasks in enumerate(parts):
                if place:
                    cursor.execute("DELETE FROM lazycelery_tasks")
                if tasks:
                    self._put(cursor, tasks)
            if count:
                with cursor.copy("COPY lazycelery_events FROM STDIN (FORMAT binary)") as copy:
                    for piece in packed:
                        copy.write(piece)
                cursor.execute(ADD_EVENTS.replace("{s}", schema))
            standing = dict(self._standing)
            for note in notes:
                self._note(cursor, note, standing)
                follow(standing, (note,))
            query = f"""UPDATE {schema}.runs SET seen = extract(epoch FROM clock_timestamp()), ended = NULL,
                batches = %s, events = %s, dropped = %s, dropped_notes = %s, dropped_tasks = %s WHERE n = %s
                RETURNING extract(epoch FROM clock_timestamp())"""
            counted = (self.batches + 1, self.events + count, *dropped, self._run)
            found = cursor.execute(query, counted).fetchone()
        if found is None:  # Somebody removed it.
            self._run = None
            raise RuntimeError("The history's schema was emptied while it was written")
        self.batches, self.events = self.batches + 1, self.events + count
        self._standing = standing
        self._ahead = float(found[0]) - time.time()
        return lean

    def _tasks(self, slots: Slots, lean: bool, newest: int) -> list[list[Any]]:
        return _in_order(
            [
                take(
                    self._columns,
                    slots[start : start + AT_ONCE],
                    self._veiling,
                    self._codes,
                    None,
                    lean,
                    newest,
                )
                for start in range(0, len(slots), AT_ONCE)
            ]
        )

    def _put(self, cursor: Any, tasks: list[list[Any]]) -> None:
        schema = self._address.schema
        batch = cursor.execute(f"SELECT nextval('{schema}.batches')").fetchone()[0]
        with cursor.copy(f"COPY lazycelery_tasks ({STAGED}) FROM STDIN") as copy:
            for place, row in enumerate(tasks):
                copy.write_row((self._day, batch * TOGETHER + place, self._run, *row))
        cursor.execute(PUT_TASKS.replace("{s}", schema))

    def _events(self, told: Sequence[Told]) -> tuple[list[bytes], int]:
        """All but heartbeats, as the database takes them, and how many they are."""
        batches = [batch.packed for batch in told if batch.packed is not None]
        if fresh := [event for batch in told if batch.packed is None for event in batch.events]:
            batches.append(pack(fresh, self._veiling.redactor.value))
        count = sum(len(batch.rows) for batch in batches)
        return [HEAD, *chain.from_iterable(copied(batch, self._word) for batch in batches), TAIL], count

    def _end_finding(self, note: FindingBegan | FindingEnded, at: float, which: str, *own: float) -> None:
        query = f"""UPDATE {self._address.schema}.findings SET ended = %s
            WHERE run = %s AND code = %s AND subject = %s AND {which}"""
        self._connection.execute(query, (at, self._run, *_key(note), *own))

    def _word(self, word: str) -> int:
        """The number of any word, also of one that the columns do not know."""
        return self._code(word[:LONGEST]) if word else 0

    def _note(self, cursor: Any, note: Note, standing: Standing) -> None:
        schema = self._address.schema
        if isinstance(note, Sample):
            cursor.execute(
                f"INSERT INTO {schema}.samples VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (int(note.at // SAMPLED), note.at, text_in(note.queues), text_in(note.workers)),
            )
        elif isinstance(note, FindingBegan):
            # The end of the one before may have been lost.
            self._end_finding(note, note.began, "began <> %s AND ended IS NULL", note.began)
            self._begin_finding(note, "DO NOTHING")
        elif isinstance(note, FindingEnded):
            known = standing.get((note.code, note.subject))
            if known is not None:  # Also where somebody had taken us for gone.
                self._end_finding(note, note.ended, "began = %s", known.began)
            else:
                self._end_finding(note, note.ended, "ended IS NULL")
        elif isinstance(note, Hour):
            # Recorders count the same events: who saw the most of an hour is right.
            cursor.execute(
                f"""INSERT INTO {schema}.statistics AS s VALUES (%s, %s, %s, %s, %s, %s, %s)
                ON CONFLICT (began, kind, key) DO UPDATE SET weight = excluded.weight,
                counts = excluded.counts, runtime = excluded.runtime, wait = excluded.wait
                WHERE excluded.weight >= s.weight""",
                (note.began, note.kind, text_in(note.key), sum(_counts(note.counts)), *note[3:]),
            )


def _in_order(taken: Sequence[Taken]) -> list[list[Any]]:
    """Rows in the order of first sight, each task once."""
    found: dict[str, tuple[int, list[Any]]] = {}
    for each in taken:
        for identity, row in zip(each.identities.tolist(), each.rows(), strict=True):
            if len(row[0]) > LONGEST:
                continue  # Its events are kept, by their task's key.
            own = list(row)
            own[0] = text_in(own[0])
            own[_TEXTS] = map(text_in, own[_TEXTS])
            if own[0] not in found or found[own[0]][0] < identity:
                found[own[0]] = identity, own
    return [row for _, row in sorted(found.values(), key=lambda one: one[0])]


def _key(note: FindingBegan | FindingEnded) -> tuple[str | None, str | None]:
    return text_in(note.code[:LONGEST]), text_in(note.subject[:LONGEST])
