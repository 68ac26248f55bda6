"""Queues of Kombu's SQL transport: rows of two tables, read by plain statements that create nothing.

A row that was delivered stays, invisible, for ever: so what workers hold cannot be told from what they
have done.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.model.message import PeekPage, StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.model.reports import QueueReport
from lazycelery.sources.jsontext import size_text
from lazycelery.sources.kombu.internal import Internal
from lazycelery.sources.kombu.lane import Channel, Lane
from lazycelery.sources.kombu.sending import SentQueues
from lazycelery.sources.protocols.queues import Found, PurgeResult
from lazycelery.sources.wire import read_message, task_id_of

T = TypeVar("T")
PAGE = 200
MAX_PEEK = 16 * 1024 * 1024
"""Bytes that one look reads."""
Save = Callable[[Sequence[StoredMessage]], None]


class SqlQueues(SentQueues):
    """The `QueueOps` of Kombu's SQL transport, but for messages in flight."""

    free_looks = True

    def __init__(self, lane: Lane, internal: Internal, profile: Profile) -> None:
        super().__init__(lane, internal, profile.queues)
        self._engine: Any = None
        self._queues: Any = None
        self._messages: Any = None

    async def check(self) -> None:
        """Raise when the tables are not there."""
        await self._do(lambda connection: None)

    async def names(self) -> list[str]:
        """Queues that the table or the profile names, sorted."""

        def look(connection: Any) -> list[str]:
            rows = connection.execute(self._sql.select(self._queues.c.name)).scalars()
            return sorted({*self._shown, *filter(self._internal.holds_tasks, map(str, rows))})

        return await self._do(look)

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        """Depths of all queues in one statement."""

        def look(connection: Any) -> list[QueueReport]:
            sql, queues, messages = self._sql, self._queues, self._messages
            joined = queues.outerjoin(
                messages, sql.and_(messages.c.queue_id == queues.c.id, messages.c.visible == sql.true())
            )
            statement = (
                sql.select(queues.c.name, sql.func.count(messages.c.id))
                .select_from(joined)
                .group_by(queues.c.name)
            )
            depths = {str(name): int(count) for name, count in connection.execute(statement)}
            at = time.time()
            return [
                QueueReport(
                    name=name, at=at, type="table", messages=depths.get(name, 0), bound=name in depths
                )
                for name in names
            ]

        return await self._do(look)

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, force: bool = False) -> PeekPage:
        """Waiting messages, next to run first; nothing is taken."""

        def look(connection: Any) -> PeekPage:
            sql, at = self._sql, time.time()
            count = sql.select(sql.func.count()).select_from(self._waiting(queue).subquery())
            page, size = PeekPage(queue=queue, at=at, total=int(connection.execute(count).scalar() or 0)), 0
            rows = connection.execute(self._waiting(queue).offset(offset).limit(limit))
            for position, (_, text) in enumerate(rows, offset):
                page.messages.append(read_message(_bytes(text), position))
                size += len(text)
                if size >= MAX_PEEK:
                    page.note = f"Stopped after {size_text(size)}."
                    break
            return page

        return await self._do(look)

    async def find(self, ids: Sequence[str], limit: int = 10_000) -> dict[str, StoredMessage]:
        """Waiting messages of these tasks, searched in pages."""

        def look(connection: Any) -> Found:
            found, wanted, seen = Found(), set(ids), 0
            names = connection.execute(self._sql.select(self._queues.c.name)).scalars().all()
            for queue in filter(self._internal.holds_tasks, map(str, names)):
                for position, (_, text) in enumerate(self._pages(connection, queue, limit - seen)):
                    seen += 1
                    named = task_id_of(_bytes(text))
                    if named in wanted:
                        found[str(named)] = StoredMessage(
                            queue=queue, priority=0, raw=_bytes(text), position=position
                        )
                if len(found) == len(wanted):
                    return found
                if seen >= limit:
                    found.cut = seen
                    return found
            return found

        return await self._do(look)

    async def purge(self, queue: str, save: Save) -> PurgeResult:
        """Lock the waiting messages, save them, and remove them, all in one transaction."""

        def work(connection: Any) -> PurgeResult:
            sql, messages = self._sql, self._messages
            waiting = self._waiting(queue).with_only_columns(messages.c.id).with_for_update()
            ids = connection.execute(waiting).scalars().all()
            for start in range(0, len(ids), PAGE):
                page = ids[start : start + PAGE]
                rows = sql.select(messages.c.id, messages.c.payload).where(messages.c.id.in_(page))
                texts = {row[0]: row[1] for row in connection.execute(rows)}
                self._save_page(queue, [(each, texts[each]) for each in page], start, save)
            removed = 0
            for start in range(0, len(ids), PAGE):
                gone = sql.delete(messages).where(messages.c.id.in_(ids[start : start + PAGE]))
                removed += connection.execute(gone).rowcount
            left = sql.select(sql.func.count()).select_from(self._waiting(queue).subquery())
            return PurgeResult(
                before=len(ids), removed=removed, after=int(connection.execute(left).scalar() or 0)
            )

        return await self._do(work, change=True, patience=3600.0)

    def _save_page(self, queue: str, rows: Sequence[Any], start: int, save: Save) -> None:
        page = [
            StoredMessage(queue=queue, priority=0, raw=_bytes(text), position=position)
            for position, (_, text) in enumerate(rows, start)
        ]
        try:
            save(page)
        except LazyCeleryError as error:
            error.nothing_done = True  # The transaction is rolled back.
            raise
        except OSError as error:
            raise LazyCeleryError(
                f"The messages of {queue} could not be saved: {error.strerror or 'disk error'}.",
                "Nothing was removed.",
                nothing_done=True,
            ) from None

    # ---- statements

    @property
    def _sql(self) -> Any:
        return importlib.import_module("sqlalchemy")

    def _waiting(self, queue: str) -> Any:
        """Id and payload of a queue's waiting messages, in the order in which Kombu delivers them."""
        sql, queues, messages = self._sql, self._queues, self._messages
        mine = sql.select(queues.c.id).where(queues.c.name == queue).scalar_subquery()
        return (
            sql.select(messages.c.id, messages.c.payload)
            .where(messages.c.queue_id == mine, messages.c.visible == sql.true())
            .order_by(messages.c.timestamp, messages.c.id)
        )

    def _pages(self, connection: Any, queue: str, limit: int) -> Iterator[Any]:
        seen = 0
        while seen < limit:
            page = connection.execute(self._waiting(queue).offset(seen).limit(min(PAGE, limit - seen))).all()
            yield from page
            seen += len(page)
            if len(page) < PAGE:
                return

    async def _do(self, work: Callable[[Any], T], change: bool = False, patience: float | None = None) -> T:
        def run(channel: Channel) -> T:
            self._open(channel)
            with self._engine.connect() as connection:
                if change and self._engine.name == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                result = work(connection)
                if change:
                    connection.commit()
                else:
                    connection.rollback()
                return result

        return await self._lane.do(run, patience)

    def _open(self, channel: Channel) -> None:
        """An engine of our own: Kombu's would create the tables."""
        if self._queues is not None:
            return
        sql = self._sql
        engine = channel._engine_from_config()
        label = self._lane.address.label
        if engine.name == "sqlite" and engine.url.database and not Path(engine.url.database).exists():
            raise ConnectionProblem(
                f"There is no database {engine.url.database}.", "Check the path in the URL."
            )
        names = (channel.queue_tablename, channel.message_tablename)
        inspected = sql.inspect(engine)
        missing = [name for name in names if not inspected.has_table(name)]
        if missing:
            engine.dispose()
            raise ConnectionProblem(
                f"The database at {label} has no table {missing[0]}.",
                "The first worker or client that uses it as its broker creates it.",
            )
        columns = ("id", "visible", "timestamp", "payload", "queue_id")
        self._messages = sql.table(names[1], *(sql.column(name) for name in columns))
        self._queues = sql.table(names[0], sql.column("id"), sql.column("name"))
        self._engine = engine


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogatepass")
