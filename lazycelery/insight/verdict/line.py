"""Behind what the messages of a queue wait, and who takes them."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import count, fact, listed, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict.common import is_silent
from lazycelery.insight.verdict.slots import is_full, none_free, runs
from lazycelery.model.queue import Queue
from lazycelery.model.verdict import Verdict
from lazycelery.store.queues import near


def why_they_wait(seen: Snapshot, queue: Queue, verdict: Verdict, whose: str = "its") -> str:
    """Behind what, or why nobody takes them; `whose` turn is told."""
    messages = queue.messages or 0
    verdict.evidence.append(fact(f"{count(messages, 'message')} in {queue.name}", "broker", messages))
    consumers = seen.consumers(queue.name)
    if not consumers and not queue.consumers:
        if seen.settled and not seen.alive and not seen.unheard:
            return "no worker runs"
        meant = near(queue.name, sorted({name for facts in seen.alive for name in facts.queues or ()}))
        return "nobody consumes it" + (f" (did you mean {meant}?)" if meant else "")
    mute = [facts for facts in consumers if is_silent(facts, seen)]
    if consumers and len(mute) == len(consumers):
        return f"{listed([short(one.name) for one in mute])} answers nobody now: {runs(mute, seen)}"
    busy = [facts for facts in consumers if is_full(facts)]
    free = len(consumers) - len(busy)
    told = ""
    if busy and not free:
        names = listed([short(one.name) for one in busy])
        told = f"all slots of {names} {runs(busy, seen)}{none_free(busy, seen)}"
    elif busy:
        told = f"{free} of its {len(consumers)} workers {'has' if free == 1 else 'have'} a free slot"
    if queue.out_rate:
        wait = messages / queue.out_rate
        verdict.until = seen.now + wait
        source = queue.sources.get("out_rate", "event")
        verdict.evidence.append(fact(f"{queue.out_rate:.1f} are taken a second", source, queue.out_rate))
        turn = f", so that {whose} turn comes within {span(wait)}" if seen.cut is None else ""
        pace = f"{queue.out_rate:.1f} a second are taken{turn}"
        return f"{told}; {pace}" if told else pace
    return told or who(seen, queue)


def who(seen: Snapshot, queue: Queue) -> str:
    """Who takes from it."""
    names = [short(facts.name) for facts in seen.consumers(queue.name)]
    if names:
        return f"{listed(names)} {'consumes' if len(names) == 1 else 'consume'} it"
    if queue.consumers is None:
        return "who consumes it is not known"
    verb = "takes" if queue.consumers == 1 else "take"
    return f"{count(queue.consumers, 'consumer')} {verb} from it" if queue.consumers else "nobody consumes it"
