"""What the audit log tells of a run that was under way when a process ended, or that somebody did by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from lazycelery.actions.audit import AuditLog
from lazycelery.model.action import AuditEntry
from lazycelery.model.rule import Run

LOOK_BACK = 5000
"""Lines of the audit log that are looked at."""
Ahead = Sequence[tuple[float, float]]
"""When our clock was set ahead, and by how many seconds: a run is dated anew then, lines are not."""


def retried(audit: AuditLog, run: Run, ahead: Ahead = ()) -> tuple[bool, str | None, bool]:
    """Of the newest retry of a run's task: whether it began, its new id, whether it ended without one."""
    for entry in _since(audit, run, ahead):
        if entry.action == "retry" and run.last in entry.targets:
            new = entry.plan.get("new_ids", {}).get(run.last)
            return True, new, entry.plan.get("done") == 0 and not entry.plan.get("unknown")
    return False, None, False


def is_aside(audit: AuditLog, run: Run, ahead: Ahead = ()) -> bool:
    """Whether a run's task is in a file that the audit log names: a second one would double it."""
    return any(
        entry.action == "export" and entry.outcome == "done" and run.last in entry.targets
        for entry in _since(audit, run, ahead)
    )


def _since(audit: AuditLog, run: Run, ahead: Ahead) -> Iterator[AuditEntry]:
    """Newest first, as far back as the run's last failure."""
    for entry in islice(audit.entries(), LOOK_BACK):
        time = entry.time
        if time and time + sum(by for at, by in ahead if time < at) < run.at:
            return
        yield entry
