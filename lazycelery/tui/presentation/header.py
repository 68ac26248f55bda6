"""The first line, and the line of the newest event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote

from lazycelery.model.cluster import Load, LogLine, Overview
from lazycelery.model.relief import Relief
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.line import Line, Span, length, merge, spread, width_of
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.signs import of_event
from lazycelery.tui.presentation.workers import short_name

COST = 4
"""From this rank on a figure tells what the monitor costs, not how well it sees."""


class Figure(NamedTuple):
    """One of the figures at the right."""

    text: str
    token: str
    rank: int
    """The highest one is left out first when there is no room."""
    short: str = ""
    """The same in fewer words."""


def header(overview: Overview | None, alive: bool, paused: bool, look: Look, width: int) -> Line:
    """Who we look at, whether it is live, what is open, and how well we see.

    Where there is no room for all that tells how well we see, words are shortened, then our own name goes,
    then the broker's place."""
    figures = _figures(overview, look, width) if alive and overview is not None and overview.connected else []
    left = _identity(overview, alive, paused, look, width)
    if not _fit(left, _sight(figures), width):
        figures = [figure._replace(text=figure.short or figure.text) for figure in figures]
    for less in (1, 2):
        if not _fit(left, _sight(figures), width):
            left = _identity(overview, alive, paused, look, width, less)
    while figures and not _fit(left, figures, width):
        figures.remove(max(figures, key=lambda figure: figure.rank))
    tail: list[Span] = []
    for figure in figures:
        tail += [(figure.text, figure.token), ("  ", "")]
    return spread(left, merge([*tail[:-1], (" ", "")]), width)


def _sight(figures: Sequence[Figure]) -> list[Figure]:
    return [figure for figure in figures if figure.rank < COST]


def _fit(left: Line, figures: Sequence[Figure], width: int) -> bool:
    return length(left) + sum(width_of(figure.text) + 2 for figure in figures) <= width


def _identity(
    overview: Overview | None, alive: bool, paused: bool, look: Look, width: int, less: int = 0
) -> Line:
    signs = look.signs
    if overview is None:
        return ((" lazycelery ", "title"), (f"{signs.waiting} starting", "wait"))
    spans: list[Span] = [(" lazycelery ", "title")] if width >= 70 and not less else [(" ", "")]
    name = clean(overview.profile or "default", 40)
    spans.append((f" {name} ", "alarm" if overview.production else "accent"))
    place = overview.broker.partition("?")[0]  # Options, and where a replay begins, are no place.
    if (
        width >= 100
        and less < 2
        and not any(said.endswith(overview.profile) for said in (place, unquote(place)))
    ):
        spans.append((f"{signs.part} {clean(place, 60)} ", "dim"))
    spans.append(_dot(overview, alive, look))
    spans.append(("  ", ""))
    spans.append(_badge(overview))
    if overview.production and width >= 70:
        spans += [(" ", ""), (" PRODUCTION ", "alarm")]
    if (tape := overview.recording) is not None:
        spans += [
            (" ", ""),
            (" REC ENDED ", "alarm") if tape.problem else (" REC ", "warn" if tape.missing else "run"),
        ]
    if paused:
        spans += [(" ", ""), (" PAUSED ", "badge")]
    return merge(spans)


def _dot(overview: Overview, alive: bool, look: Look) -> Span:
    if alive and overview.connected:
        return look.signs.online, "ok"
    if overview.ever_connected or not alive:
        return look.signs.failed, "fail"
    return look.signs.waiting, "wait"


def _badge(overview: Overview) -> Span:
    if overview.read_only:
        return " READ-ONLY ", "badge"
    return " UNLOCKED ", "alarm" if overview.production else "run"


def _figures(overview: Overview, look: Look, width: int) -> list[Figure]:
    """In their order on the line. Values are rounded so that they stand still while little happens."""
    events = "no events" if "events" in overview.lacks else f"ev {_steady(overview.events_per_second)}"
    figures = [Figure(events, "", 1)]
    if overview.relief.active or overview.relief.ever:
        long, short = relieved(overview.relief)
        figures.append(Figure(long, "warn", 2, short))
    if overview.lag is not None:
        figures.append(Figure(f"lag {_lag(overview.lag)}", "warn" if overview.lag > 5 else "dim", 3))
    if overview.loss is not None:
        figures.append(Figure(f"loss {q.share(overview.loss)}", "warn" if overview.loss > 0.01 else "dim", 0))
    return [*figures, *_load(overview.load, width)]


def relieved(relief: Relief) -> tuple[str, str]:
    """What is not kept, as more comes in than can be taken; else how much was not. The same shorter."""
    if relief.one_in > 1:
        return f"keeps 1 in {relief.one_in}", f"keeps 1/{relief.one_in}"
    if relief.active:
        return "no long texts", ""
    if relief.cut_off:
        missed = f"missed {q.duration(relief.missed)}"
        return f"{missed} of events", missed
    return f"let go {q.short_count(relief.texts + relief.successes + relief.waiting)}", ""


def _load(load: Load, width: int) -> list[Figure]:
    """What the engine costs itself: share of a core; where there is room also memory and broker commands."""
    told = []
    if load.cpu is not None:
        percent = load.cpu * 100
        steady = round(percent) if percent < 5 else round(percent / 5) * 5
        told.append(f"load {steady}%" if steady else "load <1%")
    if load.rss is not None and width >= 100:
        told.append(f"{max(10, round(load.rss / 10_000_000) * 10)} MB")
    commands = load.commands_per_second
    if commands is not None and width >= 100:
        told.append(f"~{max(1, round(commands / 5) * 5) if commands else 0} cmd/s")
    token = "warn" if (load.cpu or 0) > 0.8 else "dim"
    return [Figure(text, token, rank) for rank, text in enumerate(told, start=COST)]


def _steady(per_second: float) -> str:
    if per_second < 1:
        return "<1/s" if per_second else "0/s"
    return f"{q.short_count(round(per_second))}/s"


def _lag(seconds: float) -> str:
    return "<0.1s" if seconds < 0.1 else f"{seconds:.1f}s" if seconds < 10 else q.age(seconds)


def log_line(line: LogLine | None, look: Look) -> Line:
    """The newest event."""
    if line is None:
        return ((" no event yet", "dim"),)
    sign, token = of_event(line.type, look.signs)
    word = line.type.removeprefix("task-").removeprefix("worker-")
    who = f"{clean(line.name, 80)}[{q.short_id(line.id)}]" if line.name else clean(line.id or "", 36)
    return (
        (f" {q.clock(line.received, look.utc)} ", "dim"),
        (f"{sign} ", token),
        (f"{who} " if who else "", ""),
        (f"{clean(word, 30)} on {short_name(line.worker)}", "dim"),
        (f"  {clean(line.text, 200)}" if line.text else "", token),
    )
