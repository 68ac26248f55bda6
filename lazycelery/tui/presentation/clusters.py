"""Clusters: a line for each, and a line of tabs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lazycelery.model.cluster import Notice, Overview
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.findings import sign as finding
from lazycelery.tui.presentation.line import Column, Line, Span, length, spread, width_of
from lazycelery.tui.presentation.look import Look

NAME = 24
"""Cells of a name in a tab, at most."""
COLUMNS = (
    Column("", 1),
    Column("#", 2, right=True),
    Column("CLUSTER", 14, grow=1, cut="name"),
    Column("", 4),
    Column("WORKERS", 7, right=True),
    Column("BACKLOG", 7, right=True),
    Column("FAILED", 6, right=True),
    Column("EV/S", 5, rank=2, right=True),
    Column("LAG", 5, rank=3, right=True),
    Column("FOUND", 5, right=True),
    Column("WHAT", 12, grow=4),
)
WINDOW = "FAILED counts the failures of the last five minutes, or of the time since the cluster was opened."


@dataclass(frozen=True)
class ClusterLine:
    """What is known of a profile's cluster."""

    name: str
    number: int
    """Its place among the tabs, from 1."""
    open: bool = False
    front: bool = False
    overview: Overview | None = None
    note: str = ""
    """What stands in the way: why it could not be opened, or what its engine died of."""
    alive: bool = True
    """Whether its engine answers."""

    @property
    def connected(self) -> bool:
        """Engine there, broker there."""
        return self.alive and self.overview is not None and self.overview.connected

    @property
    def found(self) -> list[Notice]:
        """What is wrong there; hints are left out."""
        return [] if self.overview is None else [n for n in self.overview.notices if n.severity != "info"]

    @property
    def critical(self) -> bool:
        """Whether somebody should look at once."""
        return not self.alive or any(notice.severity == "critical" for notice in self.found)

    @property
    def production(self) -> bool:
        """Whether its profile says so."""
        return self.overview is not None and self.overview.production


def dot(line: ClusterLine, look: Look) -> Span:
    """The sign of its link."""
    overview = line.overview
    if not line.open:
        return (look.signs.failed, "fail") if line.note.endswith(".") else (look.signs.dot, "dim")
    if line.connected:
        return look.signs.online, "ok"
    told = overview is not None and any(one.state in ("lost", "refused") for one in overview.sources)
    return (look.signs.failed, "fail") if told or not line.alive else (look.signs.waiting, "wait")


def cells(line: ClusterLine, look: Look) -> list[Span]:
    """A cluster in the order of `COLUMNS`."""
    overview = line.overview
    name = (clean(line.name, 80), "title" if line.front else "" if line.open else "dim")
    numbers: list[Span] = [("", "")] * 6
    if overview is not None:
        # What is not connected any more is as old as its link: dimmed, as the panes do it.
        token = "" if line.connected else "stale"
        online, failed = overview.workers_online, overview.failures
        short = online < overview.workers_total or not online
        numbers = [
            (f"{online}/{overview.workers_total}", ("warn" if short else token) if line.connected else token),
            (q.short_count(overview.backlog), token),
            (q.short_count(failed), "fail" if failed and line.connected else token),
            (q.short_count(overview.events_per_second) if line.connected else q.UNKNOWN, token),
            (_lag(overview.lag) if line.connected else q.UNKNOWN, token),
            (str(len(line.found) or ""), "fail" if line.critical else "warn"),
        ]
    badge = ("PROD", "alarm") if line.production else ("", "")
    return [
        dot(line, look),
        (str(line.number), "accent" if line.open else "dim"),
        name,
        badge,
        *numbers,
        _what(line, look),
    ]


def about(line: ClusterLine, look: Look, width: int) -> list[Line]:
    """What the table has no room for: where a cluster is, and all that was found there."""
    overview = line.overview
    place = "" if overview is None else f"{clean(overview.broker, 120)}  {_permitted(overview)}"
    body: list[Line] = [((f" {clean(line.name, 80)}  ", "head"), (place, "dim"))]
    if line.note:
        body += wrapped(line.note, width - 2, "fail", lead=" ")
    for notice in line.found:
        sign, token = finding(notice, look)
        body += wrapped(f"{notice.title} {notice.hint}".rstrip(), width - 2, token, lead=f" {sign} ", limit=3)
    if overview is not None:
        body += [(), *wrapped(WINDOW, width - 2, "dim", lead=" ")]
    return body


def _permitted(overview: Overview) -> str:
    return "read-only" if overview.read_only else f"unlocked: {', '.join(overview.allowed)}"


def _lag(seconds: float | None) -> str:
    return q.UNKNOWN if seconds is None else "<0.1s" if seconds < 0.1 else f"{seconds:.1f}s"[:5]


def _what(line: ClusterLine, look: Look) -> Span:
    if line.note:
        return clean(line.note, 300), "fail" if line.open or line.note.endswith(".") else "dim"
    if not line.open:
        return f"not open; {look.key('open')} opens it", "dim"
    if line.overview is None:
        return "starting …", "wait"
    if line.found:
        worst = min(line.found, key=lambda notice: notice.severity != "critical")
        return clean(worst.title, 300), "fail" if worst.severity == "critical" else "warn"
    if not line.connected:
        return f"connecting to {clean(line.overview.broker, 120)} …", "wait"
    return "nothing is wrong", "dim"


def tabs(lines: Sequence[ClusterLine], look: Look, width: int) -> list[tuple[Line, str]]:
    """A tab for each open cluster, with its name to know it again.

    Where they do not all fit, only the one in front keeps its name; then none does; then those around
    the one in front are left.
    """
    shown = [line for line in lines if line.open]
    for named in (lambda line: True, lambda line: line.front, lambda line: False):
        made = [(_tab(line, look, named(line)), line.name) for line in shown]
        if sum(length(tab) for tab, _ in made) <= width:
            return made
    front = next((at for at, line in enumerate(shown) if line.front), 0)
    size = max(length(tab) for tab, _ in made)
    room = max(1, width // size)
    first = max(0, min(front - room // 2, len(made) - room))
    return made[first : first + room]


def _tab(line: ClusterLine, look: Look, named: bool) -> Line:
    here = " cursor" if line.front else ""
    sign, token = dot(line, look)
    text = clean(line.name, NAME * 4)
    while width_of(text) > NAME:
        text = text[:-1]
    name = f" {text}" if named else ""
    spans: list[Span] = [
        (" ", here.strip()),
        (sign, token + here),
        (f" {line.number}{name}", ("alarm" if line.production else "accent" if line.front else "") + here),
    ]
    if line.critical:
        spans.append((f" {look.signs.warning}", f"fail{here}"))
    spans.append((" ", here.strip()))
    return tuple((text, token.strip()) for text, token in spans)


def tab_line(lines: Sequence[ClusterLine], look: Look, width: int) -> Line:
    """The tabs side by side."""
    spans = tuple(span for tab, _ in tabs(lines, look, width) for span in tab)
    hint: Line = (
        (look.key("cluster.next"), "accent"),
        (" next  ", "dim"),
        (look.key("brokers"), "accent"),
        (" all ", "dim"),
    )
    return spread(spans, hint, width)


def tab_at(lines: Sequence[ClusterLine], look: Look, width: int, x: int) -> str | None:
    """The cluster whose tab covers a column."""
    for tab, name in tabs(lines, look, width):
        x -= length(tab)
        if x < 0:
            return name
    return None
