"""The overview: what header, badges and notices tell."""

from __future__ import annotations

from collections import Counter
from urllib.parse import unquote

from lazycelery.engine.cut_off import told
from lazycelery.engine.parts import Parts
from lazycelery.engine.totals import total
from lazycelery.model.cluster import Overview
from lazycelery.model.profile import Profile
from lazycelery.waiting import unhurried


async def overview(parts: Parts) -> Overview:
    """Counts, health of the sources, findings, and what this session may do."""
    await parts.examiner.fresh()
    now = parts.clock()
    profile, links, store = parts.profile, parts.links, parts.store
    queues, states = await parts.queues(), Counter[str]()
    for state in await unhurried(state for _, state in store.roll.states(now)):
        states[state] += 1
    counts = store.counts()
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
        lag=store.lag(),
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
        reel=parts.player.reel() if parts.player is not None else None,
        first_seen=parts.began,
    )


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
