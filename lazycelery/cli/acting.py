"""Plan, show, ask, act, prove: the way every changing command goes."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from lazycelery.cli import progress
from lazycelery.cli.output import Output
from lazycelery.cli.session import Session, to_its_end
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import sentence
from lazycelery.errors import Refused
from lazycelery.model.counting import count as plural
from lazycelery.model.text import clean

if TYPE_CHECKING:
    from lazycelery.model.action import Order, Outcome, Plan


SAMPLE = 20
"""Targets that are shown one by one before a question."""
MEMBERS = 100
"""Members of a canvas that are shown."""
PARTLY = 5
REFUSED = 4
_GRADES = {"exact": "good", "arguments": "warn", "unsafe": "bad"}


async def carry_out(session: Session, order: Order, *, dry_run: bool, yes: bool) -> int:
    """Carry out an order once it is confirmed; returns the exit code.

    Raises `Refused` when it may not be done, or when nobody confirmed it.
    """
    plan = await session.engine.plan(order)
    if dry_run:
        return _show_plan(session, plan)
    if plan.refused:
        raise Refused(sentence(plan.refused), _hint(session, plan))
    preview(plan)
    word = confirm(plan, yes)
    async with progress.told(session.engine, session.output):
        halt = partial(session.engine.halt, plan.id)
        outcome = await to_its_end(session.engine.act(plan.id, word), session.output, halt)
    outcome.undo = _undo(session, outcome.undo)
    _show_outcome(session.output, outcome)
    _remark_on_undo(session, outcome)
    return _exit_code(plan, outcome)


def _hint(session: Session, plan: Plan) -> str:
    """The engine's hint; on the command line there is no key to press."""
    if plan.locked and session.overview.reel is None:
        origin = session.settings.origins.get("allow", "default")
        closed = "--read-only keeps everything closed." if origin == "--read-only" else ""
        # What does not run of a canvas is revoked.
        needed = [plan.action, *(["revoke"] if plan.action == "terminate" and plan.canvas else [])]
        lacking = ",".join(each for each in needed if each not in session.overview.allowed)
        return closed or f"Add --allow {lacking or plan.action}, or put it into allow of the profile."
    return plan.hint


def _show_plan(session: Session, plan: Plan) -> int:
    output = session.output
    if output.as_json:
        output.json(plan)
    else:
        for line in plan_lines(plan, output.width, output.color):
            sys.stdout.write(line + "\n")
        if not plan.refused:
            output.line("Dry run: nothing was done.")
    if plan.locked:  # Looking needs no permission.
        way = "To do it:" if session.overview.reel is None else plan.refused
        output.note(f"Dry run: nothing was done. {way} {_hint(session, plan)}")
        return 0
    if plan.refused:
        output.note(f"Refused: {sentence(plan.refused)} {_hint(session, plan)}".rstrip())
    return REFUSED if plan.refused else 0


def preview(plan: Plan) -> None:
    """The plan, on stderr: stdout is kept for the outcome."""
    for line in plan_lines(plan, None, color=False):
        sys.stderr.write(line + "\n")
    sys.stderr.flush()


def plan_lines(plan: Plan, width: int | None, color: bool) -> list[str]:
    """Title, warnings, and a sample of the targets with their grades."""
    from lazycelery.cli.table import render

    lines = [clean(plan.title), *(f"  {clean(said)}" for said in plan.summary)]
    lines += [*(f"Warning: {clean(warning)}" for warning in plan.warnings)]
    if plan.backup:
        lines.append(f"Backup: {clean(plan.backup)}")
    lines += _canvas(plan, width, color)
    if plan.items:
        columns = [
            Column("TARGET"),
            Column("GRADE", optional=True),
            Column("WHAT", flexible=True, least=20),
            Column("NOT DONE", optional=True),
        ]
        rows = [_item(item.target, item.grade, item.text, item.refused) for item in plan.items[:SAMPLE]]
        lines += render(columns, rows, width, color)
    if len(plan.items) > SAMPLE:
        lines.append(f"… {max(plan.count, len(plan.items)) - SAMPLE:,} more")
    return lines


def _canvas(plan: Plan, width: int | None, color: bool) -> list[str]:
    """All members of a canvas, also those that are left alone."""
    from lazycelery.cli.table import render

    if not plan.canvas:
        return []
    columns = [
        Column("MEMBER"),
        Column("STATE"),
        Column("TASK", flexible=True, least=12),
        Column("TOLD BY", optional=True),
        Column("NOTE", optional=True),
    ]
    rows = [(each.id, each.state, each.name or "?", each.source, each.note) for each in plan.canvas[:MEMBERS]]
    more = [f"… {len(plan.canvas) - MEMBERS:,} more members"] if len(plan.canvas) > MEMBERS else []
    return [*render(columns, rows, width, color), *more, ""]


def _item(target: str, grade: str | None, text: str, refused: str | None) -> tuple[object, ...]:
    return target, Cell(grade, _GRADES.get(grade, "")) if grade else "", text, refused or ""


def confirm(plan: Plan, yes: bool) -> str | None:
    """The word to act with. Asks on the terminal; raises `Refused` when nobody says yes."""
    if yes or plan.level == "none":
        return plan.word
    _need_terminal()
    if plan.level == "typed" and plan.word:
        # A wrong word is for the engine to refuse: it also writes it down.
        return _ask(f"{plan.question} Type {plan.word} to go on: ") or _not_confirmed()
    confirmed(plan.question, yes)
    return None


def confirmed(question: str, yes: bool) -> None:
    """Ask on the terminal unless `yes`; raises `Refused` when nobody says yes."""
    if yes:
        return
    _need_terminal()
    if _ask(f"{question} [y/N] ").lower() not in ("y", "yes"):
        _not_confirmed()


def _need_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused(
            "Not confirmed: there is no terminal to ask on.", "--yes confirms, --dry-run only looks."
        )


def _not_confirmed() -> NoReturn:
    raise Refused("Not confirmed; nothing was done.")


def _ask(question: str) -> str:
    sys.stderr.write(clean(question))
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _undo(session: Session, command: str | None) -> str | None:
    """As the engine names it, for the same cluster: how that was named must be said again."""
    if command is None:
        return None
    origins, again = session.settings.origins, list[str]()
    if origins.get("profile") == "--profile":
        again += ["--profile", shlex.quote(session.settings.profile.name)]
    if origins.get("broker") == "--broker" and not _hides(session):
        again += ["--broker", shlex.quote(session.overview.broker)]
    return " && ".join(" ".join([each, *again]) for each in command.split(" && "))


def _hides(session: Session) -> bool:
    """Whether the broker's URL, as it is shown, lacks its password: as a command it would not work."""
    return "***" in session.overview.broker


def _remark_on_undo(session: Session, outcome: Outcome) -> None:
    if outcome.undo and session.settings.origins.get("broker") == "--broker" and _hides(session):
        session.output.note("The undo needs the same --broker: it holds a password and is left out here.")


def _show_outcome(output: Output, outcome: Outcome) -> None:
    if output.as_json:
        output.json(outcome)
        return
    output.line(outcome.proof)
    columns = [
        Column("TARGET"),
        Column("DONE"),
        Column("WHAT", flexible=True, least=20),
        Column("NEW ID", optional=True),
        Column("REPLIES", optional=True),
    ]
    rows = [
        (
            item.target,
            Cell("yes", "good") if item.ok else Cell("no", "bad"),
            item.text,
            item.new_id or "",
            _replies(item.target, item.replies),
        )
        for item in outcome.items[:SAMPLE]
    ]
    if rows:
        output.table(columns, rows)
    if len(outcome.items) > SAMPLE:
        output.line(f"… {plural(len(outcome.items) - SAMPLE, 'other')}; --json lists all.")
    if outcome.undo:
        whether = ", as far as it was done" if outcome.unknown else ""
        output.line(f"Undo{whether}: {outcome.undo}")


def _replies(target: str, replies: dict[str, object]) -> str:
    """What each worker said; a target that is the worker itself is not named twice."""
    from lazycelery.cli.words import short

    said = {
        worker: next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value
        for worker, value in replies.items()
    }
    return "; ".join(
        short(value) if worker == target else f"{worker}: {short(value)}" for worker, value in said.items()
    )


def _exit_code(plan: Plan, outcome: Outcome) -> int:
    left_out = any(item.refused for item in plan.items)
    return PARTLY if outcome.failed or outcome.unknown or left_out else 0
