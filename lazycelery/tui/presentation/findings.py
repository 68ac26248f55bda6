"""Findings as rows, and a finding as a page: what is wrong, how it is known, what helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lazycelery.errors import NothingFound
from lazycelery.keys import Scope
from lazycelery.model.cluster import Notice, Overview
from lazycelery.model.finding import Finding as Found
from lazycelery.model.finding import FindingMark
from lazycelery.model.queue import Queue
from lazycelery.model.text import clean
from lazycelery.model.verdict import Verdict
from lazycelery.model.worker import Worker
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation import queues, workers
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Column, Line, Span
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.page import Page

COLUMNS = (
    Column("", 1),
    Column("FINDING", 12, grow=4, cut="sentence"),
    Column("SUBJECT", 12, grow=1, rank=4, cut="name"),
    Column("SINCE", 6, rank=3, right=True),
)
TABS = ("Finding", "What it means")
FOLD = "snoozed"
"""The code of the line that stands for all that is snoozed."""
LISTS: dict[str, Scope] = {"no-workers": "workers"}
"""Findings about all that a list has, and about none of it alone."""
LONGEST = 20
"""Lines of one sentence on a page, which scrolls: what helps stands at the end."""
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

    @property
    def mark(self) -> FindingMark | None:
        """What somebody said of it."""
        return self.found.mark if self.found is not None else None


def items(overview: Overview, unfolded: bool = False) -> list[Finding]:
    """All findings and remarks, most severe first; what is snoozed last, in one line or `unfolded`."""
    found = {(one.code, one.subject): one for one in overview.findings}
    shown = [Finding(notice, found.get((notice.code, notice.subject))) for notice in overview.notices]
    if not overview.snoozed:
        return shown
    codes = ", ".join(dict.fromkeys(one.code for one in overview.snoozed))
    title = f"{len(overview.snoozed)} snoozed: {codes}"
    shown.append(Finding(Notice(code=FOLD, severity="info", title=title)))
    return shown + [Finding(_notice(one), one) for one in overview.snoozed if unfolded]


def _notice(found: Found) -> Notice:
    return Notice(
        code=found.code,
        severity=found.severity,
        title=found.title,
        subject=found.subject,
        hint=found.fix,
        since=found.since,
        kind=found.kind,
    )


def counted(shown: Sequence[Finding]) -> str:
    """How many there are, for the title: `3`, `3 + 2 snoozed`."""
    fold = next((one for one in shown if one.notice.code == FOLD), None)
    number = sum(not _aside(one) for one in shown)
    return str(number) if fold is None else f"{number} + {fold.notice.title.partition(':')[0]}"


def rank(finding: Finding) -> int:
    """Most severe first; then the line of what is snoozed, and that at the end."""
    last = len(TOKENS) + (finding.notice.code != FOLD)
    return last if _aside(finding) else tuple(TOKENS).index(finding.notice.severity)


def _aside(finding: Finding) -> bool:
    """Whether it is no finding that counts."""
    return finding.notice.code == FOLD or (finding.mark is not None and finding.mark.kind == "snooze")


def sign(notice: Notice, look: Look) -> Span:
    """The sign of a severity."""
    signs = {"critical": look.signs.failed, "warning": look.signs.warning, "info": look.signs.dot}
    return signs[notice.severity], TOKENS[notice.severity]


def cells(finding: Finding, look: Look) -> list[Span]:
    """A finding in the order of `COLUMNS`."""
    notice = finding.notice
    since = None if notice.since is None else look.now - notice.since
    known = finding.mark is not None
    loud = TOKENS[notice.severity] if notice.severity == "critical" else ""
    lead = "known: " if finding.mark is not None and finding.mark.kind == "ack" else ""
    return [
        sign(notice, look),
        (
            clean(lead + notice.title.removeprefix("celery@"), 300),
            "dim" if known or notice.code == FOLD else loud,
        ),
        (clean(notice.subject, 120), "dim"),
        (q.rough_age(since), "dim"),
    ]


def matches(finding: Finding, text: str) -> bool:
    """Whether a substring is found in what it says."""
    notice = finding.notice
    return text.lower() in f"{notice.code} {notice.title} {notice.subject} {notice.hint}".lower()


def page(
    finding: Finding,
    subject: Worker | Queue | None,
    verdict: Verdict | None,
    tab: int,
    look: Look,
    width: int,
) -> Page:
    """All about one finding; the verdict is on its subject."""
    notice = finding.notice
    title = ((clean(notice.code, 60), "title"), (f" {clean(notice.subject, 300)}", "dim"))
    if finding.found is None:  # A remark has no page of its own.
        return Page(title, (), 0, _finding(finding, subject, verdict, look, width))
    body = _meaning(notice.code, width) if tab else _finding(finding, subject, verdict, look, width)
    return Page(title, TABS, tab, body)


def _meaning(code: str, width: int) -> list[Line]:
    # No first frame needs these.
    from lazycelery import manual
    from lazycelery.tui.presentation.manual import manual_lines

    try:
        return manual_lines(manual.explain(code), width)
    except NothingFound as problem:
        return wrapped(str(problem), width, "dim")


def _finding(
    finding: Finding, subject: Worker | Queue | None, verdict: Verdict | None, look: Look, width: int
) -> list[Line]:
    notice = finding.notice
    mark, token = sign(notice, look)
    since = "" if notice.since is None else f", since {q.moment(notice.since, look.now, look.utc)}"
    body: list[Line] = [
        *wrapped(f"{mark} {notice.title}", width, token, limit=LONGEST),
        ((f"{notice.severity}{since}", "dim"),),
    ]
    if notice.code == FOLD:
        body += [(), *wrapped(f"{look.key('open')} shows them, and folds them away again.", width)]
    if finding.mark is not None:
        body += _mark(finding.mark, look, width)
    if notice.hint:
        body += [(), (("What helps", "head"),), *wrapped(notice.hint, width, limit=LONGEST)]
    if finding.found is not None:
        body += [(), (("How it is known", "head"),)]
        for fact in finding.found.evidence:
            source = f" ({fact.source})" if fact.source else ""
            body += wrapped(f"{look.signs.dot} {fact.text}{source}", width, limit=LONGEST)
    if subject is not None:
        head = "How it is known" if finding.found is None else "How it is now"
        body += [(), ((head, "head"),), *_evidence(subject, verdict, look, width), ()]
        kind = "worker" if isinstance(subject, Worker) else "queue"
        body.append(((f"{look.key('open')} goes to the {kind} {clean(subject.name, 80)}.", "dim"),))
    elif finding.found is not None and (finding.found.filter or finding.notice.kind == "task"):
        which = "its tasks" if finding.found.filter else "the task"
        body += [(), ((f"{look.key('open')} shows {which}.", "dim"),)]
    elif (scope := LISTS.get(notice.code)) is not None:
        body += [(), ((f"{look.key('open')} goes to the {scope}.", "dim"),)]
    if finding.found is not None:
        body += [(), ((f"{look.key('tab.next')} tells what it means, and how to mend it.", "dim"),)]
    return body


def _mark(mark: FindingMark, look: Look, width: int) -> list[Line]:
    until = "it is gone" if mark.until is None else q.moment(mark.until, look.now, look.utc)
    said = "Acknowledged" if mark.kind == "ack" else "Snoozed"
    text = f"{said} by {mark.by}, {q.moment(mark.at, look.now, look.utc)}; until {until}, or worse."
    note = wrapped(f"Note: {mark.note}", width) if mark.note else []
    return [(), *wrapped(text, width), *note]


def _evidence(subject: Worker | Queue, verdict: Verdict | None, look: Look, width: int) -> list[Line]:
    if isinstance(subject, Worker):
        first = workers.first_lines(subject, verdict, look, width)
        seen = (
            ""
            if subject.last_seen is None
            else f"last sign of life {q.moment(subject.last_seen, look.now, look.utc)}"
        )
        facts = [seen, f"{q.count(subject.active)} active", f"{q.count(subject.reserved)} reserved"]
    else:
        first = queues.first_lines(subject, verdict, look, width)
        facts = [q.counted(subject.messages, "message"), q.counted(subject.consumers, "consumer")]
        facts.append(f"in {q.rate(subject.in_rate)}, out {q.rate(subject.out_rate)}")
    return [
        *first,
        *wrapped(f" {look.signs.dot} ".join(fact for fact in facts if fact), width, "dim"),
    ]
