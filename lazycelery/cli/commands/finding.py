"""`lazycelery finding ack|snooze|clear|list`: what people say of findings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Column
from lazycelery.cli.words import date, duration
from lazycelery.errors import ConnectionProblem
from lazycelery.model.counting import count as plural
from lazycelery.model.moments import span_in

if TYPE_CHECKING:
    from lazycelery.engine.finding_marks import MarkKind
    from lazycelery.model.finding import FindingMark

OBSERVE = 5.0


class Span(click.ParamType[float]):
    """A length of time: `90`, `30m`, `2h`, `1d`; in seconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds above 0."""
        if isinstance(value, float):
            return value
        seconds = span_in(str(value))
        if seconds is None:
            self.fail(f"{value!r} is no time; write 30m, 2h or 1d.", param, ctx)
        return seconds


@click.group()
@common
def finding() -> None:
    """Acknowledge findings, or put them off; all sessions of this machine see it."""


_observe = click.option(
    "--observe",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=OBSERVE,
    show_default=True,
    help="Watch for so long for the finding.",
)
_note = click.option("--note", default="", help="Why, for the others.")


@finding.command()
@common
@click.argument("code")
@click.argument("subject", default="")
@click.option("--for", "seconds", type=Span(), metavar="TIME", help="At most for so long: 30m, 2h, 1d.")
@_note
@_observe
@click.pass_context
def ack(ctx: click.Context, code: str, subject: str, seconds: float | None, note: str, observe: float) -> int:
    """Say that a finding is known: it stays in sight, and no alert tells it until it is worse."""
    return _mark(ctx, code, subject, "ack", seconds, note, observe)


@finding.command()
@common
@click.argument("code")
@click.argument("subject", default="")
@click.option(
    "--for", "seconds", type=Span(), metavar="TIME", default="1h", show_default=True, help="30m, 2h, 1d."
)
@_note
@_observe
@click.pass_context
def snooze(ctx: click.Context, code: str, subject: str, seconds: float, note: str, observe: float) -> int:
    """Put a finding off: folded away and counted, until the time is over or it is worse."""
    return _mark(ctx, code, subject, "snooze", seconds, note, observe)


@finding.command()
@common
@click.argument("code")
@click.argument("subject", default="")
@click.pass_context
def clear(ctx: click.Context, code: str, subject: str) -> int:
    """Take back what was said of a finding. Ends with 1 when nothing was."""
    return _mark(ctx, code, subject, "clear", None, "", 0.0)


@finding.command("list")
@common
@_observe
@click.pass_context
def list_(ctx: click.Context, observe: float) -> int:
    """Findings that are acknowledged or snoozed now, by whom and until when. Ends with 1 when none is."""

    async def body(session: Session) -> int:
        examination = await session.engine.doctor()
        both = (*examination.findings, *examination.snoozed)
        marks = [one.mark for one in both if one.mark is not None]
        if session.output.as_json:
            session.output.json(marks)
        else:
            columns = [
                Column("FINDING"),
                Column("SUBJECT", flexible=True, least=10),
                Column("MARK"),
                Column("BY"),
                Column("UNTIL"),
                Column("NOTE", flexible=True, least=10),
            ]
            session.output.table(columns, [_row(mark) for mark in marks])
        return 0 if marks else 1

    async def cut_off(session: Session, problem: ConnectionProblem) -> int:
        return await body(session)

    return one_shot(ctx, body, observe=observe, cut_off=cut_off)


def _row(mark: FindingMark) -> tuple[object, ...]:
    until = "gone or worse" if mark.until is None else date(mark.until)
    return mark.code, mark.subject, mark.kind, mark.by, until, mark.note


def _mark(
    ctx: click.Context,
    code: str,
    subject: str,
    kind: MarkKind,
    seconds: float | None,
    note: str,
    observe: float,
) -> int:
    async def body(session: Session) -> int:
        mark = await session.engine.mark_finding(code, subject, kind, seconds, note)
        if session.output.as_json:
            session.output.json(mark)
        else:
            session.output.line(_told(mark, kind))
        return 0

    async def cut_off(session: Session, problem: ConnectionProblem) -> int:
        # A dead broker is what one puts off at night.
        return await body(session)

    return one_shot(ctx, body, observe=observe, cut_off=cut_off)


def _told(mark: FindingMark, kind: MarkKind) -> str:
    what = f"{mark.code}{f' {mark.subject}' if mark.subject else ''}"
    if len(mark.subjects) > 1:
        what += f" and {plural(len(mark.subjects) - 1, 'more subject')}"
    if kind == "clear":
        return f"{what} is shown and told again."
    until = (
        "it is gone" if mark.until is None else f"{date(mark.until)} ({duration(mark.until - time.time())})"
    )
    said = "Acknowledged" if kind == "ack" else "Snoozed"
    return f"{said}: {what}, until {until} or worse. `lazycelery finding clear {mark.code}` takes it back."
