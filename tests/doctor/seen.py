"""Snapshots by hand: a healthy cluster, to be made ill by a test."""

from __future__ import annotations

from typing import Any

from lazycelery.insight.doctor import MODES
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.cluster import SourceHealth
from lazycelery.model.facts import Whole, WorkerFacts
from lazycelery.model.finding import Finding
from lazycelery.model.queue import Queue
from lazycelery.model.reports import TaskReport
from lazycelery.model.worker import Worker

NOW = 1_800_000_000.0


def worker(name: str = "w1@a", *, state: str = "online", **own: Any) -> WorkerFacts:
    """A worker with two slots on `default`; fields of `Worker` and of `WorkerFacts`."""
    facts = {
        key: own.pop(key) for key in list(own) if key in WorkerFacts.__struct_fields__ and key != "queues"
    }
    queues = own.pop("queues", ["default"])
    base: dict[str, Any] = {
        "pool": "prefork",
        "concurrency": 2,
        "active": len(facts.get("active") or ()),
        "heartbeat_age": 1.0,
        "freq": 2.0,
        "events": True,
        "processed": 10,
        "clock_skew": 0.0,
        "software": "py-celery 5.7.0",
        "last_seen": NOW - 1,
        "pid": 811,
    }
    lists = {"active": [], "reserved": [], "scheduled": []}
    at = dict.fromkeys(lists, NOW - 1)
    fields = {"conf": {"result_backend": "redis://b/0"}, "registered": ["shop.add"], "at": at, **lists}
    fields["whole"] = Whole(at=NOW - 1, ids=frozenset())
    return WorkerFacts(
        worker=Worker(name=name, state=state, queues=queues or [], **{**base, **own}),  # type: ignore[arg-type]
        queues=queues,
        answered=NOW - 1,
        **{**fields, **facts},
    )


def running(
    id: str, name: str = "shop.nap", *, age: float = 1.0, worker: str = "w1@a", **own: Any
) -> TaskReport:
    return TaskReport(id=id, phase="active", worker=worker, name=name, time_start=NOW - age, **own)


def held(id: str, name: str = "shop.nap", *, worker: str = "w1@a", **own: Any) -> TaskReport:
    return TaskReport(id=id, phase="reserved", worker=worker, name=name, **own)


def queue(name: str = "default", messages: int | None = 0, **own: Any) -> Queue:
    base: dict[str, Any] = {"consumers": 1, "workers": ["w1@a"], "age": 0.5}
    return Queue(name=name, messages=messages, **{**base, **own})


def links(**states: str) -> list[SourceHealth]:
    names = ("broker", "events", "control", "results")
    return [SourceHealth(name=name, state=states.get(name, "connected"), last=NOW) for name in names]  # type: ignore[arg-type]


def seen(**own: Any) -> Snapshot:
    """A healthy moment; anything may be replaced."""
    base: dict[str, Any] = {
        "now": NOW,
        "watched": 60.0,
        "sources": links(),
        "workers": [worker()],
        "queues": [queue()],
        "lag": 0.01,
        "loss": 0.0,
    }
    return Snapshot(**{**base, **own})


def found(code: str, snapshot: Snapshot) -> list[Finding]:
    """What one check finds; every finding is complete."""
    findings = list(MODES[code].check(snapshot))
    for finding in findings:
        assert finding.code == code and finding.title.endswith((".", "?"))
        assert finding.evidence and all(fact.text and fact.source for fact in finding.evidence)
        assert finding.fix
        assert finding.subject or finding.kind == "cluster" or not finding.subject
    return findings


def silent(code: str, snapshot: Snapshot) -> bool:
    """Whether a check finds nothing."""
    return not list(MODES[code].check(snapshot))


def texts(finding: Finding) -> str:
    """All evidence as one text."""
    return "\n".join(fact.text for fact in finding.evidence)
