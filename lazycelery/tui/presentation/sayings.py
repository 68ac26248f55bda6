"""What the screen says when there is nothing to show, or something is wrong: why, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.model.bulk import Progress
from lazycelery.model.cluster import Awaited, Overview, SourceHealth
from lazycelery.model.reel import Reel
from lazycelery.model.task import TaskPage
from lazycelery.model.text import clean
from lazycelery.model.worker import Worker
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.line import Line, merge
from lazycelery.tui.presentation.look import Look

BAR = 20
"""Cells of a bar."""
RECORDED = "This is a recording: what it shows is over, and nothing here reaches a cluster."


def trouble(
    overview: Overview | None,
    problem: LazyCeleryError | None,
    next_start: float | None,
    look: Look,
    told: bool = False,
) -> Line:
    """The one line that says what is broken and what happens next; empty when all is well.

    `told` is true where the notices are in sight already.
    """
    if problem is not None:
        again = f" Another engine starts at {q.clock(next_start, look.utc)}." if next_start else ""
        return _alarm(f"{problem.title}{again} {problem.hint}", look)
    if overview is None:
        return ()
    for source in overview.sources:
        if source.state in ("lost", "refused"):
            return _alarm(_source(source, look), look)
    notices = [notice for notice in overview.notices if notice.severity != "info"]
    if told or not notices:
        return ()
    worst = max(notices, key=lambda notice: notice.severity == "critical")
    more = f"  (+{len(notices) - 1} more)" if len(notices) > 1 else ""
    token = "fail" if worst.severity == "critical" else "warn"
    title, hint = clean(worst.title, 300).rstrip("."), clean(worst.hint, 300)
    return merge([(f" {look.signs.warning} {_ended(title)} ", token), (hint, ""), (more, "dim")])


def progress(one: Progress, look: Look) -> str:
    """How far a bulk action is, as a bar and in numbers."""
    full = one.done * BAR // max(1, one.total)
    levels = look.signs.levels
    bar = levels[-1] * full + levels[0] * (BAR - full)
    doubt = f", {one.unknown:,} in doubt" if one.unknown else ""
    stop = "stopping" if one.halting else f"{look.key('bulk')} stops it"
    return f"{one.title}  {bar} {one.done:,} of {one.total:,}{doubt}  {stop}"


def _ended(title: str) -> str:
    return title if title.endswith((".", "?", "!")) else f"{title}."


def _alarm(text: str, look: Look) -> Line:
    return ((f" {look.signs.failed} {clean(text, 400)}", "fail"),)


def _source(source: SourceHealth, look: Look) -> str:
    names = {
        "broker": "Not connected",
        "events": "No events",
        "control": "No control",
        "results": "No results",
    }
    # Before the reason, which may be longer than the line.
    again = f", trying again at {q.clock(source.next_try, look.utc)}" if source.next_try else ""
    reason = source.reason.rstrip(".") or source.state
    return f"{names.get(source.name, source.name)}{again}: {reason}. {source.hint}".strip()


def connecting(overview: Overview | None, problem: LazyCeleryError | None, look: Look) -> list[str] | None:
    """Why there is no data at all yet, or `None` once there was a connection."""
    if overview is None and problem is not None:
        return [problem.title, problem.hint] if problem.hint else [problem.title]
    if overview is None:
        return ["The engine is starting …"]
    if overview.connected or overview.ever_connected:
        return None
    for source in overview.sources:
        if source.state in ("lost", "refused"):
            return [_source(source, look)]
    return [f"Connecting to {clean(overview.broker, 120)} …"]


def cut_off(overview: Overview | None, problem: LazyCeleryError | None, look: Look) -> list[str]:
    """A pane is empty, and there is no connection any more: that says nothing of what there is now."""
    broken = [source for source in (overview.sources if overview else []) if source.name == "broker"]
    why = problem.title if problem is not None else _source(broken[0], look) if broken else "Not connected."
    return [why, "Nothing was seen here before; what is there now is not known."]


def dated(look: Look) -> str:
    """What stands above a page while there is no connection."""
    return f"Not connected: this was so {look.old.removesuffix(' old')} ago."


def no_workers(filtered: str, look: Look, lacks: Mapping[str, str], reel: Reel | None = None) -> list[str]:
    """The workers pane is empty; `lacks` is what the broker does not have, `reel` where a recording is."""
    if filtered:
        return [f"No worker matches {clean(filtered, 60)}.", f"{look.key('back')} clears the filter."]
    if "control" in lacks:
        return ["Workers are not seen.", clean(lacks["control"], 200)]
    if reel is not None:
        return up_to_here("No worker answered", reel)
    return ["No worker answers.", "Start one with celery -A yourapp worker -E."]


def up_to_here(nothing: str, reel: Reel) -> list[str]:
    """There is none of something in a recording, as far as it has come."""
    if reel.ended:
        return [f"{nothing} while this was recorded."]
    return [f"{nothing} up to here.", "The recording goes on: what comes later in it appears then."]


def awaiting(scope: str, awaited: Awaited) -> list[str] | None:
    """What an empty pane says while not everybody has answered yet; `None` when all have."""
    if awaited == "workers":
        return {"workers": ["The workers are starting …"]}.get(scope)
    asking = {"workers": "Asking the workers …", "queues": "Counting …", "findings": "Looking …"}
    return [asking[scope]] if awaited and scope in asking else None


def no_queues(filtered: str, look: Look, reel: Reel | None = None) -> list[str]:
    """The queues pane is empty."""
    if filtered:
        return [f"No queue matches {clean(filtered, 60)}.", f"{look.key('back')} clears the filter."]
    if reel is not None:
        return up_to_here("No queue was seen", reel)
    return ["No queue is bound.", "Workers bind theirs when they start."]


def no_findings(filtered: str, look: Look) -> list[str]:
    """The findings pane is empty."""
    if filtered:
        return [f"No finding matches {clean(filtered, 60)}.", f"{look.key('back')} clears the filter."]
    return ["Nothing is wrong, as far as connections, workers and queues tell."]


def no_tasks(
    filtered: str,
    known: int,
    workers: Sequence[Worker],
    look: Look,
    lacks: Mapping[str, str],
    reel: Reel | None = None,
) -> list[str]:
    """The tasks pane is empty."""
    if filtered:
        return [
            f"None of {q.count(known)} known tasks matches {clean(filtered, 60)}.",
            f"{look.key('back')} takes the filter away.",
        ]
    if "events" in lacks:
        return ["No task is seen.", clean(lacks["events"], 200)]
    silent = bool(workers) and all(worker.events is False for worker in workers)
    if reel is not None:
        return up_to_here("Workers ran without -E: no task was seen" if silent else "No task was seen", reel)
    if silent:
        return [
            "No task events yet. Workers run without -E.",
            f"{look.key('events')} turns events on for this session.",
        ]
    return ["No task seen yet.", "What is sent from now on appears here."]


def searching(filtered: str, page: TaskPage, look: Look) -> list[str]:
    """A search has found nothing yet."""
    return [
        f"Searching {q.count(page.known)} known tasks for {clean(filtered, 60)}: {page.searched * 100:.0f} % "
        "looked at, none matches so far.",
        f"{look.key('back')} takes the filter away.",
    ]


def read_only(may_unlock: Sequence[str], look: Look) -> str:
    """A dangerous key was pressed in read-only."""
    if may_unlock:
        return f"Read-only. {look.key('unlock')} unlocks {', '.join(may_unlock)} for this session."
    return "Read-only. This profile does not permit unlocking (may_unlock in the configuration)."


def forbidden(permission: str, may_unlock: Sequence[str], look: Look) -> str:
    """A dangerous key was pressed whose permission is not open."""
    if permission in may_unlock:
        return f"{permission} is locked. {look.key('unlock')} unlocks it for this session."
    return f"This profile does not permit {permission}."


def locked(permission: str, may_unlock: Sequence[str], look: Look) -> str:
    """The same in the few words of a menu's line."""
    return f"{look.key('unlock')} unlocks it" if permission in may_unlock else "not permitted here"


def gone() -> ConnectionProblem:
    """A key needs the engine, and there is none."""
    return ConnectionProblem("The engine is gone; another one is being started.", "Nothing was done.")
