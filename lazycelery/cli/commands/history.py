"""`lazycelery history [FILTER…]`: what was recorded, also when nobody watched just now."""

from __future__ import annotations

import gc
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lazycelery.cli import exporting
from lazycelery.cli.commands.history_parts import kind_of, recorded_kinds, show_recorded
from lazycelery.cli.delivering import View, deliver
from lazycelery.cli.filters import FilterCommand
from lazycelery.cli.not_kept import not_kept, reach
from lazycelery.cli.options import common, not_empty
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import date, duration, short
from lazycelery.errors import ConnectionProblem, LazyCeleryError, NothingFound, PartlyDone, UsageError
from lazycelery.model.counting import count as plural

if TYPE_CHECKING:
    from lazycelery.model.history import HistoryPage, NotKept
    from lazycelery.model.task import Task

PAGE = 5_000
SHOWN = 100
GARBAGE = 200_000
"""Objects from which on garbage is looked for: those of a page and more."""
FORMATS = ("table", "json", "ndjson", "csv", "parquet")
_COLUMNS = [
    Column("TIME"),
    Column("ID", flexible=True),
    Column("STATE"),
    Column("TASK", flexible=True, least=16),
    Column("RUNTIME", right=True),
    Column("WAIT", right=True, spare=5),
    Column("TRIES", right=True, spare=4),
    Column("QUEUE", flexible=True, spare=3),
    Column("WORKER", flexible=True, spare=2),
    Column("ARGS", flexible=True, least=12, spare=1),
    Column("ERROR OR RESULT", flexible=True, least=12),
]
_COLUMN = re.compile(r"column (\d+): (.*)", re.S)
_BAD = ("failure", "lost", "rejected")


@click.command(cls=FilterCommand)
@common
@click.argument("filter", nargs=-1)
@recorded_kinds
@click.option("--since", metavar="TIME", callback=not_empty, help="Not before: 2h, 14:30, 2026-11-25T10:00.")
@click.option("--until", metavar="TIME", callback=not_empty, help="Not after.")
@click.option("--limit", type=click.IntRange(1), help=f"So many at most; {SHOWN} unless they go to a file.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="How it is printed; --json is json.")
@click.option(
    "--export",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Into a new file; its ending tells the format.",
)
@click.pass_context
def history(
    ctx: click.Context,
    filter: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int | None,
    form: str | None,
    target: Path | None,
    events: bool,
    findings: bool,
    samples: bool,
) -> int:
    """Tasks of the recorded history that match a FILTER, newest first. Ends with 1 when none does, with 5
    when some of the history cannot be read, with 3 when nothing of it can.

    Needs no connection, only to know which broker's history it is. The FILTER is that of `tasks`; free
    words are looked for in arguments, results and errors too.

    \b
    lazycelery history state:failure --since 2d
    lazycelery history order-4711 --format ndjson
    lazycelery history name:shop.* --since 7d --export shop.csv

    \b
    With one of these it shows what else was recorded, filtered by fields of its own (free words anywhere):
      --events    id type name worker: lazycelery history --events TASK_ID
      --findings  code subject severity title: lazycelery history --findings severity:critical
      --samples   queue worker state: lazycelery history --samples queue:celery --since 1h
    """
    words = " ".join(filter)
    starts: list[tuple[int, str]] = []
    for name, text in (("since", since), ("until", until)):
        if text is not None:
            starts.append((len(words) + 1, f"--{name}"))
            words += f" {name}:{_quoted(text)}"
    most = limit or (None if target else SHOWN)
    if kind := kind_of(events, findings, samples):
        typed = [(at if filter else at - 1, name) for at, name in starts]
        return show_recorded(
            ctx, kind, words.strip(), most, form, target, lambda wrong: _as_typed(wrong, typed)
        )

    async def body(session: Session) -> int:
        if session.settings.profile.broker.startswith("replay:"):
            raise NothingFound(
                "A recording keeps no history.", "lazycelery tasks, events and stats read what is in it."
            )
        chosen = exporting.format_of(form, target, session.output.as_json)
        reading = _Reading(session, words.strip(), most, children=chosen in ("json", "ndjson"))
        try:
            with _little_collected():
                count = await deliver(session, reading, chosen, target, _VIEW)
        except UsageError as wrong:
            raise _as_typed(wrong, starts if filter else [(at - 1, name) for at, name in starts]) from None
        session.output.notes(reading.remarks(count, session.settings.ui.utc))
        return reading.code(count)

    return one_shot(ctx, body, connect=False, broker=True)


def _as_typed(wrong: UsageError, starts: list[tuple[int, str]]) -> UsageError:
    """An error in a filter names a column of all of it: that of an option is in no text that was typed.
    `starts`: how many characters stand before each option's condition."""
    found = _COLUMN.fullmatch(wrong.title)
    names = [name for at, name in starts if found is not None and int(found[1]) > at]
    return UsageError(f"{names[-1]}: {found[2]}", wrong.hint) if found is not None and names else wrong


@contextmanager
def _little_collected() -> Iterator[None]:
    """Tasks that are read hold no cycles, and leave with their page: to look through them for some took a
    fifth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(GARBAGE, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


class _Reading:
    """All that matches, page by page."""

    def __init__(self, session: Session, filter: str, most: int | None, children: bool) -> None:
        self._session, self._filter, self._most, self._children = session, filter, most, children
        self._last: HistoryPage | None = None
        self.unread: dict[str, None] = {}
        """Of all pages: who goes on opens no newer file again."""
        self._skipped = 0
        self._not_kept: NotKept | None = None
        self._more = False
        self._until: float | None = None

    async def __aiter__(self) -> AsyncIterator[Task]:
        from lazycelery.model.history import HistoryQuery

        after, count = "", 0
        while True:
            limit = PAGE if self._most is None else min(PAGE, self._most - count)
            query = HistoryQuery(filter=self._filter, limit=limit, after=after, children=self._children)
            page = self._last = await self._session.engine.history(query)
            self._until = page.until if not after else self._until
            self.unread.update(dict.fromkeys(page.unread))
            self._skipped += page.skipped
            self._not_kept = page.not_kept or self._not_kept
            for task in page.tasks:
                count += 1
                yield task
            if page.next is None:
                return
            if self._most is not None and count >= self._most:
                self._more = True
                return
            after = page.next

    def code(self, count: int) -> int:
        """The exit code, after so many tasks."""
        if self.unread:
            known = count or (self._last is not None and self._last.since is not None)
            return PartlyDone.exit_code if known else ConnectionProblem.exit_code
        return 0 if count else NothingFound.exit_code

    def failed(self) -> LazyCeleryError:
        """No task was found, and it is not known that there is none."""
        kind = PartlyDone if self.code(0) == PartlyDone.exit_code else ConnectionProblem
        return kind(f"Nothing is exported. Not read: {'; '.join(self.unread)}.")

    def remarks(self, count: int, utc: bool) -> list[str]:
        """How far it reaches, what was cut, what could not be read."""
        page = self._last
        if page is None or (page.since is None and not self.unread):
            nothing = "Nothing has been recorded for this broker and profile."
            if page is not None and page.hindered:
                return [f"{nothing} Nothing can be: {page.hindered}. history_dir chooses another place."]
            return [f"{nothing} The screen records while it runs: lazycelery --broker URL."]
        told = [f"Not read: {problem}." for problem in self.unread]
        if self._skipped:
            told.append(f"{plural(self._skipped, 'task')} at least could not be read, the others were.")
        if page.since is not None:
            told.append(reach(page.since, self._until, utc))
        if (gone := not_kept(self._not_kept, utc)) and page.since is not None:
            told.append(gone)
        if not count and page.since is not None:
            read = " in what could be read" if self.unread else ""
            told.append(
                f"No task matches {self._filter!r}{read}." if self._filter else f"No task is in it{read}."
            )
        if self._more:
            told.append(f"Showing the newest {count:,}. --limit shows more, --export FILE writes all.")
        return told


def _row(task: Task, utc: bool) -> tuple[object, ...]:
    moments = (task.finished, task.started, task.received, task.sent, task.seen)
    at = next((moment for moment in moments if moment is not None), None)
    said = task.error if task.state != "success" else _text(task.result)
    style = "bad" if task.state in _BAD else "good" if task.state == "success" else ""
    return (
        date(at, utc),
        task.id[:8] if len(task.id) == 36 else task.id,
        Cell(task.state, style),
        task.name,
        duration(task.runtime),
        duration(task.wait),
        task.retries,
        task.queue,
        task.worker,
        " ".join(text for text in (_text(task.args), _text(task.kwargs)) if text not in (None, "{}")) or None,
        said,
    )


def _text(value: Any) -> str | None:
    return None if value is None else short(value)


_VIEW = View("task", exporting.TASKS, _COLUMNS, _row)
