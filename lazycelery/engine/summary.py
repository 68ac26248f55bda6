"""The overview: what header, badges and notices tell."""

from __future__ import annotations

from collections import Counter
from urllib.parse import unquote

from lazycelery.engine.cut_off import told
from lazycelery.engine.parts import Parts
from lazycelery.engine.totals import total
from lazycelery.model.cluster import Notice, Overview, TapeStatus
from lazycelery.model.counting import count
from lazycelery.model.faces import by_face
from lazycelery.model.profile import Profile
from lazycelery.sources.replay.recording import RecordingBroker
from lazycelery.waiting import unhurried

AWAY = ("lost", "refused")
"""States of the events' link in which nobody knows how late they are."""


async def overview(parts: Parts) -> Overview:
    """Counts, health of the sources, findings, and what this session may do."""
    await parts.examiner.fresh()
    now = parts.clock()
    profile, links, store = parts.profile, parts.links, parts.store
    queues, states = await parts.queues(), Counter[str]()
    for state in await unhurried(state for _, state in store.roll.states(now)):
        states[state] += 1
    counts = store.counts()
    tape = parts.broker.status if isinstance(parts.broker, RecordingBroker) else None
    return Overview(
        stamp=parts.changes.now().stamp,
        now=now,
        profile=_place(parts),
        broker=parts.redactor.url(profile.broker),
        transport=parts.broker.transport,
        production=profile.production,
        read_only=parts.guard.read_only,
        allowed=sorted(parts.guard.allowed),
        may_unlock=list(profile.may_unlock),
        sources=links.all(),
        connected=links["broker"].state == "connected",
        ever_connected=links["broker"].last is not None,
        events_per_second=store.events_per_second(now),
        events_seen=store.events_seen(),
        events_malformed=parts.watch.malformed + store.events_malformed(),
        lag=None if links["events"].state in AWAY else store.lag(),
        loss=store.loss(),
        load=parts.load.read(),
        relief=parts.store.relief(),
        workers_online=states["online"] + states["busy"],
        workers_total=states.total(),
        queues_total=len(queues),
        tasks_total=sum(counts.values()),
        tasks_by_state=counts,
        backlog=total(queue.messages for queue in queues if queue.folded is None),
        failures=_failures(parts),
        events_enabled=parts.switch.held,
        notices=[
            *parts.examiner.notices(),
            *told(parts.cut_off),
            *parts.plans.notices(),
            *of_recording(tape),
            *parts.memory.notices(),
            *parts.dealing.notices(),
            *await parts.rule_notices.all(),
        ],
        findings=parts.examiner.last.findings,
        snoozed=parts.examiner.last.snoozed,
        lacks=dict(parts.broker.lacks),
        history=parts.memory.status,
        awaited=parts.examiner.beginning.awaited(now),
        speed=parts.pace(),
        recording=tape,
        reel=parts.player.reel() if parts.player is not None else None,
        first_seen=parts.began,
    )


def of_recording(tape: TapeStatus | None) -> list[Notice]:
    """That what somebody wants to have recorded is not, or not all of it."""
    if tape is None or not (tape.problem or tape.missing):
        return []
    gone = f"{count(tape.missing, 'event')} that could not be written in time"
    if tape.problem:
        more = f" Missing in it too: {gone}." if tape.missing else ""
        title = f"The recording in {tape.path} has ended: {tape.problem}.{more}"
        hint = "It plays up to there." + by_face(" --record with another file begins a new one.", "")
        return [Notice(code="recording-ended", severity="warning", title=title, hint=hint)]
    title = f"This is recorded in {tape.path}, but for {gone}."
    return [Notice(code="recording-gap", severity="warning", title=title, hint="A replay shows when.")]


def _place(parts: Parts) -> str:
    """The profile's name; where none was chosen, the broker's place says more than "default"."""
    profile = parts.profile
    if profile.name != Profile().name:
        return profile.name
    place = parts.redactor.url(profile.broker).partition("://")[2].partition("?")[0]
    return (unquote(place) if parts.player is not None else place.rpartition("@")[2]) or "default"


def _failures(parts: Parts) -> int | None:
    heard = parts.meter.recent("failed") + parts.store.counting("task-failed")
    return heard if heard or parts.store.roll.any_events() else None
