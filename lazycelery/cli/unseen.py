"""What a one-shot command could not see, and the setting that would show it, in sentences for stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazycelery.cli.words import sentence

if TYPE_CHECKING:
    from lazycelery.cli.session import Session
    from lazycelery.model.cluster import Notice, Overview, SourceHealth

_LOOKED_AT = {
    "events": "task events",
    "control": "what workers hold",
    "results": "results of tasks that ended",
    "broker": "waiting and in-flight messages",
}
_SETTINGS = {
    "results": "Set result_backend in the Celery app; --backend URL names one that workers do not tell.",
}
EVENTS_ON = (
    "Workers send them with -E or worker_send_task_events = True; --enable-events --allow events "
    "switches them on meanwhile."
)
EVENTS_OFF = "events-off"
"""The notice that workers run tasks and send no events."""


def remarks(session: Session, *, results: bool = True) -> list[str]:
    """Sources that are not there, and workers that do not answer; `results` where tasks are shown."""
    overview = session.overview
    silent = not overview.workers_total or _state(overview, "control") == "off"
    told = [
        f"Not seen: {_LOOKED_AT.get(source.name, source.name)}. {_why(source)}"
        for source in overview.sources
        if source.state not in ("connected", "connecting")
        and not (silent and source.name == "control")
        and (results or source.name != "results")
    ]
    told += [f"{notice.title} {EVENTS_ON}" for notice in overview.notices if notice.code == EVENTS_OFF]
    return [*told, nobody(session.patience)] if silent else told


def is_told(notice: Notice, overview: Overview) -> bool:
    """Whether `remarks` says the same."""
    links = {f"{source.name}-{source.state}" for source in overview.sources}
    return notice.code == EVENTS_OFF or notice.code in links


def nobody(patience: float) -> str:
    """No worker answered."""
    return (
        f"No worker answered within {patience:g} s. What workers hold is not seen. Is one running on this "
        "broker and database? --timeout 10 waits longer: a worker with the solo pool answers between two "
        "tasks. One with worker_enable_remote_control = False never answers."
    )


async def past(session: Session, observe: float) -> str:
    """Why tasks that ended may be missing from a list."""
    if not observe:
        return (
            f"{_ended(session.overview)} --observe SECONDS watches task events, which workers send with -E "
            "or worker_send_task_events = True."
        )
    if not session.overview.workers_total or await _task_event_came(session):
        return f"Events were watched for {observe:g} s. {_ended(session.overview)}"
    return f"{no_event(observe)} {_ended(session.overview)}"


def no_event(seconds: float) -> str:
    """Task events were waited for in vain."""
    return f"No task event came in {seconds:g} s: nothing ran, or the workers send none. {EVENTS_ON}"


def _ended(overview: Overview) -> str:
    if _state(overview, "results") in ("off", "refused"):
        return "Tasks that ended before are not seen."
    return "Tasks that ended before are seen only where the result backend keeps them."


async def _task_event_came(session: Session) -> bool:
    page = await session.engine.log(0, 1000)
    return any(line.type.startswith("task-") for line in page.lines)


def _state(overview: Overview, name: str) -> str:
    return next((source.state for source in overview.sources if source.name == name), "")


def _why(source: SourceHealth) -> str:
    reason = sentence(source.reason or f"the link is {source.state}")
    return f"{reason} {source.hint or _SETTINGS.get(source.name, '')}".rstrip()
