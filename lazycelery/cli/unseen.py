"""What a one-shot command could not see, and the setting that would show it, in sentences for stderr."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lazycelery.cli.words import ago, date, sentence
from lazycelery.model.text import clean

if TYPE_CHECKING:
    from lazycelery.cli.session import Session
    from lazycelery.model.cluster import Notice, Overview, SourceHealth
    from lazycelery.model.worker import Worker

_LOOKED_AT = {
    "events": "task events",
    "control": "what workers hold",
    "results": "results of tasks that ended",
    "broker": "waiting and in-flight messages",
}
KEEP_RESULTS = "Set result_backend in the Celery app; --backend URL names one that workers do not tell."
NAMED = 5
"""Workers named in one sentence."""
ASKED = 2
"""Workers whose settings are looked at: they are the same app."""
WITH = "Workers send them with -E or worker_send_task_events = True"
EVENTS_ON = f"{WITH}; --enable-events --allow events switches them on meanwhile."
EVENTS_OFF = "events-off"
"""The notice that workers run tasks and send no events."""
NOTE = "note"
"""Notices of what a broker tells about itself."""


async def remarks(session: Session, *, results: bool = True) -> list[str]:
    """Sources that are not there, and workers that do not answer; `results` where tasks are shown."""
    told = [*recorded(session.overview), *_links(session, results)]
    if results and await _kept_nowhere(session):
        told.append(f"Not seen: {_LOOKED_AT['results']}. The workers name no result backend. {KEEP_RESULTS}")
    return told


def recorded(overview: Overview) -> list[str]:
    """Of a recording: that it is one, and what of it cannot be read."""
    return [notice.title for notice in overview.notices if _of_recording(notice, overview)]


def _of_recording(notice: Notice, overview: Overview) -> bool:
    return overview.reel is not None and notice.code == NOTE


def _links(session: Session, results: bool) -> list[str]:
    overview = session.overview
    silent = not overview.workers_total or _state(overview, "control") == "off"
    silent = silent and "control" not in overview.lacks
    told = [
        f"Not seen: {_LOOKED_AT.get(source.name, source.name)}. {_why(source, overview)}"
        for source in overview.sources
        if source.state not in ("connected", "connecting")
        and not (silent and source.name == "control")
        and (results or source.name != "results")
    ]
    silenced = [notice for notice in overview.notices if notice.code == EVENTS_OFF]
    way = EVENTS_ON if overview.reel is None else f"{WITH}."
    told += [f"{notice.title} {way}" for notice in silenced if "events" not in overview.lacks]
    if silent and overview.reel is not None:
        return [*told, "No worker answered while this was recorded. What workers held is not seen."]
    return [*told, nobody(session.patience)] if silent else told


def is_told(notice: Notice, overview: Overview) -> bool:
    """Whether `remarks` says the same."""
    results = _state(overview, "results")
    told = {"backend-unreachable": ("lost", "refused"), "results-off": ("off",)}
    said = notice.code == EVENTS_OFF or _of_recording(notice, overview)
    return said or results in told.get(notice.code, ())


def nobody(patience: float) -> str:
    """No worker answered."""
    return (
        f"No worker answered within {patience:g} s. What workers hold is not seen. Is one running on this "
        "broker and database? --timeout 10 waits longer: a worker with the solo pool answers between two "
        "tasks. One with worker_enable_remote_control = False never answers."
    )


def unjudged(workers: Sequence[Worker], now: float) -> str | None:
    """Workers that are known from before and do not answer: nobody saw how they went."""
    silent = [worker for worker in workers if worker.state == "unknown" and worker.control_age is None]
    if not silent:
        return None
    names = [_seen(worker, now) for worker in silent[:NAMED]]
    more = f" and {len(silent) - NAMED} more" if len(silent) > NAMED else ""
    return f"Not judged: {', '.join(names)}{more}. No answer, and nobody saw whether it was stopped or lost."


def _seen(worker: Worker, now: float) -> str:
    name = clean(worker.name, 120)
    return name if worker.last_seen is None else f"{name} (seen {ago(worker.last_seen, now)} ago)"


async def past(session: Session, observe: float) -> str:
    """Why tasks that ended may be missing from a list."""
    if session.overview.reel is not None:
        return "Tasks that ended before the recording began are not in it."
    ended = await history(session) or await _ended(session)
    if "events" in session.overview.lacks:
        return ended
    if not observe:
        return (
            f"{ended} --observe SECONDS watches task events, which workers send with -E "
            "or worker_send_task_events = True."
        )
    if not session.overview.workers_total or await _task_event_came(session):
        return f"Events were watched for {observe:g} s. {ended}"
    return f"{no_event(observe)} {ended}"


async def history(session: Session) -> str:
    """How far the recorded history reaches; "" where there is none."""
    known = (await session.engine.overview()).history
    if not known.recorded or known.since is None:
        return ""
    told = f"The recorded history was read back to {date(known.since, session.settings.ui.utc)}"
    if known.loaded < known.recorded or known.more_recorded:
        whole = f"{'more than ' if known.more_recorded else ''}{known.recorded:,} tasks"
        return f"{told}: {known.loaded:,} of its {whole}; lazycelery history searches all."
    return f"{told}, all of it."


def no_event(seconds: float) -> str:
    """Task events were waited for in vain."""
    return f"No task event came in {seconds:g} s: nothing ran, or the workers send none. {EVENTS_ON}"


async def _ended(session: Session) -> str:
    if _state(session.overview, "results") in ("off", "refused") or await _kept_nowhere(session):
        return "Tasks that ended before are not seen."
    return "Tasks that ended before are seen only where the result backend keeps them."


async def _kept_nowhere(session: Session) -> bool:
    """Whether workers told their settings, and no result backend among them; nobody named another."""
    if session.settings.profile.backend or _state(session.overview, "results") in ("off", "refused"):
        return False
    answered = [worker for worker in await session.engine.workers() if worker.registered is not None]
    details = [await session.engine.worker(worker.name) for worker in answered[:ASKED]]
    return bool(details) and not any(detail.conf.get("result_backend") for detail in details)


async def _task_event_came(session: Session) -> bool:
    page = await session.engine.log(0, 1000)
    return any(line.type.startswith("task-") for line in page.lines)


def _state(overview: Overview, name: str) -> str:
    return next((source.state for source in overview.sources if source.name == name), "")


def _why(source: SourceHealth, overview: Overview) -> str:
    reason = sentence(source.reason or f"the link is {source.state}")
    mended = KEEP_RESULTS if source.name == "results" and "results" not in overview.lacks else ""
    return f"{reason} {source.hint or mended}".rstrip()
