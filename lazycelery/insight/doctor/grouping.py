"""One cause, one finding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from lazycelery.insight.doctor.mode import fact, listed, short
from lazycelery.model.finding import RANK, Finding

HIDES: dict[str, frozenset[str]] = {
    "no-workers": frozenset(
        {
            *("queue-without-consumer", "task-unregistered", "backlog-growing"),
            *("waiting-long", "throughput-drop", "task-silent"),
        }
    ),
    "throughput-drop": frozenset({"task-silent"}),
    "worker-lost": frozenset({"throughput-drop", "task-silent"}),
}
"""What follows from a finding is not said beside it."""
ALONE = ("broker-unreachable", "auth-failed")
"""Beside them nothing is worth saying: all the rest is old."""
OF_ONE_SUBJECT: dict[str, frozenset[str]] = {
    "worker-lost": frozenset(
        {"worker-busy-control", "worker-deaf", "worker-saturated", "events-off", "clock-skew"}
    ),
    "queue-without-consumer": frozenset({"backlog-growing", "waiting-long", "throughput-drop"}),
    "backlog-growing": frozenset({"waiting-long", "throughput-drop"}),
    "waiting-long": frozenset({"throughput-drop"}),
    "poison-message": frozenset({"duplicate-delivery", "task-stalled"}),
    "worker-deaf": frozenset({"backlog-growing"}),
    "task-unregistered": frozenset({"failure-spike"}),
}
"""The same, where both have the same subject."""
SINGLE = 3
"""Findings of one code that are told one by one; more of them become one."""


def grouped(found: Iterable[Finding]) -> list[Finding]:
    """Without what follows from something else, and with many of a kind as one."""
    all_of = list(found)
    for code in ALONE:
        alone = [finding for finding in all_of if finding.code == code]
        if alone:
            return alone
    codes = {finding.code for finding in all_of}
    hidden = {code for cause in codes for code in HIDES.get(cause, ())}
    caused = {
        (code, finding.subject)
        for finding in all_of
        for code in OF_ONE_SUBJECT.get(finding.code, ())
        if finding.subject
    }
    left = [
        finding
        for finding in all_of
        if finding.code not in hidden and (finding.code, finding.subject) not in caused
    ]
    by_code: dict[str, list[Finding]] = defaultdict(list)
    for finding in left:
        by_code[finding.code].append(finding)
    return [
        one
        for findings in by_code.values()
        for one in (findings if len(findings) <= SINGLE else [_one_of(findings)])
    ]


def _one_of(findings: list[Finding]) -> Finding:
    # By name, and not by age: what leads a group is not to change with each look.
    worst = min(findings, key=lambda finding: (RANK[finding.severity], finding.subject))
    others = [finding for finding in findings if finding is not worst]
    since = [finding.since for finding in findings if finding.since is not None]
    names = [short(finding.subject) for finding in findings]
    return Finding(
        code=worst.code,
        severity=worst.severity,
        title=f"{worst.title.rstrip('.')}; and {len(others):,} more like it.",
        subject=worst.subject,
        kind=worst.kind,
        cause=worst.cause,
        since=min(since, default=None),
        evidence=[
            fact(f"{len(findings):,} of them: {listed(names, 8)}", "inferred", len(findings)),
            *worst.evidence,
        ],
        fix=worst.fix,
        actions=worst.actions,
        related=[name for finding in others for name in (finding.subject, *finding.related)][:1000],
    )
