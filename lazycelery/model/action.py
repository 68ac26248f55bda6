"""Orders, plans, outcomes: the nouns of safe mutation."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from lazycelery.model.canvas import Member

ActionName = Literal[
    "retry",
    "revoke",
    "terminate",
    "purge",
    "move",
    "delete",
    "requeue",
    "export",
    "restore",
    "events",
    "pool",
    "consumers",
    "limits",
    "shutdown",
    "service",
    "send",
    "beat",
]
Level = Literal["none", "letter", "typed"]
Grade = Literal["exact", "arguments", "unsafe"]

PERMISSIONS: tuple[str, ...] = (*get_args(ActionName), "reveal")
ROLES: dict[str, tuple[str, ...]] = {
    "viewer": (),
    "operator": ("retry", "revoke", "events", "pool", "consumers", "limits"),
    "admin": PERMISSIONS,
    "all": PERMISSIONS,
}
"""Roles are named sets of permissions; `all` is what `--allow all` says."""


class Order(msgspec.Struct, kw_only=True):
    """What somebody wants done. Targets are task ids, a queue, workers, entries of beat, or a backup file's
    path."""

    action: ActionName
    targets: list[str] = []
    filter: str | None = None
    """Instead of targets: all tasks that match, newest first. move, delete: which messages of the queue."""
    limit: int = 1000
    params: dict[str, Any] = {}
    """retry: queue, keep_canvas, force (also what would run twice), rate (tasks a second), tag, new_id
    (of one task: under which it is sent) · revoke: force (also what no source knows), rate
    · both: resume (a plan file's id), doubtful (ask, send, drop),
    look (also where looks are not free) · terminate: signal · all three: canvas (the whole canvas of a task)
    · purge: backup (path) · events: on (bool), stay (also after this session) · pool: do
    (grow, shrink, size, autoscale, restart), n, max, min · pool, limits: each (what each worker gets, by
    name) · consumers: do
    (add, cancel, hold, resume, turn), workers (all without), forget · limits: do (rate, time), task, rate,
    soft, hard · shutdown: cold · service: do (start, stop, restart) · send (targets: name): args, kwargs,
    queue, priority, eta, expires, retry_of, or entry: what beat sends for it · beat (targets: entries): do
    (enable, disable) · move (targets: from, to) and delete: backup, look (also where
    looks are not free), most (messages looked at) · requeue: the same · export: file, look, most · restore:
    queue, again, orphans (unacknowledged messages that nobody holds, instead of a file)"""


class PlanItem(msgspec.Struct, kw_only=True):
    """One target, before."""

    target: str
    text: str
    grade: Grade | None = None
    refused: str | None = None
    """Why this one will not be done, or `None`."""
    source: str | None = None
    """Where the arguments come from: broker, control, result, event."""


class Plan(msgspec.Struct, kw_only=True):
    """What would happen. Nothing has been touched when a plan exists."""

    id: str
    action: ActionName
    title: str
    """One sentence: "Retry 1 task exactly, to default"."""
    count: int
    items: list[PlanItem] = []
    """At most 1,000."""
    refused: str | None = None
    """Why the whole plan is refused (read-only, no permission, nothing matches), or `None`."""
    locked: bool = False
    """Whether `refused` says no more than that its permission is not open."""
    hint: str = ""
    level: Level = "letter"
    word: str | None = None
    """What must be typed at level `typed`."""
    question: str = ""
    summary: list[str] = []
    """What it comes to, in lines: how many of each grade, to which queues, what would be lost."""
    grades: dict[str, int] = {}
    """retry: targets by grade; `refused` are those that are not sent, whatever their grade."""
    queues: dict[str, int] = {}
    """retry: targets by the queue they go to."""
    warnings: list[str] = []
    canvas: list[Member] = []
    """All members that are known, where it is about a whole canvas: also those that are left alone."""
    backup: str | None = None
    """Where the backup will be written."""
    order: Order | None = None
    created: float = 0.0


class OutcomeItem(msgspec.Struct, kw_only=True):
    """One target, after."""

    target: str
    ok: bool
    text: str
    new_id: str | None = None
    replies: dict[str, Any] = {}
    """Replies by worker, where control was used."""


class Outcome(msgspec.Struct, kw_only=True):
    """What was done, and the proof."""

    action: ActionName
    done: int
    failed: int
    proof: str
    """One line: "purged default: 1,204 removed, 0 left, backup …"."""
    items: list[OutcomeItem] = []
    unknown: int = 0
    """Of how many nobody knows whether it was done: their answer was lost. Neither done nor failed."""
    backup: str | None = None
    bulk: str | None = None
    """The id of the plan file, where there is one: what is left of it can be resumed."""
    tag: str = ""
    """By which the new tasks are found: `tag:` in a filter, the header `lazycelery_tag` of their messages."""
    undo: str | None = None
    """The command that undoes it, where one exists."""
    back: Order | None = None
    """The same as an order: what a face plans when it is told to undo. `None` for a backup, whose path is."""


class AuditEntry(msgspec.Struct, kw_only=True):
    """One line of the audit log."""

    time: float
    user: str
    host: str
    profile: str
    broker: str
    """Without credentials."""
    action: str
    title: str
    targets: list[str]
    plan: dict[str, Any] = {}
    backup: str | None = None
    outcome: str = ""
    ok: bool = True
    proof: str = ""
    origin: str | None = None
    """SSH client address, where there is one."""
