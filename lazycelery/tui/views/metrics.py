"""Metrics: rates, times and levels as charts; then task names, workers and queues against their usual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lazycelery.engine.api import EngineApi
from lazycelery.model.metrics import Metrics, Series
from lazycelery.model.sla import Objective
from lazycelery.model.statistics import Comparison, Kind
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.budgets import budgets
from lazycelery.tui.presentation.charts import chart, highest
from lazycelery.tui.presentation.comparison import compared
from lazycelery.tui.presentation.frame import framed, scroll_thumb
from lazycelery.tui.presentation.line import Line, crop, fit, right
from lazycelery.tui.presentation.look import Look

TALLEST = 4
"""Lines of a chart, at most."""
LABEL, NUMBER = 12, 7
"""Cells of a name, and of a number beside a chart."""
PACE, SLOW = 1.0, 5.0
"""Seconds between two looks: at the charts, and at what is read from the history and moves slowly."""

SPANS = (("1 min and 1 h", 60, 3600), ("5 min and 4 h", 300, 14_400))
"""What the two charts beside each other show, in words and seconds; `]` turns to the next page."""
KINDS: tuple[tuple[str, Kind], ...] = (
    ("tasks and their usual", "task"),
    ("workers and their usual", "worker"),
    ("queues and their usual", "queue"),
)
"""The pages behind the charts."""
NAMES = [*(name for name, _, _ in SPANS), *(name for name, _ in KINDS), "targets and their budgets"]
TARGETS = len(NAMES) - 1


class Shown(NamedTuple):
    """A series, how it is named, and how its numbers are written."""

    name: str
    label: str
    token: str
    write: Callable[[float | None], str]


SHOWN = (
    Shown("sent", "sent", "wait", q.rate),
    Shown("started", "started", "run", q.rate),
    Shown("succeeded", "succeeded", "ok", q.rate),
    Shown("failed", "failed", "fail", q.rate),
    Shown("retried", "retried", "warn", q.rate),
    Shown("runtime_p50", "run p50", "run", q.duration),
    Shown("runtime_p95", "run p95", "run", q.duration),
    Shown("wait_p50", "wait p50", "wait", q.duration),
    Shown("wait_p95", "wait p95", "wait", q.duration),
    Shown("backlog", "backlog", "accent", q.short_count),
    Shown("active", "running", "run", q.short_count),
    Shown("workers", "workers", "ok", q.short_count),
)


class MetricsView:
    """Charts of all that is known since the engine began, and tables of what is usual."""

    title = "Metrics"
    pace = PACE
    filter: str | None = None

    def __init__(self) -> None:
        self.problem: str | None = None
        self._metrics: Metrics | None = None
        self._compared: dict[Kind, Comparison] = {}
        self._targets: list[Objective] | None = None
        self._top = 0
        self._page = 1
        self._at = 0

    @property
    def _kind(self) -> Kind | None:
        """What is compared on this page; `None` on the others."""
        at = self._at - len(SPANS)
        return KINDS[at][1] if 0 <= at < len(KINDS) else None

    async def fetch(self, api: EngineApi) -> None:
        """The newest numbers."""
        if (kind := self._kind) is not None:
            self._compared[kind] = await api.compared(kind)
        elif self._at == TARGETS:
            self._targets = await api.sla()
        else:
            self._metrics = await api.metrics()

    def draw(self, look: Look, width: int, height: int) -> list[Line]:
        """All charts, as tall as there is room."""
        inner, self._page = width - 4, max(1, height - 2)
        lines = self._lines(look, inner)
        self._top = max(0, min(self._top, len(lines) - self._page))
        seen = [((" ", ""), *crop(line, inner)) for line in lines[self._top :]]
        thumb = scroll_thumb(self._top, self._page, len(lines))
        name = NAMES[self._at]
        keys = f"  {look.key('tab.previous')} {look.key('tab.next')} other pages"
        title: Line = ((self.title, "accent title"), (f" {look.signs.into} {name}", "accent"), (keys, "dim"))
        return framed(seen, width, height, look.signs, title=title, focused=True, thumb=thumb)

    def _lines(self, look: Look, inner: int) -> list[Line]:
        kind = self._kind
        if kind is not None and kind in self._compared:
            return compared(self._compared[kind], look, inner)
        if self._at == TARGETS and self._targets is not None:
            return budgets(self._targets, inner)
        if self._at < len(SPANS) and self._metrics is not None:
            _, fine, coarse = SPANS[self._at]
            room = (self._page - 3) // len(SHOWN)
            return metric_lines(last(self._metrics, fine, coarse), look, inner, room)
        return wrapped(self.problem or "Asking for the numbers …", inner, "warn" if self.problem else "dim")

    def tab(self, step: int) -> None:
        """Other spans of time, or another kind."""
        self._at = (self._at + step) % len(NAMES)
        self._top = 0
        self.pace = PACE if self._at < len(SPANS) else SLOW

    def move(self, lines: int) -> None:
        """Scroll."""
        self._top += lines

    def turn(self, pages: float) -> None:
        """Scroll by pages."""
        self._top += round(pages * self._page)

    def set_filter(self, text: str) -> None:
        """Nothing to filter."""

    def hold(self) -> None:
        """The screen's own pause holds it."""

    def enter(self) -> None:
        """Nothing to open."""

    def leave(self) -> bool:
        """Nothing is inside."""
        return False


def last(metrics: Metrics, fine: float, coarse: float) -> Metrics:
    """The last seconds of each series."""
    return Metrics(fine=_cut(metrics.fine, fine), coarse=_cut(metrics.coarse, coarse))


def _cut(series: Series, seconds: float) -> Series:
    kept = max(1, round(seconds / series.step))
    values = {name: values[-kept:] for name, values in series.values.items()}
    return Series(step=series.step, end=series.end, values=values)


def metric_lines(metrics: Metrics, look: Look, width: int, room: int) -> list[Line]:
    """A chart for the last minutes and one for the last hours, side by side; `room` lines for each pair."""
    gap = room > 2
    rows = max(1, min(TALLEST, room - gap))
    each = (width - LABEL - NUMBER) // 2 - NUMBER - 3
    head = (
        (fit("", LABEL), ""),
        (right("now", NUMBER), "head"),
        ("  " + fit(_span(metrics.fine), each + NUMBER + 1), "head"),
        ("  " + fit(_span(metrics.coarse), each + NUMBER), "head"),
    )
    lines: list[Line] = [head]
    for shown in SHOWN:
        lines += [*_charts(shown, metrics, look, each, rows), *([()] if gap else [])]
    lines += [
        *([] if gap else [()]),
        ((f"{_since(metrics, look)} A mark is the highest of its time; blank is unknown.", "dim"),),
    ]
    return lines


def _charts(shown: Shown, metrics: Metrics, look: Look, each: int, rows: int) -> list[Line]:
    fine = metrics.fine.values.get(shown.name, [])
    coarse = metrics.coarse.values.get(shown.name, [])
    left, after = (chart(values, each, rows, look.signs) for values in (fine, coarse))
    tops = [shown.write(highest(values)) for values in (fine, coarse)]
    lines: list[Line] = []
    for line in range(rows):
        last = line == rows - 1
        scale = [right(top if line == 0 else "0" if last else "", NUMBER) for top in tops]
        lines.append(
            (
                (fit(shown.label if last else "", LABEL), ""),
                (right(shown.write(_now(fine)) if last else "", NUMBER), "title"),
                ("  " + left[line], shown.token),
                (f" {scale[0]}", "dim"),
                ("  " + after[line], shown.token),
                (f" {scale[1]}", "dim"),
            )
        )
    return lines


def _now(values: Sequence[float | None]) -> float | None:
    """The newest known value of the last ten seconds."""
    return next((value for value in reversed(values[-10:]) if value is not None), None)


def _span(series: Series) -> str:
    most = max((len(values) for values in series.values.values()), default=0)
    seconds = most * series.step
    return f"{q.age(seconds)} to now" if seconds else "nothing yet"


def _since(metrics: Metrics, look: Look) -> str:
    begins = []
    for series in (metrics.fine, metrics.coarse):
        for values in series.values.values():
            first = next((at for at, value in enumerate(values) if value is not None), None)
            if first is not None:
                begins.append(series.end - (len(values) - first) * series.step)
    return f"Numbers since {q.moment(min(begins), look.now, look.utc)}." if begins else "No numbers yet."
