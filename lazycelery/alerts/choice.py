"""What of the open findings is told to a target now: by its filters, its cool-down, and what it knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import msgspec

from lazycelery.model.alert import AlertTarget, Case, Turn, TurnKind
from lazycelery.model.finding import RANK, Finding, Severity

GROWN = 2
"""Times as many subjects as were told, from which on more of them are told within the cool-down."""


class Told(msgspec.Struct, kw_only=True):
    """What a target knows of a case."""

    severity: Severity
    subjects: list[str]
    at: float = 0.0
    """When it was told last, epoch seconds."""


class Ledger(msgspec.Struct, kw_only=True):
    """What a target was told; kept with the outbox."""

    told: dict[str, Told] = {}
    """By case."""
    last: dict[str, float] = {}
    """When a finding was told last, by severity, code and cause, else subject."""


class Telling(msgspec.Struct, kw_only=True):
    """One thing to be told."""

    kind: TurnKind
    case: str
    finding: Finding


def wants(target: AlertTarget, finding: Finding) -> bool:
    """Whether a target is told such findings at all."""
    return (
        RANK[finding.severity] <= RANK[target.least]
        and _fits(target.codes, [finding.code])
        and _fits(target.subjects, [finding.subject, *finding.related])
    )


def _speaks(target: AlertTarget, cause: Case | None) -> bool:
    """Whether the target hears of a cause that speaks for another finding, or somebody knows of it."""
    if cause is None:
        return False
    return cause.snoozed or cause.finding.mark is not None or wants(target, cause.finding)


def _fits(patterns: Sequence[str], words: Sequence[str]) -> bool:
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    left = [word for word in words if not any(fnmatchcase(word, pattern) for pattern in unwanted)]
    return any(not wanted or any(fnmatchcase(word, pattern) for pattern in wanted) for word in left)


def choose(
    target: AlertTarget, ledger: Ledger, turns: Iterable[Turn], open_cases: Iterable[Case], now: float
) -> list[Telling]:
    """What the target is told now; notes it in its ledger."""
    chosen: list[Telling] = []
    returned: set[str] = set()
    for turn in turns:
        if turn.kind == "back":
            returned.add(turn.case)
        elif turn.kind == "recovered" and turn.finding is not None:
            knew = ledger.told.pop(turn.case, None) is not None
            if knew and target.recovery:
                chosen.append(Telling(kind="recovered", case=turn.case, finding=turn.finding))
    cases = list(open_cases)
    by_name = {(case.code, subject): case for case in cases for subject in case.subjects}
    known: set[str] = set()
    for case in cases:
        known.add(case.id)
        if case.snoozed or case.finding.mark is not None or not wants(target, case.finding):
            continue
        if any(_speaks(target, by_name.get(name)) for name in case.under):
            continue
        kind = _kind(case, ledger, case.id in returned, now, target.cool_down)
        key = f"{case.code}:{case.finding.cause or case.finding.subject}"
        # Only what was at least as bad keeps another one back.
        as_bad = [severity for severity in RANK if RANK[severity] <= RANK[case.severity]]
        told = max(ledger.last.get(f"{severity}:{key}", -target.cool_down) for severity in as_bad)
        if kind is None or (kind == "new" and 0 <= now - told < target.cool_down):
            continue
        ledger.told[case.id] = Told(severity=case.severity, subjects=list(case.subjects), at=now)
        ledger.last[f"{case.severity}:{key}"] = now
        chosen.append(Telling(kind=kind, case=case.id, finding=case.finding))
    ledger.told = {case: told for case, told in ledger.told.items() if case in known}
    ledger.last = {key: at for key, at in ledger.last.items() if 0 <= now - at < target.cool_down}
    return chosen


def _kind(case: Case, ledger: Ledger, returned: bool, now: float, cool_down: float) -> TurnKind | None:
    told = ledger.told.get(case.id)
    if told is None:
        return "back" if returned else "new"
    if RANK[case.severity] < RANK[told.severity]:
        return "worse"
    # One that grows by a task at a time is told as it doubles, and not at each.
    doubled = len(case.subjects) >= GROWN * len(told.subjects)
    cooled = not 0 <= now - told.at < cool_down
    if (doubled or cooled) and not set(case.subjects) <= set(told.subjects):
        return "worse"
    return "back" if returned else None
