"""How much waits in a queue, for whom, and for how long."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.insight.doctor import message_orphaned
from lazycelery.insight.doctor.mode import count
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict.common import as_of, dated
from lazycelery.insight.verdict.line import who, why_they_wait
from lazycelery.model.finding import Finding
from lazycelery.model.queue import Queue
from lazycelery.model.verdict import Verdict

TOLD = ("backlog-growing", "queue-without-consumer")
"""Findings about a queue that say no more than the sentence before them."""
GROWING = 0.05
"""Messages a second above which a queue is said to grow."""
RECENT = 4
"""Looks at a queue that tell whether it still does."""


def of_queue(queue: Queue, seen: Snapshot, findings: Sequence[Finding] = ()) -> Verdict:
    """How much waits, for whom, and for how long."""
    own = [one for one in findings if queue.name == one.subject]
    verdict = Verdict(kind="queue", subject=queue.name, text="", at=seen.now)
    then = as_of(seen)
    verdict.findings = [one.code for one in own]
    verdict.evidence = [each for one in own for each in one.evidence]
    waits = f"{count(queue.messages or 0, 'message')} {'waits' if queue.messages == 1 else 'wait'}"
    if queue.held is not None:
        verdict.text = f"{queue.name} is {queue.why}. {waits}."
    elif queue.messages is None or queue.error:
        why = queue.error or "it was not seen yet"
        verdict.text = f"How much waits in {queue.name} is not known: {why.rstrip('.')}."
    elif not queue.messages:
        verdict.text = f"{queue.name} is empty{_with_workers(queue)}; {who(then, queue)}."
    elif queue.why:
        verdict.text = queue.why
    else:
        why = why_they_wait(then, queue, verdict, "the last one's", findings)
        verdict.text = f"{waits} in {queue.name}{_growing(queue)}{_by_priority(queue)}; {why}."
    if not queue.why:
        more = [one.title for one in own if one.code not in TOLD]
        # Also where the finding is told with the loss of the worker that held them.
        left = message_orphaned.check(then) if not more and seen.cut is None else []
        more += [one.title for one in left if one.subject == queue.name]
        verdict.text = " ".join([verdict.text, *more[:1]])
    dated(verdict, seen)
    return verdict


def _growing(queue: Queue) -> str:
    if queue.in_rate is None or queue.out_rate is None or queue.in_rate - queue.out_rate <= GROWING:
        return ""
    recent = queue.history[-RECENT:]
    if recent and recent[-1] < recent[0]:  # Rates are of half a minute: a wave that falls again rose in it.
        return ""
    return f", {queue.in_rate - queue.out_rate:.1f} more each second"


def _with_workers(queue: Queue) -> str:
    """What was delivered and is not acknowledged, where the broker tells."""
    return f"; {count(queue.unacked, 'message', does='are')} with its workers" if queue.unacked else ""


def _by_priority(queue: Queue) -> str:
    """How many run first, where there are several priorities."""
    steps = [int(step) for step, number in queue.priorities.items() if number and step.isdecimal()]
    if len(steps) < 2:
        return ""
    first = max(steps) if queue.first_priority is not None else min(steps)
    return f" ({queue.priorities[str(first)]:,} of priority {first}, which runs first)"
