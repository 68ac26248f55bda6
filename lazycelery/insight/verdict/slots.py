"""What workers run, and for how long none of their slots became free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lazycelery.insight.doctor.mode import listed, span
from lazycelery.insight.doctor.slots import full_since
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import WorkerFacts


def runs(workers: Sequence[WorkerFacts], seen: Snapshot) -> str:
    """What they run: as they told, else as events did."""
    names = Counter(task.name or "a task" for facts in workers for task in facts.active or ())
    if not names:
        own = {facts.name for facts in workers}
        names = Counter(one.name or "a task" for one in seen.tasks.running if one.worker in own)
    if not names:
        return "run what is not known"
    return "run " + listed([f"{number} × {name}" for name, number in names.most_common()], 2)


def is_full(facts: WorkerFacts) -> bool:
    """Whether none of its slots is free."""
    slots, active = facts.worker.concurrency, facts.worker.active
    # The number is of its newer source: a heartbeat may tell that what its list names has ended.
    return bool(slots) and (len(facts.active or ()) if active is None else active) >= (slots or 0)


def none_free(full: Sequence[WorkerFacts], seen: Snapshot) -> str:
    """For how long none of their slots became free, where all of them told since when theirs run."""
    since = [at for facts in full if (at := full_since(facts, seen.now)) is not None]
    return f", none free for {span(seen.now - max(since))}" if len(since) == len(full) else ""
