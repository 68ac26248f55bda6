"""`lazycelery events [FILTER…]`: a live tail."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from typing import TYPE_CHECKING

import click

from lazycelery.cli import unseen
from lazycelery.cli.filters import FilterCommand
from lazycelery.cli.options import common, enable_events
from lazycelery.cli.output import Output, to_json
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.words import clock
from lazycelery.errors import NothingFound
from lazycelery.model.counting import count as plural
from lazycelery.model.text import clean

if TYPE_CHECKING:
    from lazycelery.model.cluster import LogLine


PAGE = 1_000
PAUSE = 0.05
"""Seconds between two looks, so that a flood is read in pages and not line by line."""
QUIET = 5.0
"""Seconds without a task event after which it is said that workers may send none."""
HEARTBEAT = "worker-heartbeat"


@click.command(cls=FilterCommand)
@common
@click.argument("filter", nargs=-1)
@click.option("--limit", type=click.IntRange(1), help="End after so many events.")
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End after this time.",
)
@click.option("--heartbeats", is_flag=True, help="Show the workers' heartbeats too (JSON always does).")
@enable_events
@click.pass_context
def events(
    ctx: click.Context,
    filter: tuple[str, ...],
    limit: int | None,
    seconds: float | None,
    heartbeats: bool,
) -> int:
    """Follow events as they happen, until Ctrl-C. With --json one object a line.

    The FILTER is that of `tasks`, on the task an event speaks of.
    """

    async def body(session: Session) -> int:
        output = session.output
        if "events" in session.overview.lacks:
            raise NothingFound(session.overview.lacks["events"])
        output.notes(await unseen.remarks(session, results=False))
        tail = _Tail(output, limit, heartbeats or output.as_json, session.settings.ui.utc)
        if session.overview.workers_total and not filter:
            tail.quiet = min(QUIET, seconds or QUIET)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(_follow(session, tail, " ".join(filter)), seconds)
        tail.remark()
        return 0 if tail.shown else 1

    try:
        return one_shot(ctx, body)
    except KeyboardInterrupt:
        return 0


class _Tail:
    """Prints events, counts them, and knows when it is enough."""

    def __init__(self, output: Output, limit: int | None, heartbeats: bool, utc: bool) -> None:
        self.output = output
        self.limit = limit
        self.heartbeats = heartbeats
        self.utc = utc
        self.shown = 0
        self.quiet: float | None = None
        """Seconds in which a task event should come; `None` once it did, or was said not to."""
        self._began = time.monotonic()

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self.limit is not None and self.shown >= self.limit

    def show(self, line: LogLine) -> None:
        """Print one event and flush."""
        if line.type.startswith("task-"):
            self.quiet = None
        if self.full or (line.type == HEARTBEAT and not self.heartbeats):
            return
        sys.stdout.write((to_json(line) if self.output.as_json else self._text(line)) + "\n")
        sys.stdout.flush()
        self.shown += 1

    def remark(self) -> None:
        """Say, once, that no task event came in time."""
        if self.quiet is not None and time.monotonic() - self._began >= self.quiet:
            self.output.note(unseen.no_event(self.quiet))
            self.quiet = None

    def _text(self, line: LogLine) -> str:
        subject = f"{line.name or ''}[{line.id[:8]}]" if line.id else ""
        parts = (clock(line.at, self.utc), f"{line.type:<15}", line.worker, subject, line.text)
        return clean("  ".join(part for part in parts if part)).rstrip()


async def _follow(session: Session, tail: _Tail, filter: str) -> None:
    """Everything since this engine began, then whatever comes."""
    engine, after, seen = session.engine, 0, -1
    while not tail.full:
        page = await engine.log(after, PAGE, filter, full=tail.output.as_json)
        if page.missed:
            tail.output.note(f"{plural(page.missed, 'event')} came faster than they could be printed.")
        for line in page.lines:
            tail.show(line)
        if page.last > after:
            after = page.last
            await asyncio.sleep(0)
            continue
        tail.remark()
        started = time.monotonic()
        seen = (await engine.tick(seen, timeout=10.0 if tail.quiet is None else 1.0)).stamp
        await asyncio.sleep(max(0.0, PAUSE - (time.monotonic() - started)))
