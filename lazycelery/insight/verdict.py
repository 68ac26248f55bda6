"""Where a task, queue or worker is, and why it is not done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lazycelery.insight.doctor.mode import count, fact, listed, moment, plain_slots, short, span
from lazycelery.insight.doctor.queue_without_consumer import near
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.doctor.worker_saturated import full_since
from lazycelery.model.facts import Flight, WorkerFacts
from lazycelery.model.finding import Finding
from lazycelery.model.queue import Queue
from lazycelery.model.task import Task, next_try
from lazycelery.model.verdict import Verdict


def of_task(task: Task, seen: Snapshot, findings: Sequence[Finding] = ()) -> Verdict:
    """Waiting for what, behind what, until when; running where; or how it ended."""
    verdict = Verdict(kind="task", subject=task.id, state=task.state, text="", at=seen.now)
    told = _TASK.get(task.state, _ended)(task, seen, verdict)
    verdict.text = told[0].upper() + told[1:] + "."
    about = {task.id, task.queue, task.worker} - {None}
    verdict.findings = sorted({one.code for one in findings if one.subject in about})
    return verdict


def of_worker(facts: WorkerFacts, seen: Snapshot, findings: Sequence[Finding] = ()) -> Verdict:
    """Alive or gone, free or full, and with what."""
    worker, name = facts.worker, short(facts.name)
    own = [one for one in findings if facts.name == one.subject or facts.name in one.related]
    verdict = Verdict(kind="worker", subject=facts.name, state=worker.state, text="", at=seen.now)
    verdict.findings = [one.code for one in own]
    if worker.state == "offline":
        verdict.text = f"{name} is gone: {worker.why}."
    elif own:
        verdict.text = own[0].title
    elif worker.why:
        verdict.text = f"{name} is {worker.why}."
    else:
        slots = worker.concurrency or 0
        busy = f"{worker.active or 0} of {plain_slots(slots)} taken" if slots else "its pool is not known"
        takes = listed(worker.queues) or "no queue"
        verdict.text = f"{name} is {worker.state}: {busy}, it takes from {takes}."
    verdict.evidence = [
        fact(f"{task.name} runs", "control", task.time_start) for task in (facts.active or [])[:5]
    ]
    if worker.reserved:
        told = count(worker.reserved, "reserved task")
        verdict.evidence.append(fact(told, "control", worker.reserved))
    verdict.evidence += [each for one in own for each in one.evidence]
    return verdict


def of_queue(queue: Queue, seen: Snapshot, findings: Sequence[Finding] = ()) -> Verdict:
    """How much waits, for whom, and for how long."""
    own = [one for one in findings if queue.name == one.subject]
    verdict = Verdict(kind="queue", subject=queue.name, text="", at=seen.now)
    verdict.findings = [one.code for one in own]
    verdict.evidence = [each for one in own for each in one.evidence]
    if own:
        verdict.text = own[0].title
    elif queue.messages is None:
        why = queue.error or "it was not seen yet"
        verdict.text = f"How much waits in {queue.name} is not known: {why}."
    elif not queue.messages:
        verdict.text = f"{queue.name} is empty; {_who(seen, queue)}."
    else:
        why = _why_they_wait(seen, queue, verdict)
        verdict.text = f"{count(queue.messages, 'message')} wait in {queue.name}; {why}."
    return verdict


# ---- a task, by its state


def _waiting(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    flight = _flight(task, seen)
    if "run-lost" in task.marks or (flight is not None and not _holder(task, seen)):
        return _orphaned(task, seen, verdict, flight)
    since = f" for {span(seen.now - task.sent)}" if task.sent else ""
    if task.queue is None:
        return f"waits{since} in a queue that no source names: it may be unrouted"
    queue = next((one for one in seen.queues if one.name == task.queue), None)
    told = f"waits in {task.queue}{since}"
    expires = moment(task.expires)
    if expires is not None and expires < seen.now:
        verdict.until = expires
        return f"{told}; it expired {span(seen.now - expires)} ago, and is dropped when its turn comes"
    if queue is None:
        return told
    workers = seen.consumers(queue.name) if task.name else []
    if workers and all(facts.registered and task.name not in facts.registered for facts in workers):
        return f"{told}; none of its workers knows {task.name}"
    return f"{told}; {_why_they_wait(seen, queue, verdict)}"


def _why_they_wait(seen: Snapshot, queue: Queue, verdict: Verdict) -> str:
    messages = queue.messages or 0
    verdict.evidence.append(fact(f"{count(messages, 'message')} in {queue.name}", "broker", messages))
    consumers = seen.consumers(queue.name)
    if not consumers and not queue.consumers:
        if not seen.alive:
            return "no worker runs"
        meant = near(queue.name, sorted({name for facts in seen.alive for name in facts.queues or ()}))
        return f"nobody consumes {queue.name}" + (f" (did you mean {meant}?)" if meant else "")
    silent = [facts for facts in consumers if facts.silent is not None]
    if consumers and len(silent) == len(consumers):
        return f"{listed([short(one.name) for one in silent])} answers nobody now: {_runs(silent)}"
    full = [facts for facts in consumers if full_since(facts, seen.now) is not None]
    told = ""
    if consumers and len(full) == len(consumers):
        since = max(full_since(facts, seen.now) or 0.0 for facts in full)
        names = listed([short(one.name) for one in full])
        told = f"all slots of {names} are taken, {_runs(full)}, none free for {span(seen.now - since)}"
    if queue.out_rate:
        wait = messages / queue.out_rate
        verdict.until = seen.now + wait
        source = queue.sources.get("out_rate", "event")
        verdict.evidence.append(fact(f"{queue.out_rate:.1f} are taken a second", source, queue.out_rate))
        pace = f"{queue.out_rate:.1f} a second are taken, so that its turn comes within {span(wait)}"
        return f"{told}; {pace}" if told else pace
    return told or _who(seen, queue)


def _who(seen: Snapshot, queue: Queue) -> str:
    names = [short(facts.name) for facts in seen.consumers(queue.name)]
    if names:
        return f"{listed(names)} {'consumes' if len(names) == 1 else 'consume'} it"
    return f"{count(queue.consumers, 'consumer')} take from it" if queue.consumers else "nobody consumes it"


def _runs(workers: Sequence[WorkerFacts]) -> str:
    names = Counter(task.name or "a task" for facts in workers for task in facts.active or ())
    if not names:
        return "what it runs is not known"
    return "running " + listed([f"{number} × {name}" for name, number in names.most_common()], 2)


def _received(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    holder = _holder(task, seen)
    if holder is None or not holder.alive:
        return _orphaned(task, seen, verdict, _flight(task, seen))
    since = f" for {span(seen.now - task.received)}" if task.received else ""
    told = f"reserved on {short(holder.name)}{since}"
    slots = holder.worker.concurrency or 0
    if slots and len(holder.active or ()) >= slots:
        behind = len(holder.reserved or ())
        others = f", among {count(behind, 'reserved task')}" if behind > 1 else ""
        verdict.evidence = [
            fact(f"{each.name} runs", "control", each.time_start) for each in holder.active or ()
        ]
        free = full_since(holder, seen.now)
        ago = f", none free for {span(seen.now - free)}" if free else ""
        return f"{told}, not started: its {plain_slots(slots)} are taken, {_runs([holder])}{ago}{others}"
    if holder.silent is not None:
        return f"{told}, not started: the worker answers nobody now"
    return f"{told}, not started although slots are free: a rate limit, or just about to"


def _scheduled(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    holder, eta = _holder(task, seen), moment(task.eta)
    verdict.until = eta
    if holder is not None and not holder.alive:
        return _orphaned(task, seen, verdict, _flight(task, seen))
    where = f" by {short(holder.name)}" if holder else ""
    if eta is None:
        return f"held{where} until its ETA"
    left = eta - seen.now
    if left <= 0:
        return f"due for {span(-left)}, held{where}"
    told = f"held{where} until its ETA, in {span(left)}"
    if seen.redelivers and left > seen.visibility():
        timeout = span(seen.visibility())
        told += f"; that is beyond the visibility timeout ({timeout}): it will run more than once"
    return told


def _started(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    holder = _holder(task, seen)
    age = None if task.started is None else max(0.0, seen.now - task.started)
    told = f"runs on {short(task.worker)}" + (f", process {task.pid}" if task.pid else "")
    told += f", for {span(age)}" if age is not None else ""
    if holder is not None and not holder.alive:
        return f"ran on {short(task.worker)}, which is gone: {holder.worker.why or 'lost'}"
    conf = (holder.conf if holder else None) or {}
    limit = conf.get("task_time_limit")
    if isinstance(limit, (int, float)) and not isinstance(limit, bool) and limit and age is not None:
        verdict.until = (task.started or seen.now) + limit
        told += f"; its time limit of {span(limit)} ends it in {span(max(0.0, limit - age))}"
    elif holder is not None and holder.conf is not None:
        told += "; its worker sets no time limit"
    usual = next((one for one in seen.tasks.running if one.id == task.id), None)
    if usual is not None and usual.usual is not None and usual.runs >= seen.limits.stalled_runs:
        told += f"; 95% of its kind take less than {usual.usual:.2g} s"
        verdict.evidence.append(fact(f"from {usual.runs:,} runs", "event", usual.usual))
    if holder is not None and holder.silent is not None:
        told += "; the worker answers nobody now"
    return told


def _retry(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    eta = moment(task.eta)
    verdict.until = eta
    when = f" in {span(eta - seen.now)}" if eta is not None and eta > seen.now else ""
    number = next_try(task)
    which = f" (try {number})" if number is not None else ""
    return f"failed{_on(task)} with {_error(task)}, and is tried again{when}{which}"


def _lost(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    return f"lost: {short(task.worker)} is gone, and its message is nowhere; nobody will run it again"


def _unknown(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    if "ended-unseen" in task.marks:
        return "it ended, and nobody told how: neither an event nor a result"
    return "it was heard of, and no source tells where it is now"


def _ended(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    after = f" after {task.runtime:.2f} s" if task.runtime is not None else ""
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
    who = short(task.worker) if task.worker else "its worker"
    if flight is None or not seen.redelivers:
        if not seen.redelivers:
            return f"{who} is gone, and held it. {seen.gives_back}"
        return f"{who} is gone, and held it; where its message is, is not known"
    delivered = flight.delivered or seen.now
    verdict.until = delivered + seen.visibility()
    verdict.evidence.append(fact("its message is unacknowledged, held by nobody", "broker", delivered))
    left = verdict.until - seen.now
    when = f"in about {span(left)}" if left > 0 else "at the next sweep of a worker"
    runs = "" if seen.alive else ", once a worker runs"
    return f"orphaned: {who} is gone, and its message comes back to {flight.queue} {when}{runs}"


def _flight(task: Task, seen: Snapshot) -> Flight | None:
    messages = seen.flights.messages if seen.flights else []
    return next((flight for flight in messages if flight.id == task.id), None)


def _holder(task: Task, seen: Snapshot) -> WorkerFacts | None:
    return next((facts for facts in seen.workers if facts.name == task.worker), None)


def _on(task: Task) -> str:
    return f" on {short(task.worker)}" if task.worker else ""


def _error(task: Task) -> str:
    return (task.error or "no reason told")[:300].rstrip(".")


_TASK = {
    "waiting": _waiting,
    "received": _received,
    "scheduled": _scheduled,
    "started": _started,
    "retry": _retry,
    "lost": _lost,
    "unknown": _unknown,
}
