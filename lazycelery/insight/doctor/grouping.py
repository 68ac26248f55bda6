"""One cause, one finding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from lazycelery.insight.advice import act_on_tasks
from lazycelery.insight.doctor.mode import count, fact, listed, short
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
TOLD = 5
"""Findings that follow from a death and are told one by one with it."""
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
    for finding in _nobody_left(_with_what_follows(left)):
        by_code[finding.code].append(finding)
    return [
        one
        for findings in by_code.values()
        for one in (findings if len(findings) <= SINGLE else [_one_of(findings)])
    ]


def _with_what_follows(found: list[Finding]) -> list[Finding]:
    """A lost worker's messages and tasks are told with it: it is one death."""
    lost = {finding.subject for finding in found if finding.code == "worker-lost"}
    follow: dict[str, list[Finding]] = defaultdict(list)
    left = []
    for finding in found:
        if finding.follows and lost.issuperset(finding.follows):
            follow[finding.follows[0]].append(finding)
        else:
            left.append(finding)
    return [
        _told_with(finding, follow[finding.subject])
        if finding.code == "worker-lost" and finding.subject in follow
        else finding
        for finding in left
    ]


def _nobody_left(found: list[Finding]) -> list[Finding]:
    """Where nobody works because all went, that is one finding, and tells who."""
    deaths = [finding for finding in found if finding.code == "worker-lost"]
    nobody = next((finding for finding in found if finding.code == "no-workers"), None)
    if nobody is None or not deaths:
        return found
    who = deaths[0].title if len(deaths) == 1 else f"{len(deaths):,} went without goodbye."
    told = msgspec.structs.replace(
        nobody,
        title=f"{nobody.title.rstrip('.')}: {who}",
        evidence=[
            *(fact(one.title, one.evidence[0].source) for one in deaths[1:TOLD]),
            *deaths[0].evidence,
            *nobody.evidence,
        ],
        fix=deaths[0].fix,
        actions=list(dict.fromkeys(name for one in (nobody, *deaths) for name in one.actions)),
    )
    return [told if one is nobody else one for one in found if one.code != "worker-lost"]


def _told_with(death: Finding, follow: list[Finding]) -> Finding:
    orphaned = [one for one in follow if one.code == "message-orphaned"]
    ended = [one for one in follow if one.code == "task-lost"]
    messages = sum(int(one.evidence[0].value or 0) for one in orphaned)
    what = [f"{count(messages, 'message')} it held"] if messages else []
    what += [f"{count(len(ended), 'task')} it ran"] if ended else []
    what += [] if messages or ended else [count(len(follow), "more finding")]
    return msgspec.structs.replace(
        death,
        title=f"{death.title.rstrip('.')}, and with it {' and '.join(what)}.",
        severity=min((one.severity for one in (death, *follow)), key=RANK.__getitem__),
        evidence=[*death.evidence, *(fact(one.title, one.evidence[0].source) for one in follow[:TOLD])],
        fix=" ".join(
            [
                death.fix,
                *(f"What it held: {one.fix}" for one in orphaned[:1]),
                *(f"What it ran: {_sent_again(death, ended)}" for _ in ended[:1]),
            ]
        ),
        actions=list(dict.fromkeys(name for one in (death, *follow) for name in one.actions)),
    )


def _sent_again(death: Finding, ended: list[Finding]) -> str:
    if len(ended) == 1:
        return ended[0].fix
    return f"send it again ({act_on_tasks('retry', f'state:lost worker:{death.subject}')})."


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
