"""Rules for failed tasks: when they are retried, how often, and what becomes of them then."""

from __future__ import annotations

from typing import Literal

import msgspec

RunState = Literal["waiting", "due", "trying", "retried", "mended", "aside", "left", "told", "doubt"]
"""waiting: too few have failed yet · due: will be retried or set aside · trying: it is under way · retried ·
mended: a retry succeeded · aside: its message is in a file · left: neither could be done · told: a dry run ·
doubt: whether it was retried is not known."""


class Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One `[[profiles.NAME.rules]]`. The first that fits a failure counts."""

    name: str
    task: str = "*"
    """Pattern of the task's name."""
    error: str = "*"
    """Pattern of the error as events tell it: `TimeoutError(*`."""
    failures: int = 1
    """Failures of one task name within `within` from which on the rule begins."""
    within: float = 600.0
    retries: int = 3
    """Retries of one task; 0 sets aside at once."""
    backoff: float = 60.0
    """Seconds before the first retry; each further one waits twice as long."""
    aside: bool = True
    """What failed too often is set aside in a backup file, else left as it is."""
    most: int = 30
    """Decisions a minute; more of them stop the rule."""
    give_up: int = 10
    """Retries in a row that failed again, after which the rule stops itself."""
    apply: bool = False
    """False: a dry run, which tells what it would do."""


class Run(msgspec.Struct, kw_only=True):
    """A failed task and its retries."""

    root: str
    """The id that failed first."""
    last: str
    """The id that ran, or will run, last."""
    rule: str
    name: str
    error: str
    tries: int = 0
    state: RunState = "waiting"
    due: float = 0.0
    at: float = 0.0
    """When it failed last."""


class RuleStatus(msgspec.Struct, kw_only=True):
    """A rule and how it does."""

    name: str
    apply: bool = False
    stopped: float | None = None
    """Since when it is stopped, epoch seconds."""
    why: str = ""
    runs: dict[str, int] = {}
    """Tasks by state."""
    turn: str | None = None
    """Who evaluates it, as the one tells that watches on this machine; `None` when none does."""
