"""Findings as rows, and a finding as a page: what is wrong, how it is known, what helps."""

from __future__ import annotations

from dataclasses import dataclass

from lazycelery.model.cluster import Notice, Overview
from lazycelery.model.finding import Finding as Found
from lazycelery.model.queue import Queue
from lazycelery.model.text import clean
from lazycelery.model.worker import Worker
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation import queues, workers
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Column, Line, Span
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.page import Page

COLUMNS = (
    Column("", 1),
    Column("FINDING", 12, grow=4),
    Column("SUBJECT", 12, grow=1, rank=4),
    Column("SINCE", 6, rank=3, right=True),
)
TOKENS = {"critical": "fail", "warning": "warn", "info": "dim"}


@dataclass(frozen=True)
class Finding:
    """A notice as an item of a list, with the finding behind it where there is one."""

    notice: Notice
    found: Found | None = None

    @property
    def name(self) -> str:
        """Its identity: what, about whom."""
        return f"{self.notice.code}:{self.notice.subject}"


def items(overview: Overview) -> list[Finding]:
    """All findings and remarks, most severe first."""
    found = {(one.code, one.subject): one for one in overview.findings}
    return [Finding(notice, found.get((notice.code, notice.subject))) for notice in overview.notices]


def sign(notice: Notice, look: Look) -> Span:
    """The sign of a severity."""
    signs = {"critical": look.signs.failed, "warning": look.signs.warning, "info": look.signs.dot}
    return signs[notice.severity], TOKENS[notice.severity]


def cells(finding: Finding, look: Look) -> list[Span]:
    """A finding in the order of `COLUMNS`."""
    notice = finding.notice
    since = None if notice.since is None else look.now - notice.since
    return [
        sign(notice, look),
        (
            clean(notice.title.removeprefix("celery@"), 300),
            TOKENS[notice.severity] if notice.severity == "critical" else "",
        ),
        (clean(notice.subject, 120), "dim"),
        (q.rough_age(since), "dim"),
    ]


def matches(finding: Finding, text: str) -> bool:
    """Whether a substring is found in what it says."""
    notice = finding.notice
    return text.lower() in f"{notice.code} {notice.title} {notice.subject} {notice.hint}".lower()


def page(finding: Finding, subject: Worker | Queue | None, look: Look, width: int) -> Page:
    """All about one finding."""
    notice = finding.notice
    mark, token = sign(notice, look)
    since = "" if notice.since is None else f", since {q.moment(notice.since, look.now, look.utc)}"
    body: list[Line] = [
        *wrapped(f"{mark} {notice.title}", width, token),
        ((f"{notice.severity}{since}", "dim"),),
    ]
    if notice.hint:
        body += [(), (("What helps", "head"),), *wrapped(notice.hint, width)]
    if finding.found is not None:
        body += [(), (("How it is known", "head"),)]
        for fact in finding.found.evidence:
            source = f" ({fact.source})" if fact.source else ""
            body += wrapped(f"{look.signs.dot} {fact.text}{source}", width)
    if subject is not None:
        head = "How it is known" if finding.found is None else "How it is now"
        body += [(), ((head, "head"),), *_evidence(subject, look, width), ()]
        kind = "worker" if isinstance(subject, Worker) else "queue"
        body.append(((f"{look.key('open')} goes to the {kind} {clean(subject.name, 80)}.", "dim"),))
    if finding.found is not None and finding.found.page:
        body += [(), ((f"More about it: {finding.found.page}", "dim"),)]
    return Page(((clean(notice.code, 60), "title"), (f" {clean(notice.subject, 80)}", "dim")), (), 0, body)


def _evidence(subject: Worker | Queue, look: Look, width: int) -> list[Line]:
    if isinstance(subject, Worker):
        text, token = workers.verdict(subject, look)
        seen = (
            ""
            if subject.last_seen is None
            else f"last sign of life {q.moment(subject.last_seen, look.now, look.utc)}"
        )
        facts = [seen, f"{q.count(subject.active)} active", f"{q.count(subject.reserved)} reserved"]
    else:
        text, token = queues.verdict(subject, look)
        facts = [q.counted(subject.messages, "message"), q.counted(subject.consumers, "consumer")]
        facts.append(f"in {q.rate(subject.in_rate)}, out {q.rate(subject.out_rate)}")
    return [
        *wrapped(text, width, token),
        *wrapped(f" {look.signs.dot} ".join(fact for fact in facts if fact), width, "dim"),
    ]
