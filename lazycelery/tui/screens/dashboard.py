"""The dashboard: panes on the left, what is selected on the right, keys and questions below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual._time import get_time
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.strip import Strip

from lazycelery.keys import Scope
from lazycelery.tui import wire
from lazycelery.tui.arrangement import LEAST, LEFT, Arrangement, arrange
from lazycelery.tui.desk import Desk
from lazycelery.tui.panes.pane import draw, marked
from lazycelery.tui.presentation import sayings
from lazycelery.tui.presentation.body import Joined, wrapped
from lazycelery.tui.presentation.clusters import tab_line
from lazycelery.tui.presentation.header import header, log_line
from lazycelery.tui.presentation.help import help_page
from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.page import Page
from lazycelery.tui.presentation.reel import reel_line
from lazycelery.tui.screens.mouse import LINES, Mouse
from lazycelery.tui.sight import ORDER, notice_key
from lazycelery.tui.walk import WIDEST
from lazycelery.tui.widgets.painted import PAINTS, Painted, Picture

if TYPE_CHECKING:
    from textual.timer import Timer

AGEING = 5.0
"""Seconds between two looks at the ages while nothing else changes."""
WIDE_HELP = 100
"""Cells from which help leaves the panes in sight."""
Painting = tuple[int, int, Strip]
"""A line of the screen: column, line, what stands there."""
OWED = 0.01
"""Seconds until a frame that a slow terminal did not take is tried again."""
FORGOTTEN = 0.2
"""Seconds after which it is taken for one that never is."""


class Dashboard(Screen[None]):
    """Lays out what the desk knows. Holds no state but sizes."""

    COMPONENT_CLASSES: ClassVar[set[str]] = PAINTS

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="dashboard")
        self.desk = desk
        self._mouse = Mouse(desk, lambda: self._lean)
        self._arranged: Arrangement | None = None
        self._parts: list[Painted] = []
        self._debt: Timer | None = None
        self._owed = 0.0
        """When that was set."""

    def compose(self) -> ComposeResult:
        """Header, body, newest event, footer."""
        yield Painted(self._header, "header")
        yield Painted(self._tabs, "tabs")
        yield Painted(self._names, "names")
        yield Painted(self._reel, "reel")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                for scope in ORDER:
                    yield Painted(self._pane_picture(scope), scope)
            yield Painted(self._main, "main")
        yield Painted(self._log, "log")
        yield Painted(self._footer, "footer")

    def on_mount(self) -> None:
        """Arrange for the size that is known by now."""
        self._parts = list(self.query(Painted))
        self.set_interval(AGEING, lambda: self.desk.grow_older(self.desk.link.now()))

    @property
    def _lean(self) -> wire.LeanApp[Any]:
        return cast("wire.LeanApp[Any]", self.app)

    # ---- painting

    def sync(self) -> None:
        """Paint what has changed."""
        if not self._parts:
            return
        lean = self._lean
        if lean.key_waits and not (lean.urgent or lean.asks):
            self._owe()  # All of it is painted behind the key's answer.
            return
        self._arrange()
        rest: Sequence[Painted] = self._parts
        answer: Sequence[Painting] = ()
        if lean.urgent:
            # A key's answer is on its way before all that follows from it is even drawn.
            first = self._answering
            answer = self._put([first])
            rest = [part for part in rest if part is not first]
            if lean.key_waits and not lean.asks:  # The next one.
                self._owe()
                return
        self._put(rest, answer)
        if any(part.owes for part in self._parts):
            self._owe()

    def _owe(self) -> None:
        """Paint the rest soon."""
        now = get_time()
        if self._debt is not None and now < self._owed + FORGOTTEN:
            return
        if self._debt is not None:
            self._debt.stop()  # Textual skips a timer that comes too late, also one that comes only once.
        self._owed, self._debt = now, self.set_timer(OWED, self._repay)

    @property
    def _answering(self) -> Painted:
        """The part that a key is about."""
        desk = self.desk
        place = "footer" if desk.talk.listens else "main" if desk.on_main else desk.lead
        return next(part for part in self._parts if part.id == place)

    def _put(self, parts: Sequence[Painted], before: Sequence[Painting] = ()) -> Sequence[Painting]:
        """Send what differs, behind what a slow line may still have to send `before` it."""
        lines = [line for part in parts if part.display for line in self._differing(part)]
        if lines:
            self._lean.put([*before, *lines])
        return lines

    def forget(self) -> None:
        """All lines are made anew: signs are written in another way from now on."""
        for part in self._parts:
            part.forget()

    def _differing(self, part: Painted) -> list[Painting]:
        """The lines of a part that are not as they were painted: column, line, strip."""
        dirty = part.sync()
        if not dirty:
            return []
        footer = self._parts[-1]
        x, top, _, _ = part.region
        # The footer may stand over the body.
        end = self.size.height if part is footer else footer.region.y
        return [(x, top + y, part.strip(y)) for y in dirty if top + y < end]

    def _repay(self) -> None:
        self._debt = None
        if wire.behind(self.app):
            self._owe()
        else:
            self.sync()

    def on_resize(self, event: events.Resize) -> None:
        """Another size of the terminal."""
        self._arrange()

    def _arrange(self) -> None:
        """Give each part its room; only what differs costs a layout."""
        width, height = self.size
        desk = self.desk
        wants: dict[str, int] = {scope: self._wanted(scope) for scope in ORDER}
        wants["findings"] = desk.findings.listing.rows.total
        whole = desk.views.open is not None or (desk.help and width < WIDE_HELP)
        size = WIDEST if whole else desk.size
        tabs = self._has_tabs
        self._show("tabs", tabs)
        reel = desk.reel is not None
        self._show("reel", reel)
        new = arrange(width, height - tabs - reel, wants, desk.lead, desk.on_main, size)
        before, self._arranged = self._arranged, new
        desk.listed, desk.paged = new.panes[desk.lead] > 0, new.main > 0 and not whole
        # Questions grow over the body instead of pushing it: a push would repaint everything.
        self._height("footer", len(self._foot(width)))
        if new == before:
            return
        self._show("names", new.names)
        self._show("log", new.log)
        self._show("left", new.left > 0)
        self._show("main", new.main > 0)
        self._height("body", new.body)
        self.query_one("#left").styles.width = max(1, new.left)
        for scope, rows in new.panes.items():
            self._show(scope, rows > 0)
            self._height(scope, rows)

    def _show(self, id: str, shown: bool) -> None:
        widget = self.query_one(f"#{id}")
        if widget.display != shown:
            widget.display = shown

    def _height(self, id: str, lines: int) -> None:
        styles = self.query_one(f"#{id}").styles
        if styles.height is None or styles.height.value != max(1, lines):
            styles.height = max(1, lines)

    # ---- pictures

    def _header(self, width: int, height: int) -> list[Line]:
        desk = self.desk
        truth = desk.link.truth
        if desk.start is not None:
            return [((" lazycelery ", "title"), ("no broker yet", "wait"))]
        alive = truth.engine_problem is None
        return [header(truth.overview, alive, desk.paused, desk.look(), width)]

    @property
    def _has_tabs(self) -> bool:
        return sum(line.open for line in self.desk.surface.clusters()) > 1

    def _tabs(self, width: int, height: int) -> list[Line]:
        return [tab_line(self.desk.surface.clusters(), self.desk.look(), width)]

    def _reel(self, width: int, height: int) -> list[Line]:
        reel = self.desk.reel
        return [] if reel is None else [reel_line(reel, self.desk.look(), width)]

    def _names(self, width: int, height: int) -> list[Line]:
        desk = self.desk
        spans = []
        for scope in ORDER:
            pane = desk.panes[scope]
            here = not desk.on_main and desk.lead == scope
            spans.append(
                (
                    f" {pane.number} {pane.title} {pane.note(20, desk.look())} ",
                    "accent cursor" if here else "dim",
                )
            )
        spans.append((" main ", "accent cursor" if desk.on_main else "dim"))
        return [tuple(spans)]

    def _pane_picture(self, scope: Scope) -> Picture:
        def picture(width: int, height: int) -> Sequence[Line]:
            desk = self.desk
            pane, focused = desk.panes[scope], desk.lead == scope and not desk.on_main
            marks = desk.marks.of(scope)
            look, origin = desk.look(), desk.origin(scope)
            lines = draw(pane, look, width, height, focused, lambda: self._empty(scope), marks, origin)
            return self._dimmed(lines)

        return picture

    def _dimmed(self, lines: Sequence[Line]) -> Sequence[Line]:
        """What was true when the connection was lost stays in sight, dimmed."""
        truth = self.desk.link.truth
        if truth.connected or truth.overview is None or not truth.overview.ever_connected:
            return lines
        return [marked(line, "stale") for line in lines]

    def _wanted(self, scope: Scope) -> int:
        """Lines that a pane has something for: its rows, or the words why there are none."""
        total = self.desk.panes[scope].listing.rows.total
        if total or scope == "tasks":
            return max(1, total)
        return sum(len(wrapped(text, LEFT - 4)) for text in self._empty(scope))

    def _empty(self, scope: Scope) -> Sequence[str]:
        desk = self.desk
        truth, look = desk.link.truth, desk.look()
        waiting = sayings.connecting(truth.overview, truth.engine_problem, look)
        if waiting is not None:
            return waiting
        lacks = truth.overview.lacks if truth.overview else {}
        reel = truth.overview.reel if truth.overview else None
        filtered = desk.panes[scope].filter or ("faults only" if desk.panes[scope].faults else "")
        if look.as_of is not None and not filtered:
            return sayings.cut_off(truth.overview, truth.engine_problem, look)
        early = sayings.awaiting(scope, truth.overview.awaited if truth.overview else "")
        if early is not None and not filtered:
            return early
        if scope == "workers":
            if truth.workers is None and not lacks:
                return ["Asking the workers …"]
            return sayings.no_workers(filtered, look, lacks, reel)
        if scope == "queues":
            return ["Counting …"] if truth.queues is None else sayings.no_queues(filtered, look, reel)
        if scope == "findings":
            return sayings.no_findings(filtered, look)
        window = desk.tasks.window
        if window.problem is not None:
            return [str(window.problem)]
        if not window.loaded:
            return ["Asking for tasks …"]
        if window.growing:
            return sayings.searching(desk.tasks.whole_filter, window.answer, look)
        return sayings.no_tasks(
            desk.tasks.whole_filter, window.answer.known, truth.workers or [], look, lacks, reel
        )

    def _main(self, width: int, height: int) -> Sequence[Line]:
        desk = self.desk
        look = desk.look()
        if desk.views.open is not None and not desk.help:
            return desk.views.open.draw(look, width, height)
        if desk.help:
            page = help_page(desk.scope, desk.allowed, look)
        elif (item := desk.item) is not None:
            page = desk.main.build(desk.lead, item, desk.known, look, width - 4)
        else:
            why = [line for text in self._empty(desk.lead) for line in wrapped(text, width - 4, "dim")]
            page = Page((), (), 0, why)
        if look.as_of is not None and not desk.help:
            page = replace(page, body=Joined(wrapped(sayings.dated(look), width - 4, "warn"), page.body))
        subject = "help" if desk.help else (desk.subject, desk.main.tabs[desk.lead])
        lines = desk.main.draw(page, subject, look, width, height, desk.on_main)
        return lines if desk.help else self._dimmed(lines)

    def _log(self, width: int, height: int) -> list[Line]:
        if self.desk.start is not None:
            return []
        return [log_line(self.desk.link.truth.last_line, self.desk.look())]

    def _footer(self, width: int, height: int) -> list[Line]:
        return self._foot(width)

    def _foot(self, width: int) -> list[Line]:
        desk = self.desk
        truth, look = desk.link.truth, desk.look()
        size = self.size
        if size.width < LEAST[0] or size.height < LEAST[1]:
            return [((f" {size.width}x{size.height} is too small; {LEAST[0]}x{LEAST[1]} or more.", "warn"),)]
        trouble = sayings.trouble(
            truth.overview, truth.engine_problem, truth.engine_next, look, self._findings_told
        )
        if truth.engine_problem is None and desk.dismissed and desk.dismissed == notice_key(desk):
            trouble = ()
        lines = desk.talk.lines(desk.hints, trouble, look, width, size.height)
        return lines[-max(1, size.height - 2) :]

    @property
    def _findings_told(self) -> bool:
        """Whether the findings can be read in their pane."""
        here = self._arranged
        return here is not None and here.log and here.left > 0 and here.panes["findings"] > 2

    # ---- input

    def on_key(self, event: events.Key) -> None:
        """Every key goes to the desk."""
        event.stop()
        event.prevent_default()
        self._lean.has_turn(event)
        character = event.character if event.is_printable else None
        with self._lean.answering():
            self.desk.press(chord_of(event.key, character), character)

    def on_paste(self, event: events.Paste) -> None:
        """A pasted text belongs to the line being typed."""
        event.stop()
        self._lean.has_turn(event)
        with self._lean.answering():
            self.desk.paste(event.text)

    def on_click(self, event: events.Click) -> None:
        """A click selects; a second one opens; the right button opens the menu."""
        self._mouse.click(event)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves what is under it."""
        self._mouse.wheel(event, LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves what is under it."""
        self._mouse.wheel(event, -LINES)


def chord_of(key: str, character: str | None) -> str:
    """A key as the table of actions names it: the character itself where there is one."""
    return character if character is not None and character != " " else key
