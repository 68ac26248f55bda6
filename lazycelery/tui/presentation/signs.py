"""The signs of the screen, and their ASCII twins. Colour only repeats a sign."""

from __future__ import annotations

from dataclasses import dataclass

from lazycelery.model.task import NEVER_RAN
from lazycelery.tui.presentation.line import Span


@dataclass(frozen=True)
class Signs:
    """One set of glyphs; each takes one cell."""

    online: str = "●"
    success: str = "✔"
    busy: str = "◐"
    waiting: str = "○"
    scheduled: str = "◌"
    retry: str = "↻"
    failed: str = "✗"
    revoked: str = "⊘"
    skipped: str = "⊖"
    unknown: str = "?"
    warning: str = "▲"
    cursor: str = "▸"
    full: str = "▰"
    empty: str = "▱"
    levels: str = "▁▂▃▄▅▆▇█"
    corners: str = "╭╮╰╯"
    across: str = "─"
    upright: str = "│"
    thumb: str = "┃"
    dot: str = "·"
    part: str = "▪"
    enter: str = "⏎"
    more: str = "…"
    into: str = "›"
    mark: str = "◆"
    joints: str = "┐┤┘"
    branch: str = "└"
    sorted: str = "▾"
    upwards: str = "▴"


UNICODE = Signs()
ASCII = Signs(
    online="*",
    success="+",
    busy="~",
    waiting=".",
    scheduled=":",
    retry="r",
    failed="X",
    revoked="-",
    skipped="0",
    unknown="?",
    warning="!",
    cursor=">",
    full="#",
    empty=".",
    levels="_.-=+*#@",
    corners="++++",
    across="-",
    upright="|",
    thumb="#",
    dot="-",
    part="-",
    enter="enter",
    more="~",
    into=">",
    mark="#",
    joints="+++",
    branch="`",
    sorted="v",
    upwards="^",
)

TWINS = str.maketrans(
    {
        "…": "~",
        "–": "-",
        "—": "-",
        "·": "-",
        "›": ">",
        "⏎": "enter",
        "→": ">",
        "←": "<",
        "↑": "^",
        "↓": "v",
        "×": "x",
        "≥": ">",
    }
)
"""What stands in sentences, for `--ascii`."""

_OF_WORKER = {
    "online": "online",
    "busy": "busy",
    "silent": "busy",
    "offline": "failed",
    "deaf": "warning",
    "unknown": "unknown",
}
_WORKER_TOKEN = {
    "online": "ok",
    "busy": "run",
    "silent": "warn",
    "offline": "fail",
    "deaf": "warn",
    "unknown": "dim",
}
_OF_TASK = {
    "waiting": ("waiting", "wait"),
    "scheduled": ("scheduled", "wait"),
    "received": ("waiting", "wait"),
    "started": ("busy", "run"),
    "retry": ("retry", "warn"),
    "success": ("success", "ok"),
    "failure": ("failed", "fail"),
    "revoked": ("revoked", "dim"),
    NEVER_RAN: ("skipped", "dim"),
    "rejected": ("failed", "fail"),
    "lost": ("failed", "fail"),
}
_OF_EVENT = {
    "task-sent": "waiting",
    "task-received": "received",
    "task-started": "started",
    "task-succeeded": "success",
    "task-failed": "failure",
    "task-retried": "retry",
    "task-revoked": "revoked",
    "task-rejected": "rejected",
}


def of_worker(state: str, signs: Signs) -> Span:
    """The sign of a worker's state."""
    return str(getattr(signs, _OF_WORKER.get(state, "unknown"))), _WORKER_TOKEN.get(state, "dim")


def of_task(state: str, signs: Signs) -> Span:
    """The sign of a task's state."""
    name, token = _OF_TASK.get(state, ("unknown", "dim"))
    return str(getattr(signs, name)), token


def of_event(type: str, signs: Signs) -> Span:
    """The sign of an event."""
    if type in _OF_EVENT:
        return of_task(_OF_EVENT[type], signs)
    if type.startswith("worker-"):
        return (signs.failed, "fail") if type == "worker-offline" else (signs.online, "dim")
    return signs.dot, "dim"


def gauge(part: int | None, whole: int | None, width: int, signs: Signs) -> str:
    """A bar of `width` cells: how much of the whole is taken."""
    if part is None or not whole:
        return signs.empty * width
    filled = min(width, -(-part * width // whole))
    return signs.full * filled + signs.empty * (width - filled)


def sparkline(values: list[int], width: int, signs: Signs) -> str:
    """The last `width` values as levels; all equal to zero is the lowest."""
    last = values[-width:]
    top = max(last, default=0)
    levels = signs.levels
    marks = [
        levels[min(len(levels) - 1, value * len(levels) // (top + 1))] if top else levels[0] for value in last
    ]
    return "".join(marks).rjust(width)
