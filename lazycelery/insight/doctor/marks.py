"""What people said of findings, and how far it goes: acknowledged, or put off until a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lazycelery.model.finding import RANK, Finding, FindingMark

PASSING = frozenset({"prefetch-hoarding", "eta-beyond-visibility"})
"""Findings whose other subjects come and go with the work: they do not make it another finding."""


def subjects(finding: Finding) -> set[str]:
    """All that a finding is about."""
    others = () if finding.code in PASSING else finding.related
    return {finding.subject, *others}


def mark_of(finding: Finding, marks: Iterable[FindingMark], now: float) -> FindingMark | None:
    """The mark that covers a finding: not over, and the finding neither more severe nor about more."""
    about = subjects(finding)
    for mark in marks:
        if (
            mark.code == finding.code
            and not over(mark, now)
            and RANK[finding.severity] >= RANK[mark.severity]
            and about <= set(mark.subjects)
        ):
            return mark
    return None


def over(mark: FindingMark, now: float) -> bool:
    """Whether its time has passed."""
    return mark.until is not None and now >= mark.until


def marked(
    findings: Sequence[Finding], marks: Sequence[FindingMark], now: float
) -> tuple[list[Finding], list[Finding]]:
    """Findings to be shown, and those that are put off; each with the mark that covers it."""
    shown: list[Finding] = []
    snoozed: list[Finding] = []
    for finding in findings:
        finding.mark = mark_of(finding, marks, now)
        put_off = finding.mark is not None and finding.mark.kind == "snooze"
        (snoozed if put_off else shown).append(finding)
    return shown, snoozed


def outgrown(findings: Iterable[Finding], marks: Sequence[FindingMark], now: float) -> list[FindingMark]:
    """Marks that no longer hold: their time is over, or what they were set on became worse."""
    ended = [mark for mark in marks if over(mark, now)]
    for finding in findings:
        if finding.mark is None:
            about = subjects(finding)
            ended += [
                mark
                for mark in marks
                if mark not in ended and mark.code == finding.code and not about.isdisjoint(mark.subjects)
            ]
    return ended
