"""Findings over time: which is new, worse, back, gone. Pure; `open` can be written down and read again."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence

from lazycelery.insight.doctor import MODES, NEED_NO_BROKER
from lazycelery.insight.doctor.marks import subjects
from lazycelery.model.alert import Case, Turn
from lazycelery.model.finding import RANK, Covered, Examination, Finding

GONE = 10.0
"""Seconds without a finding after which it has gone, beside what it takes to be said at all."""
RESTORED = 130.0
"""The same after a restart: counts over the last two minutes begin anew then."""
RARELY = 600.0
"""The same between looks of a few seconds, for what only a longer look can find."""
MOST = 2000
"""Subjects of a case that are remembered; beyond them, those of now."""
NEED_TIME = frozenset(
    {
        "failure-spike",
        "retry-storm",
        "backlog-growing",
        "priority-starvation",
        "consumer-without-traffic",
        "beat-missing",
        "poison-message",
        "duplicate-delivery",
        "chord-stuck",
        "worker-saturated",
        "worker-deaf",
        "task-lost",
        "message-orphaned",
        "rate-limited-backlog",
        "sent-events-off",
        "monitor-behind",
    }
)
"""Failure modes that no look of some seconds finds."""


class Cases:
    """`open` are the findings that are there; each examination moves them on."""

    def __init__(self, known: Iterable[Case] = (), glances: bool = False) -> None:
        self.open = list(known)
        self._glances = glances
        """Each look is a short one of its own (`--once`)."""
        for case in self.open:
            case.restored = not glances

    def step(
        self,
        examination: Examination,
        present: Collection[tuple[str, str]],
        at: float,
        covered: Iterable[Covered] = (),
    ) -> list[Turn]:
        """What an examination changes; `present` is all that is found, also what a cause or a mark hides.
        What is `covered` has turns too, `aside`: who asks for it, and not for what speaks for it, is told."""
        turns: list[Turn] = []
        touched: set[str] = set()
        for finding in examination.findings:
            turn = self._seen(finding, at, touched)
            turns += [turn] if turn is not None else []
        for finding in examination.snoozed:
            for case in self._cases(finding):
                case.snoozed, case.absent, case.finding = True, None, finding
                touched.add(case.id)
        put_off = {(one.code, name) for one in examination.snoozed for name in subjects(one)}
        for one in covered:
            if not put_off.isdisjoint(one.by):
                continue
            turn = self._seen(one.finding, at, touched, one.by)
            turns += [turn] if turn is not None else []
        checked = set(examination.checked)
        for case in [case for case in self.open if case.id not in touched]:
            hidden = any((case.code, subject) in present for subject in case.subjects)
            if hidden or case.code not in checked:
                case.absent = None  # It may be there: nobody can tell.
                continue
            case.absent = at if case.absent is None else min(at, case.absent)  # The clock may be set back.
            if at - case.absent >= self._patience(case, examination):
                self.open.remove(case)
                over = Turn(kind="recovered", at=at, case=case.id, finding=case.finding, aside=not case.said)
                turns.append(over)
        return turns

    def _cases(self, finding: Finding) -> list[Case]:
        about = subjects(finding)
        return [
            case for case in self.open if case.code == finding.code and not about.isdisjoint(case.subjects)
        ]

    def _seen(
        self, finding: Finding, at: float, touched: set[str], by: Sequence[tuple[str, str]] = ()
    ) -> Turn | None:
        about, mine = subjects(finding), self._cases(finding)
        if by and any(case.id in touched for case in mine):
            return None  # Of the same kind, some are said: they are one case.
        if not mine:
            case = Case(
                id=uuid.uuid4().hex,
                code=finding.code,
                subjects=sorted(about),
                severity=finding.severity,
                began=finding.since or at,
                finding=finding,
                under=list(by),
                said=not by,
            )
            self.open.append(case)
            touched.add(case.id)
            return Turn(kind="new", at=at, case=case.id, finding=finding, aside=bool(by))
        case, *others = mine
        known = set(case.subjects).union(*(other.subjects for other in others))
        grown = not about <= known
        worse = RANK[finding.severity] < min(RANK[one.severity] for one in mine)
        back, case.snoozed = case.snoozed, False
        case.severity = min((finding.severity, *(one.severity for one in mine)), key=RANK.__getitem__)
        case.subjects = sorted(known | about if len(known) < MOST else about)
        case.finding, case.absent, case.restored = finding, None, False
        self.open = [one for one in self.open if one not in others]
        touched.add(case.id)
        case.under, said = list(by), any(one.said for one in mine)
        case.said = said or not by
        if not said and not by:
            return Turn(kind="new", at=at, case=case.id, finding=finding)
        if grown or worse:
            return Turn(kind="worse", at=at, case=case.id, finding=finding, aside=bool(by))
        return Turn(kind="back", at=at, case=case.id, finding=finding) if back else None

    def _patience(self, case: Case, examination: Examination) -> float:
        mode = MODES.get(case.code)
        patience = mode.patience if mode is not None else 0.0
        if self._glances:
            return 0.0 if case.code not in NEED_TIME and examination.watched >= patience else RARELY
        if case.restored and case.code not in NEED_NO_BROKER:
            return RESTORED
        return GONE + patience
