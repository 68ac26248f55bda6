"""What a person should know of the history, in sentences."""

from __future__ import annotations

from lazycelery.model.cluster import Notice
from lazycelery.model.counting import count
from lazycelery.model.history import HistoryStatus

UNREAD = (
    "What can be read of it is shown. Who records puts a damaged file aside, under a name with .damaged-, "
    "and goes on in a new one; sqlite3 FILE .recover may find more in it. It goes by age as all do."
)


def notices(status: HistoryStatus, records: bool) -> list[Notice]:
    """Those of its state; `records`: this monitor is to write it."""
    found = []
    if status.state == "broken":
        found.append(Notice(code="history-broken", severity="warning", title=status.reason, hint=status.hint))
    elif status.reason:
        found.append(
            Notice(code="history-along", severity="info", title=f"{status.reason}.", hint=status.hint)
        )
    if status.unread and not (status.state == "broken" and not records):
        more = f" and {count(len(status.unread) - 1, 'more part')}" if len(status.unread) > 1 else ""
        least = f" (at least {count(status.skipped, 'task')})" if status.skipped else ""
        found.append(
            Notice(
                code="history-unread",
                severity="warning",
                title=f"Not read of the recorded history: {status.unread[0]}{more}{least}.",
                hint=UNREAD,
            )
        )
    if status.dropped or status.dropped_notes or status.dropped_tasks:
        found.append(
            Notice(
                code="history-dropped",
                severity="warning",
                title=f"{_missing(status)} missing in the history: they could not be written.",
            )
        )
    if status.put_off:
        found.append(
            Notice(
                code="history-upkeep",
                severity="warning",
                title=f"The history cannot {status.put_off}.",
                hint=f"Its place is {status.directory}. It is tried again each minute.",
            )
        )
    if status.lean:
        found.append(
            Notice(
                code="history-lean",
                severity="info",
                title=f"The history is slow: {count(status.lean, 'task', does='are')} in it "
                f"without texts so far.",
                hint="They follow once it keeps up. Failures and events are whole.",
            )
        )
    if status.interrupted and records:
        found.append(
            Notice(
                code="history-interrupted",
                severity="info",
                title="The monitor before was killed: of what it saw the last second may be missing.",
            )
        )
    return found


def _missing(status: HistoryStatus) -> str:
    """How much of what, with its verb."""
    counted = {"task": status.dropped_tasks, "event": status.dropped, "note": status.dropped_notes}
    told = [count(number, name) for name, number in counted.items() if number]
    if status.dropped_notes:
        told[-1] += " (samples, findings, figures of an hour)"
    whole = " and ".join([", ".join(told[:-1]), told[-1]] if told[1:] else told)
    return f"{whole} {'is' if sum(counted.values()) == 1 else 'are'}"
