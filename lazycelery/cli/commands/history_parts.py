"""`lazycelery history --events|--findings|--samples`: what was recorded beside tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lazycelery.cli import exporting
from lazycelery.cli.delivering import View, deliver
from lazycelery.cli.not_kept import not_kept, reach
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import UNKNOWN, clock, date, duration, number
from lazycelery.errors import ConnectionProblem, LazyCeleryError, NothingFound, PartlyDone, UsageError
from lazycelery.model.moments import calendar

if TYPE_CHECKING:
    from lazycelery.model.history import HistoryPage
    from lazycelery.model.recorded import Recorded, RecordedKind

Command = TypeVar("Command", bound=Callable[..., Any])
_BAD = ("critical", "task-failed", "offline", "lost")


def recorded_kinds(command: Command) -> Command:
    """The options that choose a kind."""
    for name, text in (
        ("samples", "Queue depths and workers, as they were every ten seconds."),
        ("findings", "What was wrong, and from when to when."),
        ("events", "What workers and clients told, event by event."),
    ):
        command = click.option(f"--{name}", is_flag=True, help=text)(command)
    return command


def kind_of(events: bool, findings: bool, samples: bool) -> RecordedKind | None:
    """The kind that was chosen; `None` for tasks. Raises `UsageError` for more than one."""
    chosen: list[RecordedKind] = []
    chosen += ["events"] if events else []
    chosen += ["findings"] if findings else []
    chosen += ["samples"] if samples else []
    if len(chosen) > 1:
        raise UsageError(
            f"--{chosen[0]} or --{chosen[1]}: each is a list of its own.", "Ask for one of them."
        )
    return chosen[0] if chosen else None


def show_recorded(
    ctx: click.Context,
    kind: RecordedKind,
    filter: str,
    most: int | None,
    form: str | None,
    target: Path | None,
    as_typed: Callable[[UsageError], UsageError],
) -> int:
    """Show or export them, newest first. The exit code is that of `history`. `as_typed` tells what is wrong
    with a filter by what was typed."""

    async def body(session: Session) -> int:
        if session.settings.profile.broker.startswith("replay:"):
            raise NothingFound(
                "A recording keeps no history.", "lazycelery tasks, events and stats read what is in it."
            )
        chosen = exporting.format_of(form, target, session.output.as_json)
        reading = _Reading(session, kind, filter, most)
        try:
            count = await deliver(session, reading, chosen, target, _VIEWS[kind])
        except UsageError as wrong:
            raise as_typed(wrong) from None
        await reading.look_around()
        session.output.notes(reading.remarks(count, session.settings.ui.utc))
        return reading.code(count)

    return one_shot(ctx, body, connect=False, broker=True)


class _Reading:
    """All that match, page by page."""

    def __init__(self, session: Session, kind: RecordedKind, filter: str, most: int | None) -> None:
        self.kind = kind
        self._session, self._filter, self._most = session, filter, most
        self.unread: dict[str, None] = {}
        self._read = self._more = False
        self._around: HistoryPage | None = None

    async def __aiter__(self) -> AsyncIterator[Recorded]:
        from lazycelery.model.recorded import RecordedQuery

        count, after = 0, ""
        while True:
            # One more tells whether there is more.
            limit = 0 if self._most is None else self._most - count + 1
            query = RecordedQuery(kind=self.kind, filter=self._filter, limit=limit, after=after)
            page = await self._session.engine.recorded(query)
            self.unread.update(dict.fromkeys(page.unread))
            self._read |= page.read
            for one in page.entries:
                if count == self._most:
                    self._more = True
                    return
                count += 1
                yield one
            if page.next is None:
                return
            after = page.next

    def code(self, count: int) -> int:
        """The exit code, after so many."""
        if self.unread:
            return PartlyDone.exit_code if count or self._read else ConnectionProblem.exit_code
        return 0 if count else NothingFound.exit_code

    def failed(self) -> LazyCeleryError:
        """None was found, and it is not known that there is none."""
        kind = PartlyDone if self.code(0) == PartlyDone.exit_code else ConnectionProblem
        return kind(f"Nothing is exported. Not read: {'; '.join(self.unread)}.")

    async def look_around(self) -> None:
        """See how far the history reaches, and what is not in it."""
        from lazycelery.model.history import HistoryQuery

        self._around = await self._session.engine.history(HistoryQuery(limit=1))

    def remarks(self, count: int, utc: bool) -> list[str]:
        """How far it reaches, what was cut, what could not be read."""
        told = [f"Not read: {problem}." for problem in self.unread]
        if not self._read and not self.unread:
            told.append(
                "Nothing has been recorded for this broker and profile. The screen records while it runs: "
                "lazycelery --broker URL."
            )
        if (around := self._around) is not None:
            told += [reach(around.since, around.until, utc, " of tasks")] if around.since is not None else []
            told += filter(None, [not_kept(around.not_kept, utc)])
        if not count and self._read:
            one, read = _VIEWS[self.kind].one, " in what could be read" if self.unread else ""
            told.append(
                f"No {one} matches {self._filter!r}{read}." if self._filter else f"No {one} is in it{read}."
            )
        if self._more:
            told.append(f"Showing the newest {count:,}. --limit shows more, --export FILE writes all.")
        return told


def _moment(at: float | None, utc: bool) -> str:
    """Date and time of day with milliseconds: events of a task are near each other."""
    if at is None or calendar(at, utc) is None:
        return UNKNOWN
    return f"{date(at, utc)[:10]} {clock(at, utc)}"


def _event(one: Any, utc: bool) -> tuple[object, ...]:
    from lazycelery.model.text import short_value

    fields = short_value(one.fields, 200) if one.fields else ""
    task = one.id[:8] if one.id and len(one.id) == 36 else one.id
    kind = Cell(one.type, "bad" if one.type in _BAD else "")
    return _moment(one.time, utc), kind, task, one.name, one.worker, fields


def _finding(one: Any, utc: bool) -> tuple[object, ...]:
    lasted = None if one.ended is None or one.began is None else one.ended - one.began
    severity = Cell(one.severity, {"critical": "bad", "warning": "warn"}.get(one.severity, ""))
    ended = "open" if one.ended is None else date(one.ended, utc)
    return date(one.began, utc), ended, duration(lasted), severity, one.code, one.subject, one.title


def _sample(one: Any, utc: bool) -> tuple[object, ...]:
    queue = one.queue is not None
    state = Cell(one.state or UNKNOWN, "bad" if one.state in _BAD else "")
    return (
        date(one.time, utc),
        one.queue or "",
        *((number(each) if queue else "") for each in (one.messages, one.unacked, one.consumers)),
        one.worker or "",
        "" if queue else state,
        *(("" if queue else number(each)) for each in (one.active, one.processed)),
        "" if queue else UNKNOWN if one.load is None else f"{one.load:.2f}",
    )


_VIEWS: dict[str, View] = {
    "events": View(
        "event",
        exporting.EVENTS,
        [
            Column("TIME"),
            Column("EVENT", flexible=True, least=11),
            Column("ID", flexible=True),
            Column("TASK", flexible=True, least=12),
            Column("WORKER", flexible=True),
            Column("FIELDS", flexible=True, optional=True),
        ],
        _event,
    ),
    "findings": View(
        "finding",
        exporting.FINDINGS,
        [
            Column("BEGAN"),
            Column("ENDED", spare=1),
            Column("LASTED", right=True),
            Column("SEVERITY"),
            Column("CODE", flexible=True, least=12),
            Column("SUBJECT", flexible=True),
            Column("TITLE", flexible=True, least=16),
        ],
        _finding,
    ),
    "samples": View(
        "sample",
        exporting.SAMPLES,
        [
            Column("TIME"),
            Column("QUEUE", flexible=True, optional=True),
            Column("MESSAGES", right=True, optional=True),
            Column("UNACKED", right=True, optional=True),
            Column("CONSUMERS", right=True, optional=True, spare=2),
            Column("WORKER", flexible=True, optional=True),
            Column("STATE", optional=True),
            Column("ACTIVE", right=True, optional=True, spare=1),
            Column("PROCESSED", right=True, optional=True, spare=4),
            Column("LOAD", right=True, optional=True, spare=3),
        ],
        _sample,
    ),
}
