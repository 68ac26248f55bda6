"""The history of a team, as a `Storage`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

from lazycelery.model.redaction import Redactor
from lazycelery.store.columns import Columns
from lazycelery.store.history.postgres import schema as tables
from lazycelery.store.history.postgres.address import READS, Address
from lazycelery.store.history.postgres.dealt import SharedDealt
from lazycelery.store.history.postgres.faults import said
from lazycelery.store.history.postgres.marks import SharedMarks
from lazycelery.store.history.postgres.parts import Day
from lazycelery.store.history.postgres.reading import Connections
from lazycelery.store.history.postgres.recording import SharedRecording
from lazycelery.store.history.storage import Newer, Part, Unreadable


class Shared:
    """The `Storage` of a schema in a database."""

    medium = "database"
    cells_a_second = 20

    def __init__(
        self,
        address: Address,
        days: float = 7.0,
        max_bytes: int = 2_000_000_000,
        clock_note: Path | None = None,
    ) -> None:
        self.address, self.days, self.max_bytes = address, days, max_bytes
        self._clock_note = clock_note
        self._connections = Connections()

    @property
    def place(self) -> str:
        """The URL without its password, and the schema."""
        return self.address.shown

    @property
    def advice(self) -> str:
        """What helps."""
        return "history_url in the profile chooses another database, history = false does without."

    @property
    def clock_note(self) -> Path | None:
        """Of the server's clock, as this machine saw it."""
        return self._clock_note

    def opened(self, unread: list[str], until: str = "") -> Generator[Part, None, None]:
        """The days, newest first, over one connection."""
        schema, over = self.address.schema, self._connections.over
        try:
            with self._connections.connected(self.address, READS) as connection:
                version = tables.version_of(connection, schema)
                if version > tables.VERSION:
                    raise Newer(f"The schema {schema}")
                if not version:
                    return
                words = dict(connection.execute(f"SELECT code, word FROM {schema}.words").fetchall())
                for day in reversed(tables.days(connection, schema)):
                    if until and day.isoformat() > until:
                        continue
                    try:
                        part = Day(connection, schema, day, words, self.place, over)
                    except Unreadable as problem:
                        unread.append(str(problem))
                        continue
                    yield part
        except GeneratorExit:
            raise
        except Exception as problem:
            if (reason := said(problem)) is None:
                raise
            unread.append(f"{self.place}: {reason}")

    def hindered(self) -> str:
        """Only a try tells what a role may do."""
        return ""

    def close(self) -> None:
        """What still reads, or sets a mark, ends with an error within about a second, and so does what the
        server does for it; a password is waited for no more."""
        if self.address.password is not None:
            self.address.password.give_up()
        self._connections.end()

    def marks(self) -> SharedMarks:
        """A table."""
        return SharedMarks(self.address, self._connections)

    def dealt(self) -> SharedDealt:
        """A table."""
        return SharedDealt(self.address, self._connections)

    def recording(self, columns: Columns, redactor: Redactor, clock: Callable[[], float]) -> SharedRecording:
        """To write it."""
        return SharedRecording(self.address, self.days, self.max_bytes, columns, redactor, clock)
