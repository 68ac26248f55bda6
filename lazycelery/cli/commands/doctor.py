"""`lazycelery doctor`: what is wrong, how it is known, what helps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lazycelery.cli import unseen
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import ago, date
from lazycelery.errors import ConnectionProblem, UsageError
from lazycelery.model.counting import count as plural

if TYPE_CHECKING:
    from lazycelery.model.finding import Examination, Finding

OBSERVE = 5.0
"""Seconds of looking before the verdict: what lasts is told from what passes."""
LEVELS = ("info", "warning", "critical")
_STYLE = {"critical": "bad", "warning": "warn", "info": ""}
STEP = "step"
"""The source of evidence that is told at the end: from the broker to a busy pool."""
_SIGN = {True: "ok", False: "NO", None: "?"}


@click.command()
@common
@click.option(
    "--observe",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=OBSERVE,
    show_default=True,
    help="Watch for so long before the verdict; what needs longer is told as unchecked.",
)
@click.option(
    "--watch",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="Go on until Ctrl-C, and tell again every so many seconds.",
)
@click.option(
    "--ignore", metavar="CODES", multiple=True, help="Findings to leave out; commas, or several times."
)
@click.option("--least", type=click.Choice(LEVELS), default="info", help="The least severity that counts.")
@click.pass_context
def doctor(ctx: click.Context, observe: float, watch: float | None, ignore: Sequence[str], least: str) -> int:
    """What is wrong, since when, how it is known, and what helps.

    Ends with 0 when nothing is found (what is snoozed does not count), 1 when there are findings, 3 when the
    broker cannot be reached.
    With --watch and --json: one JSON value a line, each time.
    """
    ignored = {code.strip() for part in ignore for code in part.split(",") if code.strip()}

    async def body(session: Session) -> int:
        _check_codes(ignored, await session.engine.doctor())
        if watch is None:
            code = _tell(session, _chosen(await session.engine.doctor(), ignored, least))
            now = time.time() if session.overview.reel is None else session.overview.now
            told = unseen.unjudged(await session.engine.workers(), now)
            session.output.notes([told] if told else [])
            return code
        while True:
            _tell(session, _chosen(await session.engine.doctor(), ignored, least))
            if session.output.terminal and not session.output.as_json:
                session.output.line()
            await asyncio.sleep(watch)

    async def cut_off(session: Session, problem: ConnectionProblem) -> int:
        _tell(session, _chosen(await session.engine.doctor(), ignored, least))
        if session.output.as_json:
            raise problem  # Programs find it on stderr as with every other command.
        return problem.exit_code

    return one_shot(ctx, body, observe=observe, cut_off=cut_off, lasting=watch is not None)


def _check_codes(codes: set[str], examination: Examination) -> None:
    known = {*examination.checked, *(one.code for one in examination.unchecked)}
    for code in sorted(codes - known):
        raise UsageError(f"--ignore {code}: there is no such finding.", f"Known: {', '.join(sorted(known))}.")


def _chosen(examination: Examination, ignored: set[str], least: str) -> Examination:
    """Without what was said to be ignored."""
    examination.findings = [
        finding
        for finding in examination.findings
        if finding.code not in ignored and LEVELS.index(finding.severity) >= LEVELS.index(least)
    ]
    examination.snoozed = [finding for finding in examination.snoozed if finding.code not in ignored]
    examination.healthy = not examination.findings
    return examination


def _tell(session: Session, examination: Examination) -> int:
    output = session.output
    if output.as_json:
        output.json(examination)
    else:
        _print(session, examination)
    return 0 if examination.healthy else 1


def _print(session: Session, examination: Examination) -> None:
    output = session.output
    checked, findings = len(examination.checked), examination.findings
    watched = f"watched for {examination.watched:.0f} s"
    if (reel := session.overview.reel) is not None:
        watched = f"at the end of the {reel.end - reel.start:.0f} s that were recorded"
    if not findings:
        output.line(f"Nothing is wrong: {plural(checked, 'check')}, {watched}.")
    else:
        output.line(f"{plural(len(findings), 'finding')} in {plural(checked, 'check')}, {watched}.")
    now = examination.at or time.time()
    for finding in findings:
        output.line()
        output.table(
            [Column("")] * 2, [(Cell(finding.severity.upper(), _STYLE[finding.severity]), finding.title)]
        )
        _details(session, finding, now)
    if examination.snoozed:
        output.line()
        names = ", ".join(f"{one.code} {one.subject}".rstrip() for one in examination.snoozed)
        output.line(f"{len(examination.snoozed)} snoozed: {names}.")
    if examination.steps:
        output.line()
        output.line("From the broker to a busy pool:")
        for step in examination.steps:
            output.line(f"  {_SIGN[step.ok]:<3} {step.name}: {step.text}")
    reasons: dict[str, list[str]] = {}
    for one in examination.unchecked:
        reasons.setdefault(one.why, []).append(one.code)
    output.notes(unseen.recorded(session.overview))
    output.notes(f"Not checked: {', '.join(codes)}. {why}" for why, codes in reasons.items())


def _details(session: Session, finding: Finding, now: float) -> None:
    output = session.output
    least = ">" if finding.at_least else ""
    since = f", since {least}{ago(finding.since, now)}" if finding.since is not None else ""
    about = f" {finding.subject}" if finding.subject else ""
    output.line(f"  {finding.code}{about}{since}")
    if finding.mark is not None:
        note = f": {finding.mark.note}" if finding.mark.note else ""
        output.line(f"  acknowledged by {finding.mark.by}, {date(finding.mark.at)}{note}")
    for fact in [one for one in finding.evidence if one.source != STEP]:
        output.line(f"  - {fact.text} ({fact.source})" if fact.source else f"  - {fact.text}")
    if finding.fix:
        output.line(f"  fix: {finding.fix}")
    output.line(f"  see: {finding.page}")
