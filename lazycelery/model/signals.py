"""Signals that end a task, and what each does to the process of a prefork pool that runs it."""

from __future__ import annotations

SIGNALS = {
    "TERM": "ends the process",
    "KILL": "ends the process at once, nothing is cleaned up",
    "USR1": "raises SoftTimeLimitExceeded in the task, which may catch it",
    "INT": "is ignored by prefork processes: the task runs on, although its worker marks it revoked",
    "QUIT": "ends the process late, often only after the task: TERM or KILL is surer",
}
BRIEF = {
    "TERM": "ends the process",
    "KILL": "ends it at once, nothing is cleaned up",
    "USR1": "SoftTimeLimitExceeded in the task, which may catch it",
    "INT": "ignored by prefork: it runs on, though marked revoked",
    "QUIT": "late, often only after the task",
}
"""The same for a menu on 80 columns."""
