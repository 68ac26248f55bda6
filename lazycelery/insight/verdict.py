"""Where a task, queue or worker is, and why it is not done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from lazycelery.insight.doctor.mode import count, fact, listed, plain_slots, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.doctor.worker_saturated import full_since
from lazycelery.model.facts import Flight, WorkerFacts
from lazycelery.model.finding import Finding
from lazycelery.model.moments import epoch
from lazycelery.model.queue import Queue
from lazycelery.model.states import FINISHED
from lazycelery.model.task import Task, next_try
from lazycelery.model.verdict import Verdict
from lazycelery.store.queues import near

SOON = 5.0
"""Seconds in which a worker with a free slot begins what it has reserved."""
TOLD = ("backlog-growing", "queue-without-consumer")
"""Findings about a queue that say no more than the sentence before them."""
ENDED = {state.label for state in FINISHED}
GROWING = 0.05
"""Messages a second above which a queue is said to grow."""
RECENT = 4
"""Looks at a queue that tell whether it still does."""


def of_task(task: Task, seen: Snapshot, findings: Sequence[Finding] = ()) -> Verdict:
    """Waiting for what, behind what, until when; running where; or how it ended."""
    verdict = Verdict(kind="task", subject=task.id, state=task.state, text="", at=seen.now)
    told = _TASK.get(task.state, _ended)(task, seen if task.state in ENDED else _then(seen), verdict)
    verdict.text = told[0].upper() + told[1:] + "."
    if task.state not in ENDED:
        _date(verdict, seen)
    about = {task.id, task.queue, task.worker} - {None}
    verdict.findings = sorted({one.code for one in findings if one.subject in about})
    return verdict


def of_worker(facts: WorkerFacts, seen: Snapshot, findings: Sequence[Finding] = ()) -> Verdict:
    """Alive or gone, free or full, and with what."""
    worker, name = facts.worker, short(facts.name)
    about = [one for one in findings if facts.name == one.subject or facts.name in one.related]
    own = [one for one in about if one.subject == facts.name and one.severity != "info"]
    verdict = Verdict(kind="worker", subject=facts.name, state=worker.state, text="", at=seen.now)
    verdict.findings = [one.code for one in about]
    if worker.state == "offline":
        verdict.text = f"{name} is gone: {worker.why or 'it stopped'}."
    elif own:
        verdict.text = own[0].title
    elif worker.why and (seen.cut is None or worker.state == "unknown"):
        verdict.text = f"{name} is {worker.why}."
    else:
        slots = worker.concurrency or 0
        busy = f"{worker.active or 0} of {plain_slots(slots)} taken" if slots else "its pool is not known"
        takes = listed(worker.queues) or "no queue"
        verdict.text = f"{name} is {worker.state}: {busy}, it takes from {takes}."
    if worker.state not in ("offline", "unknown"):  # Of these it is told how long ago they were heard.
        _date(verdict, seen)
    verdict.evidence = [
        fact(f"{task.name} runs", "control", task.time_start) for task in (facts.active or [])[:5]
    ]
    if worker.reserved:
        told = count(worker.reserved, "reserved task")
        verdict.evidence.append(fact(told, "control", worker.reserved))
    verdict.evidence += [each for one in about for each in one.evidence]
    return verdict


def of_queue(queue: Queue, seen: Snapshot, findings: Sequence[Finding] = ()) -> Verdict:
    """How much waits, for whom, and for how long."""
    own = [one for one in findings if queue.name == one.subject]
    verdict = Verdict(kind="queue", subject=queue.name, text="", at=seen.now)
    then = _then(seen)
    verdict.findings = [one.code for one in own]
    verdict.evidence = [each for one in own for each in one.evidence]
    waits = f"{count(queue.messages or 0, 'message')} {'waits' if queue.messages == 1 else 'wait'}"
    if queue.held is not None:
        verdict.text = f"{queue.name} is {queue.why}. {waits}."
    elif queue.messages is None or queue.error:
        why = queue.error or "it was not seen yet"
        verdict.text = f"How much waits in {queue.name} is not known: {why.rstrip('.')}."
    elif not queue.messages:
        verdict.text = f"{queue.name} is empty; {_who(then, queue)}."
    elif queue.why:
        verdict.text = queue.why
    else:
        why = _why_they_wait(then, queue, verdict, "the last one's")
        verdict.text = f"{waits} in {queue.name}{_growing(queue)}; {why}."
    if not queue.why:
        more = [one.title for one in own if one.code not in TOLD]
        verdict.text = " ".join([verdict.text, *more[:1]])
    _date(verdict, seen)
    return verdict


def _then(seen: Snapshot) -> Snapshot:
    """While we are cut off, the moment when the broker answered last: what is known is as old as that."""
    return seen if seen.cut is None else replace(seen, now=min(seen.now, seen.cut))


def _date(verdict: Verdict, seen: Snapshot) -> None:
    """What was true when the broker answered last is told as that, and nothing is promised by it."""
    if seen.cut is not None:
        verdict.text = f"Not connected; {span(seen.now - seen.cut)} ago: {verdict.text}"
        verdict.until = None


def _growing(queue: Queue) -> str:
    if queue.in_rate is None or queue.out_rate is None or queue.in_rate - queue.out_rate <= GROWING:
        return ""
    recent = queue.history[-RECENT:]
    if recent and recent[-1] < recent[0]:  # Rates are of half a minute: a wave that falls again rose in it.
        return ""
    return f", {queue.in_rate - queue.out_rate:.1f} more each second"


# ---- a task, by its state


def _waiting(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    flight = _flight(task, seen)
    if "run-lost" in task.marks or (flight is not None and seen.cut is None and not _holder(task, seen)):
        return _orphaned(task, seen, verdict, flight)
    since = f" for {span(seen.now - task.sent)}" if task.sent else ""
    if task.queue is None:
        return f"waits{since} in a queue that no source names: it may be unrouted"
    queue = next((one for one in seen.queues if one.name == task.queue), None)
    told = f"waits in {task.queue}{since}"
    if queue is not None and (queue.messages or 0) > 1:
        told += f", one of {count(queue.messages or 0, 'message')}"
    expires = epoch(task.expires)
    if expires is not None and expires < seen.now:
        verdict.until = expires
        return f"{told}; it expired {span(seen.now - expires)} ago, and is dropped when its turn comes"
    if queue is None:
        return told
    workers = seen.consumers(queue.name) if task.name else []
    if workers and all(facts.registered and task.name not in facts.registered for facts in workers):
        return f"{told}; none of its workers knows {task.name}"
    return f"{told}; {_why_they_wait(seen, queue, verdict)}"


def _why_they_wait(seen: Snapshot, queue: Queue, verdict: Verdict, whose: str = "its") -> str:
    messages = queue.messages or 0
    verdict.evidence.append(fact(f"{count(messages, 'message')} in {queue.name}", "broker", messages))
    consumers = seen.consumers(queue.name)
    if not consumers and not queue.consumers:
        if seen.settled and not seen.alive and not seen.unheard:
            return "no worker runs"
        meant = near(queue.name, sorted({name for facts in seen.alive for name in facts.queues or ()}))
        return "nobody consumes it" + (f" (did you mean {meant}?)" if meant else "")
    silent = [facts for facts in consumers if _silent(facts, seen)]
    if consumers and len(silent) == len(consumers):
        return f"{listed([short(one.name) for one in silent])} answers nobody now: {_runs(silent, seen)}"
    full = [facts for facts in consumers if _full(facts)]
    free = len(consumers) - len(full)
    told = ""
    if full and not free:
        names = listed([short(one.name) for one in full])
        told = f"all slots of {names} {_runs(full, seen)}{_none_free(full, seen)}"
    elif full:
        told = f"{free} of its {len(consumers)} workers {'has' if free == 1 else 'have'} a free slot"
    if queue.out_rate:
        wait = messages / queue.out_rate
        verdict.until = seen.now + wait
        source = queue.sources.get("out_rate", "event")
        verdict.evidence.append(fact(f"{queue.out_rate:.1f} are taken a second", source, queue.out_rate))
        turn = f", so that {whose} turn comes within {span(wait)}" if seen.cut is None else ""
        pace = f"{queue.out_rate:.1f} a second are taken{turn}"
        return f"{told}; {pace}" if told else pace
    return told or _who(seen, queue)


def _who(seen: Snapshot, queue: Queue) -> str:
    names = [short(facts.name) for facts in seen.consumers(queue.name)]
    if names:
        return f"{listed(names)} {'consumes' if len(names) == 1 else 'consume'} it"
    if queue.consumers is None:
        return "who consumes it is not known"
    verb = "takes" if queue.consumers == 1 else "take"
    return f"{count(queue.consumers, 'consumer')} {verb} from it" if queue.consumers else "nobody consumes it"


def _runs(workers: Sequence[WorkerFacts], seen: Snapshot) -> str:
    """What they run: as they told, else as events did."""
    names = Counter(task.name or "a task" for facts in workers for task in facts.active or ())
    if not names:
        own = {facts.name for facts in workers}
        names = Counter(one.name or "a task" for one in seen.tasks.running if one.worker in own)
    if not names:
        return "run what is not known"
    return "run " + listed([f"{number} × {name}" for name, number in names.most_common()], 2)


def _full(facts: WorkerFacts) -> bool:
    slots = facts.worker.concurrency
    return bool(slots) and max(facts.worker.active or 0, len(facts.active or ())) >= (slots or 0)


def _none_free(full: Sequence[WorkerFacts], seen: Snapshot) -> str:
    """For how long none of their slots became free, where all of them told since when theirs run."""
    since = [at for facts in full if (at := full_since(facts, seen.now)) is not None]
    return f", none free for {span(seen.now - max(since))}" if len(since) == len(full) else ""


def _received(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    holder = _holder(task, seen)
    since = f" for {span(seen.now - task.received)}" if task.received else ""
    told = f"reserved{_on(task)}{since}, not started"
    if holder is None and (seen.cut is not None or not seen.settled):
        return told
    if unheard := _unheard(holder, seen):
        return f"held by {short(task.worker)}{unheard}"
    if holder is None or _gone(holder):
        return _orphaned(task, seen, verdict, _flight(task, seen))
    slots = holder.worker.concurrency or 0
    if _full(holder):
        verdict.evidence = [
            fact(f"{each.name} runs", "control", each.time_start) for each in holder.active or ()
        ]
        behind = len(holder.reserved or ())
        others = f"; it is one of {count(behind, 'reserved task')} there" if behind > 1 else ""
        runs = f"{_runs([holder], seen)}{_none_free([holder], seen)}{others}"
        if slots == 1:
            return f"{told}: its only slot {runs.replace('run', 'runs', 1)}"
        return f"{told}: its {slots:,} slots {runs}"
    if _silent(holder, seen):
        return f"{told}: the worker answers nobody now"
    if not slots or holder.worker.active is None:
        return told
    if task.received and seen.now - task.received < SOON:
        return f"{told}: slots are free" + ("" if seen.cut is not None else ", it is about to")
    return f"{told} although slots are free: a rate limit, perhaps"


def _scheduled(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    holder, eta = _holder(task, seen), epoch(task.eta)
    verdict.until = eta
    if _gone(holder):
        return _orphaned(task, seen, verdict, _flight(task, seen))
    if unheard := _unheard(holder, seen):
        due = f"; its ETA is in {span(eta - seen.now)}" if eta is not None and eta > seen.now else ""
        return f"held by {short(task.worker)}{unheard}{due}"
    where = f" by {short(task.worker)}" if task.worker else ""
    if eta is None:
        return f"held{where} until its ETA" + (f" ({task.eta[:40]})" if task.eta else "")
    left = eta - seen.now
    if left <= 0:
        return f"held{where}, {span(-left)} past its ETA"
    told = f"held{where} until its ETA" + (f", in {span(left)}" if seen.cut is None else "")
    if seen.redelivers and left > seen.visibility():
        timeout = span(seen.visibility())
        told += f"; that is beyond the visibility timeout ({timeout}): it will run more than once"
    return told


def _started(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    holder = _holder(task, seen)
    if holder is not None and holder.worker.lost:
        stopped = holder.worker.stopped
        ago = "" if stopped is None else f" {span(seen.now - stopped)} ago"
        return f"ran{_on(task)} when that was lost{ago}; whether it ended is not known"
    if holder is not None and _gone(holder):
        stopped = holder.worker.stopped
        why = holder.worker.why if stopped is None else f"stopped {span(seen.now - stopped)} ago"
        return f"ran{_on(task)}, which is gone: {why or 'it stopped'}"
    if unheard := _unheard(holder, seen):
        return f"ran{_on(task)}{unheard}; whether it ended is not known"
    age = None if task.started is None else max(0.0, seen.now - task.started)
    told = f"runs{_on(task) or ' on a worker that nobody named'}" + (
        f", process {task.pid}" if task.pid else ""
    )
    told += f", for {span(age)}" if age is not None else ""
    conf = (holder.conf if holder else None) or {}
    limit = conf.get("task_time_limit")
    if isinstance(limit, (int, float)) and not isinstance(limit, bool) and limit and age is not None:
        verdict.until = (task.started or seen.now) + limit
        ends = f" ends it in {span(max(0.0, limit - age))}"
        told += f"; its time limit of {span(limit)}{ends if seen.cut is None else ' ends it'}"
    elif holder is not None and holder.conf is not None:
        told += "; its worker sets no time limit"
    usual = next((one for one in seen.tasks.running if one.id == task.id), None)
    if usual is not None and usual.usual is not None and usual.runs >= seen.limits.stalled_runs:
        told += f"; 95% of its kind take less than {usual.usual:.2g} s"
        verdict.evidence.append(fact(f"from {usual.runs:,} runs", "event", usual.usual))
    if holder is not None and _silent(holder, seen):
        told += "; the worker answers nobody now"
    return told


def _retry(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    eta = epoch(task.eta)
    verdict.until = eta
    when = f" in {span(eta - seen.now)}" if eta is not None and eta > seen.now and seen.cut is None else ""
    number = next_try(task)
    which = f" (try {number})" if number is not None else ""
    return f"failed{_on(task)} with {_error(task)}, and is tried again{when}{which}"


def _lost(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    verdict.actions = ["retry"]
    who = f"{short(task.worker)}, which ran it," if task.worker else "the worker that ran it"
    return f"lost: {who} is gone, and its message is nowhere; nobody will run it again"


def _unknown(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    if "ended-unseen" in task.marks:
        return "it ended, and nobody told how: neither an event nor a result"
    return "it was heard of, and no source tells where it is now"


def _ended(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    after = f" after {_took(task.runtime)}" if task.runtime is not None else ""
    ago = f", {span(max(0.0, seen.now - task.finished))} ago" if task.finished else ""
    if task.state == "success":
        return f"succeeded{_on(task)}{after}{ago}"
    if task.state == "failure":
        return f"failed{_on(task)}{after}{ago}: {_error(task)}"
    if task.state == "rejected":
        return f"rejected{_on(task)}{ago}: its worker gave the message back or threw it away"
    if "expired" in task.marks:
        return f"dropped{_on(task)}{ago}: it had expired before it could begin"
    how = "terminated while it ran" if "terminated" in task.marks else "revoked"
    return f"{how}{_on(task)}{ago}"


def _orphaned(task: Task, seen: Snapshot, verdict: Verdict, flight: Flight | None) -> str:
    holder = _holder(task, seen)
    if holder is not None and holder.worker.state == "unknown":
        return f"held by {short(task.worker)}{_unheard(holder, seen)}"
    who = short(task.worker) if task.worker else "a worker"
    if not seen.redelivers or (seen.flights is None and seen.gives_back):
        return f"held by {who}, which is gone. {seen.gives_back}".rstrip(". ")
    if flight is None:
        return f"held by {who}, which is gone; where its message is, is not known"
    delivered = flight.delivered or seen.now
    verdict.until = delivered + seen.visibility()
    verdict.evidence.append(fact("its message is unacknowledged, held by nobody", "broker", delivered))
    left = verdict.until - seen.now
    due = f" in about {span(left)}" if left > 0 else " at the next sweep of a worker"
    when = due if seen.cut is None else ""
    runs = "" if seen.alive or seen.unheard else ", once a worker runs"
    who = who if task.worker else "its worker"
    return f"orphaned: {who} is gone, and its message comes back to {flight.queue}{when}{runs}"


def _flight(task: Task, seen: Snapshot) -> Flight | None:
    messages = seen.flights.messages if seen.flights else []
    return next((flight for flight in messages if flight.id == task.id), None)


def _holder(task: Task, seen: Snapshot) -> WorkerFacts | None:
    return next((facts for facts in seen.workers if facts.name == task.worker), None)


def _gone(holder: WorkerFacts | None) -> bool:
    """Seen to stop, or lost while we listened; one that is only not heard is not gone."""
    return holder is not None and holder.worker.state == "offline"


def _unheard(holder: WorkerFacts | None, seen: Snapshot) -> str:
    """When it was last heard, where nobody tells of it now. While cut off all is told as it was then."""
    if holder is None or holder.worker.state != "unknown" or seen.cut is not None:
        return ""
    last = holder.worker.last_seen
    return " when that was last heard" + ("" if last is None else f", {span(seen.now - last)} ago")


def _silent(facts: WorkerFacts, seen: Snapshot) -> bool:
    """It was asked and does not answer. While we are cut off no answer could reach us."""
    return facts.silent is not None and seen.cut is None


def _on(task: Task) -> str:
    return f" on {short(task.worker)}" if task.worker else ""


def _took(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.2f}s" if seconds < 10 else f"{seconds:.1f}s"
    return span(seconds)


def _error(task: Task) -> str:
    return (task.error or "no reason was told")[:300].rstrip(".")


_TASK = {
    "waiting": _waiting,
    "received": _received,
    "scheduled": _scheduled,
    "started": _started,
    "retry": _retry,
    "lost": _lost,
    "unknown": _unknown,
}
