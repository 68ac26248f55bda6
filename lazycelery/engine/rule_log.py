"""What the audit log tells of a run that was under way when a process ended, or that somebody did by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from lazycelery.actions.audit import AuditLog
from lazycelery.model.action import AuditEntry
from lazycelery.model.rule import Run

LOOK_BACK = 5000
"""Lines of the audit log that are looked at."""


def retried(audit: AuditLog, run: Run) -> tuple[bool, str | None, bool]:
    """Of the newest retry of a run's task: whether it began, its new id, whether it ended without one."""
    for entry in _since(audit, run):
        if entry.action == "retry" and run.last in entry.targets:
            new = entry.plan.get("new_ids", {}).get(run.last)
            return True, new, entry.plan.get("done") == 0 and not entry.plan.get("unknown")
    return False, None, False


def is_aside(audit: AuditLog, run: Run) -> bool:
    """Whether a run's task is in a file that the audit log names: a second one would double it."""
    return any(
        entry.action == "export" and entry.outcome == "done" and run.last in entry.targets
        for entry in _since(audit, run)
    )


def _since(audit: AuditLog, run: Run) -> Iterator[AuditEntry]:
    """Newest first, as far back as the run's last failure."""
    for entry in islice(audit.entries(), LOOK_BACK):
        if entry.time and entry.time < run.at:
            return
        yield entry
