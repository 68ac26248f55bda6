"""Tasks whose worker is gone before they ended: whether and when their messages come back."""

from __future__ import annotations

from lazycelery.insight.doctor.message_orphaned import orphans
from lazycelery.insight.doctor.mode import fact, listed, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict.common import began_anew, flight_of, holder_of, is_gone, last_heard
from lazycelery.insight.verdict.line import nobody
from lazycelery.model.task import Task
from lazycelery.model.verdict import Verdict


def left_behind(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """Whether its message comes back, and when, as far as that is known."""
    holder, flight = holder_of(task, seen), flight_of(task, seen)
    verdict.until = None
    if holder is not None and holder.worker.state == "unknown":
        return f"held by {short(task.worker)}{last_heard(holder, seen)}"
    gone = "which is gone" if holder is None or is_gone(holder) else "which began anew since"
    who = short(task.worker) if task.worker else "a worker"
    if not seen.redelivers or (seen.flights is None and seen.gives_back):
        queue = seen.lines.get(task.queue or "")
        alone = queue is not None and bool(queue.messages) and not queue.consumers
        alone = alone and queue is not None and not seen.consumers(queue.name)
        waits = f"; {nobody(seen, queue)}" if alone and queue is not None and seen.cut is None else ""
        return f"held by {who}, {gone}. {seen.gives_back}".rstrip(". ") + waits
    if flight is None:
        return f"held by {who}, {gone}; where its message is, is not known"
    delivered = flight.delivered or seen.now
    if holder is None and seen.cut is None and not any(one.id == task.id for one in orphans(seen)):
        takers = listed([short(facts.name) for facts in seen.consumers(flight.queue)])
        ago = f" {span(seen.now - delivered)} ago" if flight.delivered else ""
        by = f"; {takers} may hold it" if takers else "; nobody who lives consumes that queue"
        return f"delivered from {flight.queue}{ago}, and nobody told who took it{by}"
    verdict.until = delivered + seen.visibility()
    verdict.evidence.append(fact("its message is unacknowledged, held by nobody", "broker", delivered))
    left = verdict.until - seen.now
    due = f" in about {span(left)}" if left > 0 else " at the next sweep of a worker"
    when = due if seen.cut is None else ""
    runs = "" if seen.alive or seen.unheard else ", once a worker runs"
    who = who if task.worker else "its worker"
    how = "is gone" if holder is None or is_gone(holder) else "began anew and does not hold it"
    if holder is not None and not is_gone(holder) and not began_anew(holder, delivered):
        how = "forgot it when the broker restarted"
    return f"orphaned: {who} {how}, and its message comes back to {flight.queue}{when}{runs}"
