"""Behind what the messages of a queue wait, and who takes them."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.insight.doctor.mode import agreed, count, fact, listed, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict.common import is_gone, is_silent
from lazycelery.insight.verdict.slots import is_full, none_free, runs
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding
from lazycelery.model.queue import Queue
from lazycelery.model.verdict import Verdict
from lazycelery.store.queues import RATE_WINDOW, near, not_told

DEAF = ("worker-deaf", "consumer-without-traffic")
"""Findings that tell why a consumer with free slots takes nothing."""
NOTICED = 5.0
"""Seconds by which RabbitMQ's rates are late."""


def why_they_wait(
    seen: Snapshot,
    queue: Queue,
    verdict: Verdict,
    whose: str = "its",
    findings: Sequence[Finding] = (),
) -> str:
    """Behind what, or why nobody takes them; `whose` turn is told."""
    messages = queue.messages or 0
    verdict.evidence.append(fact(f"{count(messages, 'message')} in {queue.name}", "broker", messages))
    consumers = seen.consumers(queue.name)
    if queue.held is not None:
        return f"{queue.name} is {queue.why}"
    if not consumers and not queue.consumers:
        return nobody(seen, queue)
    mute = [facts for facts in consumers if is_silent(facts, seen)]
    if consumers and len(mute) == len(consumers):
        return f"{_mute(mute, seen)}{_perhaps(queue)}"
    busy = [facts for facts in consumers if is_full(facts)]
    free = len(consumers) - len(busy)
    told = ""
    if busy and not free:
        names = listed([short(one.name) for one in busy])
        told = f"all slots of {names} {runs(busy, seen)}{none_free(busy, seen)}"
    elif busy:
        told = f"{free} of its {len(consumers)} workers {'has' if free == 1 else 'have'} a free slot"
    deaf = [one.title for one in findings if one.code in DEAF and _about(one, queue, consumers)]
    if deaf and free:
        return deaf[0].rstrip(".")
    if queue.out_rate and (free or not busy or _flows(seen, queue, busy)):
        pace = f"{queue.out_rate:.1f} a second are taken"
        source = queue.sources.get("out_rate", "event")
        verdict.evidence.append(
            fact(pace.replace("a second are taken", "are taken a second"), source, queue.out_rate)
        )
        wait = (messages + _before(queue, consumers)) / queue.out_rate
        verdict.until = seen.now + wait
        pace += f", so that {whose} turn comes within {span(wait)}" if seen.cut is None else ""
        return f"{told}; {pace}" if told else pace
    known = all(facts.worker.concurrency and facts.worker.active is not None for facts in consumers)
    if told or not consumers or not known or seen.cut is not None:
        return told or who(seen, queue)
    return f"{who(seen, queue)}, and {'its' if len(consumers) == 1 else 'their'} slots are free"


def _mute(mute: Sequence[WorkerFacts], seen: Snapshot) -> str:
    names, what = listed([short(one.name) for one in mute]), runs(mute, seen)
    if all(facts.worker.pool == "solo" for facts in mute):
        inside = "its only thread is" if len(mute) == 1 else "their only threads are"
        return f"{names} {agreed(len(mute), 'answer')} nobody now: {inside} inside a task"
    if len(mute) == 1:
        return f"{names} answers nobody now: it {what.replace('run', 'runs', 1)}"
    return f"{names} answer nobody now: they {what}"


def _perhaps(queue: Queue) -> str:
    """What was delivered to who does not tell: any of those that seem to wait may be among it."""
    if not queue.unacked:
        return ""
    return f"; {count(queue.unacked, 'message', does='are')} there already, and which is not told"


def nobody(seen: Snapshot, queue: Queue) -> str:
    """Why nobody consumes it, as far as it is known."""
    unheard = [short(facts.name) for facts in seen.unheard if queue.name in (facts.queues or ())]
    if unheard and queue.sources.get("consumers") != "broker":
        them = "was" if len(unheard) == 1 else "were"
        return f"{listed(unheard)} consumed it when {'it' if len(unheard) == 1 else 'they'} {them} heard last"
    gone = [facts for facts in seen.workers if is_gone(facts) and queue.name in (facts.queues or ())]
    last = max(gone, key=lambda facts: facts.worker.stopped or 0.0, default=None)
    since = ""
    if last is not None and last.worker.stopped is not None:
        how = "was lost" if last.worker.lost else "stopped"
        since = f" since {short(last.name)} {how}, {span(seen.now - last.worker.stopped)} ago"
    if seen.settled and not seen.alive and not seen.unheard:
        return f"no worker runs{since}"
    untold = sorted(facts.name for facts in (*seen.alive, *seen.unheard) if facts.queues is None)
    if untold and queue.consumers is None and not since:
        return f"no worker that told its queues consumes it; {not_told(untold)}"
    meant = near(queue.name, sorted({name for facts in seen.alive for name in facts.queues or ()}))
    return f"nobody consumes it{since}" + (f" (did you mean {meant}?)" if meant and not since else "")


def _about(finding: Finding, queue: Queue, consumers: Sequence[WorkerFacts]) -> bool:
    return finding.subject in (queue.name, *(facts.name for facts in consumers))


def _flows(seen: Snapshot, queue: Queue, full: Sequence[WorkerFacts]) -> bool:
    """Whether their slots become free: what was taken lately is not only what fills them now."""
    rate, slots = queue.out_rate or 0.0, sum(facts.worker.concurrency or 0 for facts in full)
    if queue.sources.get("out_rate") != "broker":
        return rate * min(RATE_WINDOW, max(seen.watched, 1.0)) > slots + 0.5
    starts = [task.time_start for facts in full for task in facts.active or () if task.time_start]
    return not starts or seen.now - max(starts) < max(NOTICED, 1.5 / rate)


def _before(queue: Queue, consumers: Sequence[WorkerFacts]) -> int:
    """Messages that its workers hold already, and that are no tasks for later."""
    return max(0, (queue.unacked or 0) - sum(facts.worker.scheduled or 0 for facts in consumers))


def who(seen: Snapshot, queue: Queue) -> str:
    """Who takes from it."""
    names = [short(facts.name) for facts in seen.consumers(queue.name)]
    if names:
        return f"{listed(names)} {'consumes' if len(names) == 1 else 'consume'} it"
    if queue.consumers is None:
        return "who consumes it is not known"
    verb = "takes" if queue.consumers == 1 else "take"
    return f"{count(queue.consumers, 'consumer')} {verb} from it" if queue.consumers else nobody(seen, queue)
