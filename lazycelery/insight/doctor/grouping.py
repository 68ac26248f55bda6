"""One cause, one finding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from lazycelery.insight.advice import act_on_tasks, condition
from lazycelery.insight.doctor.mode import count, fact, listed, short, short_id
from lazycelery.model.finding import RANK, Covered, Finding

HIDES: dict[str, frozenset[str]] = {
    "no-workers": frozenset(
        {
            *("queue-without-consumer", "task-unregistered", "backlog-growing"),
            *("waiting-long", "throughput-drop", "task-silent"),
        }
    ),
}
"""What follows from a finding is not said beside it."""
OF_ITS_QUEUES: dict[str, frozenset[str]] = {
    "throughput-drop": frozenset({"task-silent"}),
    "worker-lost": frozenset({"throughput-drop", "task-silent", "queue-without-consumer"}),
    "worker-deaf": frozenset({"backlog-growing", "waiting-long", "throughput-drop"}),
    "rate-limited-backlog": frozenset({"backlog-growing", "waiting-long", "throughput-drop"}),
}
"""The same, where both have a queue in common: what runs elsewhere has another cause."""
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
    "task-unregistered": frozenset({"failure-spike"}),
    "failure-spike": frozenset({"retry-storm"}),
}
"""The same, where both have the same subject."""
TOLD = 5
"""Findings that follow from a death and are told one by one with it."""
SINGLE = 3
"""Findings of one code that are told one by one; more of them become one."""


class Told(NamedTuple):
    """What is said, and what something else speaks for."""

    said: list[Finding]
    covered: list[Covered]


def grouped(found: Iterable[Finding]) -> list[Finding]:
    """Without what follows from something else, and with many of a kind as one."""
    return told(found).said


def told(found: Iterable[Finding]) -> Told:
    """The same, with what is left out: not what a broker that is away hides, which is old."""
    all_of = list(found)
    for code in ALONE:
        alone = [finding for finding in all_of if finding.code == code]
        if alone:
            return Told(alone, [])
    causes: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in all_of:
        for key in _hidden_by(finding):
            causes[key].append(finding)
    left, covered = [], []
    for finding in all_of:
        by = [cause for key in _keys(finding) for cause in causes.get(key, ())]
        if by:
            covered.append(Covered(finding=finding, by=_named(by)))
        else:
            left.append(finding)
    left = _nobody_left(_with_what_follows(left, covered), covered)
    return Told(_few(left), _few_covered(covered))


def _hidden_by(cause: Finding) -> Iterator[tuple[str, str]]:
    """What a finding hides, by code, and by code and queue or subject."""
    for code in HIDES.get(cause.code, ()):
        yield code, ""
    for code in OF_ITS_QUEUES.get(cause.code, ()):
        yield from ((code, f"queue {name}") for name in _queues(cause))
    for code in OF_ONE_SUBJECT.get(cause.code, ()) if cause.subject else ():
        yield code, f"subject {cause.subject}"


def _keys(finding: Finding) -> Iterator[tuple[str, str]]:
    """By what it may be hidden."""
    yield finding.code, ""
    yield from ((finding.code, f"queue {name}") for name in _queues(finding))
    yield finding.code, f"subject {finding.subject}"


def _queues(finding: Finding) -> set[str]:
    return {*finding.queues, *([finding.subject] if finding.kind == "queue" else ())}


def _named(causes: Sequence[Finding]) -> list[tuple[str, str]]:
    """More of one code than are told one by one are one finding: any of them stands for all."""
    return list(dict.fromkeys((cause.code, cause.subject) for cause in causes))[: SINGLE + 1]


def _few(findings: Iterable[Finding]) -> list[Finding]:
    by_code: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_code[finding.code].append(finding)
    return [one for each in by_code.values() for one in (each if len(each) <= SINGLE else [_one_of(each)])]


def _few_covered(covered: list[Covered]) -> list[Covered]:
    """Many of a kind as one, likewise."""
    by = {(one.finding.code, one.finding.subject): one.by for one in covered}
    return [
        Covered(finding=finding, by=by[finding.code, finding.subject])
        for finding in _few(one.finding for one in covered)
    ]


def _with_what_follows(found: list[Finding], covered: list[Covered]) -> list[Finding]:
    """A lost worker's messages and tasks are told with it: it is one death."""
    lost = {finding.subject for finding in found if finding.code == "worker-lost"}
    follow: dict[str, list[Finding]] = defaultdict(list)
    left = []
    for finding in found:
        if finding.follows and lost.issuperset(finding.follows):
            follow[finding.follows[0]].append(finding)
            covered.append(Covered(finding=finding, by=_deaths(finding)))
        else:
            left.append(finding)
    return [
        _told_with(finding, follow[finding.subject])
        if finding.code == "worker-lost" and finding.subject in follow
        else finding
        for finding in left
    ]


def _deaths(finding: Finding) -> list[tuple[str, str]]:
    return [("worker-lost", name) for name in finding.follows[: SINGLE + 1]]


def _nobody_left(found: list[Finding], covered: list[Covered]) -> list[Finding]:
    """Where nobody works because all went, that is one finding, and tells who."""
    deaths = [finding for finding in found if finding.code == "worker-lost"]
    nobody = next((finding for finding in found if finding.code == "no-workers"), None)
    if nobody is None or not deaths:
        return found
    over = (nobody.code, nobody.subject)
    for one in covered:
        if any(code == "worker-lost" for code, _ in one.by) and over not in one.by:
            one.by.append(over)
    covered += [Covered(finding=one, by=[over]) for one in deaths]
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
    held = "it held" if all(len(one.follows) == 1 for one in orphaned) else "it and other lost ones held"
    what = [f"{count(messages, 'message')} {held}"] if messages else []
    what += [f"{count(_all_of(ended), 'task')} it ran"] if ended else []
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
    return f"send it again ({act_on_tasks('retry', 'state:lost', condition('worker', death.subject))})."


def _all_of(findings: Iterable[Finding]) -> int:
    return sum(1 + finding.beyond for finding in findings)


def _one_of(findings: list[Finding]) -> Finding:
    # By name, and not by age: what leads a group is not to change with each look.
    worst = min(findings, key=lambda finding: (RANK[finding.severity], finding.subject))
    others = [finding for finding in findings if finding is not worst]
    total = _all_of(findings)
    since = min((finding.since for finding in findings if finding.since is not None), default=None)
    named = short_id if worst.kind == "task" else short
    names = [named(finding.subject) for finding in findings]
    return Finding(
        code=worst.code,
        severity=worst.severity,
        title=f"{worst.title.rstrip('.')}; and {total - 1:,} more like it.",
        subject=worst.subject,
        kind=worst.kind,
        cause=worst.cause,
        page=worst.page,
        since=since,
        at_least=any(finding.at_least for finding in findings if finding.since == since),
        evidence=[
            fact(f"{total:,} of them: {listed(names, 8, total)}", "inferred", total),
            *worst.evidence,
        ],
        fix=worst.fix,
        actions=worst.actions,
        related=[name for finding in others for name in (finding.subject, *finding.related)][:1000],
        beyond=total - len(findings),
    )
