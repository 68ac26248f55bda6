"""The desk: what a person looks at, and what each key does to that. Knows no widget."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lazycelery.engine.api import EngineApi
from lazycelery.keys import Action, Keymap, Scope
from lazycelery.model.action import ActionName, Outcome
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.task import TaskPage, TaskQuery, TaskRow
from lazycelery.model.worker import Worker
from lazycelery.tui import outside
from lazycelery.tui.brokers import Broker, choice
from lazycelery.tui.commands import Commands
from lazycelery.tui.deeds import Deeds
from lazycelery.tui.entry import Entry
from lazycelery.tui.errands import Errands
from lazycelery.tui.filtering import FilterLine
from lazycelery.tui.history import History
from lazycelery.tui.inquiry import Inquiry, Subject
from lazycelery.tui.link import BEAT, EngineProcess, Link, Spawn
from lazycelery.tui.mainside import Item, Known, MainSide, as_json
from lazycelery.tui.marks import MOST, Marks
from lazycelery.tui.menu import Menu
from lazycelery.tui.panes.local import FINDINGS, QUEUES, WORKERS, LocalPane
from lazycelery.tui.panes.pane import Pane
from lazycelery.tui.panes.tasks import TaskPane, quoted
from lazycelery.tui.presentation.findings import Finding
from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.sayings import gone
from lazycelery.tui.presentation.search import whole_texts
from lazycelery.tui.presentation.signs import Signs
from lazycelery.tui.talk import Talk
from lazycelery.tui.views.audit import AuditView
from lazycelery.tui.views.live import LiveView
from lazycelery.tui.views.metrics import MetricsView
from lazycelery.tui.views.start import StartView
from lazycelery.tui.views.view import Views

ORDER: tuple[Scope, ...] = ("workers", "queues", "tasks", "findings")
WIDEST = 2
IN_VIEW = ("back", "filter", "open", "pause", "move.down", "help", "quit")
"""Keys that a full view needs most."""
AT_START = ("open", "move.down", "brokers", "help", "quit", "theme", "move.up", "back", "utc")
"""Actions that mean something while no broker is known, the footer's first."""
START_HINTS = 5
ACTED_ON: dict[str, Scope] = {
    "retry": "tasks",
    "revoke": "tasks",
    "terminate": "tasks",
    "purge": "queues",
    "events": "workers",
}
"""Where the marks are of what an action is done to."""
KINDS: dict[Scope, str] = {"workers": "worker", "queues": "queue", "tasks": "task", "findings": "finding"}


class Surface(Protocol):
    """What the desk lies on."""

    def paint(self) -> None:
        """Show what has changed."""

    def repaint(self) -> None:
        """Send the whole screen again."""

    def copy(self, text: str) -> None:
        """Put a text in the terminal's clipboard."""

    def next_theme(self) -> str:
        """Another theme; returns its name."""

    def themes(self) -> Sequence[str]:
        """Names of all themes."""

    def use_theme(self, name: str) -> None:
        """Turn to a theme."""

    def outside(self, path: Path) -> None:
        """Leave the terminal to the person's pager until it ends."""

    def brokers(self) -> Sequence[Broker]:
        """Profiles that can be opened."""

    def switch(self, name: str) -> None:
        """Bring the desk of a profile to the front."""

    def quit(self) -> None:
        """End."""


class Desk:
    """State of the face: which pane leads, filters, sizes, what is asked. `do_…` is what a key does."""

    def __init__(
        self,
        surface: Surface,
        spawn: Spawn,
        profile: Profile,
        *,
        first: EngineProcess | None = None,
        keys: Keymap | None = None,
        signs: Signs | None = None,
        utc: bool = False,
        beat: float = BEAT,
        history: History | None = None,
    ) -> None:
        self.surface = surface
        self.link = Link(spawn, profile, self.changed, first, beat)
        self.talk = Talk()
        self.errands = Errands(self._failed)
        self.main = MainSide()
        self.inquiry = Inquiry(lambda: self.link.api, self.paint)
        self.detail = Inquiry(lambda: self.link.api, self.paint)
        """What the open tab of a task asks for."""
        self.views = Views(self._unpaused_api, self.errands, self.paint)
        self.deeds = Deeds(self.link, self.talk, self.errands, self.look, self.paint, self._done)
        self.marks = Marks()
        self.filters = FilterLine(self.link, self.talk, self.errands, history or History(), self.show)
        self.commands = Commands(self, self.talk, self.errands, self.filters)
        self.workers: LocalPane[Worker] = LocalPane(WORKERS)
        self.queues: LocalPane[Queue] = LocalPane(QUEUES)
        self.tasks = TaskPane(self._ask_tasks, self._tasks_arrived)
        self.findings: LocalPane[Finding] = LocalPane(FINDINGS)
        self.panes: dict[Scope, Pane] = {
            "workers": self.workers,
            "queues": self.queues,
            "tasks": self.tasks,
            "findings": self.findings,
        }
        self.lead: Scope = "workers"
        """The pane whose selection the main side shows."""
        self.scrolls = False
        """Whether the main side has the keys that move."""
        self.size = 0
        self.paused = False
        self.help = False
        self.dismissed = ""
        """The notice that was waved away."""
        self.keys = keys or Keymap()
        self._signs = signs or Signs()
        self.utc = utc
        self.front = True
        """Whether this desk has the screen; the others go on behind it."""
        self.start: StartView | None = None
        """What is shown while no broker is known."""
        self._origins: list[Scope] = []
        """Where each drill-down of the tasks began."""
        self._size_before = 0

    # ---- what is seen

    def look(self) -> Look:
        """How things are written now."""
        return Look(self.link.truth.now, self._signs, self.utc, self.keys)

    @property
    def pane(self) -> Pane:
        """The leading pane."""
        return self.panes[self.lead]

    @property
    def on_main(self) -> bool:
        """Whether the main side has the keys that move."""
        return self.scrolls or self.help or self.views.open is not None

    @property
    def item(self) -> Item | None:
        """What is selected."""
        if self.lead == "workers":
            return self.workers.item
        if self.lead == "findings":
            return self.findings.item
        return self.queues.item if self.lead == "queues" else self.tasks.item

    @property
    def subject(self) -> Subject | None:
        """Kind and identity of what is selected."""
        key = self.pane.listing.key
        return None if key is None else Subject(self.lead, key)

    @property
    def known(self) -> Known:
        """What has been asked about the selection, and what surrounds it."""
        truth, item = self.link.truth, self.item
        finding = item.notice.subject if isinstance(item, Finding) else None
        names = {finding} if finding else {item.queue, item.worker} if isinstance(item, TaskRow) else set()
        queue = next((one for one in truth.queues or () if one.name in names), None)
        worker = next((one for one in truth.workers or () if one.name in names), None)
        return Known(self.inquiry, self.detail, queue, worker)

    @property
    def allowed(self) -> list[str]:
        """Permissions open now."""
        overview = self.link.truth.overview
        return [] if overview is None or overview.read_only else overview.allowed

    @property
    def hints(self) -> list[Action]:
        """The keys that the footer names."""
        if self.start is not None:
            return [self.keys[name] for name in AT_START[:START_HINTS]]
        if self.views.open is not None:
            return [self.keys[name] for name in IN_VIEW]
        return self.keys.footer(self.lead, self.allowed)

    # ---- what the engine says

    def _unpaused_api(self) -> EngineApi | None:
        return None if self.paused else self.link.api

    async def _ask_tasks(self, query: TaskQuery) -> TaskPage:
        api = self.link.api
        if api is None:
            raise gone()
        return await api.tasks(query)

    def changed(self, *, tasks: bool, workers: bool, queues: bool, status: bool) -> None:
        """The truth is newer; take up what is shown."""
        if self.paused:
            return
        truth = self.link.truth
        if workers and truth.workers is not None:
            self.workers.take(truth.workers)
        if queues and truth.queues is not None:
            self.queues.take(truth.queues)
        if truth.overview is not None:
            self.findings.take([Finding(notice) for notice in truth.overview.notices])
        if tasks:
            self.tasks.window.ask()
        if (workers and self.lead == "workers") or (queues and self._peeking):
            self.inquiry.again()
        self.show()

    @property
    def _peeking(self) -> bool:
        return self.lead == "queues" and self.main.tabs["queues"] == 1

    def _tasks_arrived(self) -> None:
        if self.paused:
            return
        row, seen = self.tasks.item, self._stamp
        self._stamp = None if row is None else (row.id, row.stamp)
        if self.lead == "tasks" and seen is not None and self._stamp != seen:
            self.inquiry.again()
            self.detail.again()
        self.show()

    _stamp: tuple[str, int] | None = None

    def paint(self) -> None:
        """Show what has changed, when this desk is in front."""
        if self.front:
            self.surface.paint()

    def begin(self, start: StartView) -> None:
        """There is no broker yet: show what can be opened."""
        # It is opened without `show`: there is nothing to follow, and no event loop yet.
        self.start = self.views.open = start

    def show(self) -> None:
        """Turn the main side to the selection, and paint."""
        subject = self.subject
        asked = (
            subject is not None and subject.kind != "findings" and (subject.kind != "queues" or self._peeking)
        )
        wanted = subject if asked else None
        self.inquiry.about(wanted)
        more = self.main.detail_wanted(self.lead)
        self.detail.about(None if more is None or subject is None else Subject(more, subject.key))
        self.paint()

    def _failed(self, text: str) -> None:
        self.talk.say(text, "fail")
        self.paint()

    def grow_older(self, now: float) -> None:
        """Time has passed: ages move on."""
        if not self.paused:
            self.link.truth.now = now
            self.paint()

    # ---- keys

    def press(self, chord: str, character: str | None) -> None:
        """A key. Questions and prompts take them all; else the table says what it does."""
        if self.talk.listens:
            self.talk.press(chord, character)
        else:
            action = self._meant(chord)
            self.talk.message = None
            self.deeds.forget()
            if action is not None:
                self.perform(action)
        self.show()

    def _meant(self, chord: str) -> Action | None:
        action = self.keys.find(chord, self.lead)
        if self.start is None:
            return action
        known = action is not None and action.id in AT_START
        return None if self.start.press(chord) or not known else action

    def perform(self, action: Action) -> None:
        """Do what an action says, when it may be done."""
        if self.deeds.permitted(action):
            getattr(self, "do_" + action.id.replace(".", "_"))()

    # ---- what commands ask for

    def names(self, kind: str) -> Sequence[str]:
        """Names of `workers`, `queues` or `themes`."""
        if kind == "themes":
            return self.surface.themes()
        truth = self.link.truth
        return [one.name for one in (truth.workers if kind == "workers" else truth.queues) or ()]

    def visit(self, scope: Scope, name: str) -> None:
        """Put the cursor on a thing, whatever filter hides it."""
        self._lead(scope)
        rows = self.pane.listing.rows
        while rows.index_of(name) is None and self.pane.step_back():
            pass
        self.pane.listing.go(rows.index_of(name) or 0)

    def filter_tasks(self, text: str) -> None:
        """Go to the tasks, those that match."""
        self._lead("tasks")
        if text:
            self.errands.run(self.filters.apply(self.tasks, text))

    def use_theme(self, name: str) -> None:
        """Turn to a theme."""
        self.surface.use_theme(name)

    def purge(self, name: str) -> None:
        """Purge a queue, after a question."""
        if self.deeds.permitted(self.keys["purge"]):
            self.deeds.order("purge", [name])

    # ---- the mouse

    def select(self, scope: Scope, index: int, again: bool) -> None:
        """A line was clicked; a second time opens it."""
        self._lead(scope)
        self.pane.listing.go(index)
        if again:
            self.do_open()
        self.show()

    def point(self, scope: Scope, index: int) -> None:
        """A line was clicked with the other button: what is possible with it."""
        self.select(scope, index, again=False)
        self.do_menu()
        self.show()

    # ---- panes

    def _lead(self, scope: Scope) -> None:
        self.lead, self.scrolls, self.help = scope, False, False
        self.views.close()

    def do_pane_workers(self) -> None:  # noqa: D102 - the table of actions says what each does
        self._lead("workers")

    def do_pane_queues(self) -> None:  # noqa: D102
        self._lead("queues")

    def do_pane_tasks(self) -> None:  # noqa: D102
        self._lead("tasks")

    def do_pane_findings(self) -> None:  # noqa: D102
        self._lead("findings")

    def do_pane_next(self) -> None:  # noqa: D102
        self._step_pane(1)

    def do_pane_previous(self) -> None:  # noqa: D102
        self._step_pane(-1)

    def _step_pane(self, step: int) -> None:
        here = len(ORDER) if self.on_main else ORDER.index(self.lead)
        there = (here + step) % (len(ORDER) + 1)
        if there == len(ORDER):
            self.scrolls = True
        else:
            self._lead(ORDER[there])

    # ---- moving

    def _move(self, lines: int) -> None:
        if self.views.open is not None and not self.help:
            self.views.open.move(lines)
        elif self.on_main:
            self.main.scroll(lines)
        else:
            self.pane.listing.move(lines)

    def _page(self, pages: float) -> None:
        if self.views.open is not None and not self.help:
            self.views.open.turn(pages)
        elif self.on_main:
            self.main.scroll(round(pages * self.main.page))
        else:
            self.pane.listing.pages(pages)

    def do_move_down(self) -> None:  # noqa: D102
        self._move(1)

    def do_move_up(self) -> None:  # noqa: D102
        self._move(-1)

    def do_move_half_down(self) -> None:  # noqa: D102
        self._page(0.5)

    def do_move_half_up(self) -> None:  # noqa: D102
        self._page(-0.5)

    def do_move_page_down(self) -> None:  # noqa: D102
        self._page(1)

    def do_move_page_up(self) -> None:  # noqa: D102
        self._page(-1)

    def do_move_top(self) -> None:  # noqa: D102
        self._move(-(1 << 40))

    def do_move_bottom(self) -> None:  # noqa: D102
        self._move(1 << 40)

    def do_main_down(self) -> None:  # noqa: D102
        self._move(1) if self.views.open is not None else self.main.scroll(1)

    def do_main_up(self) -> None:  # noqa: D102
        self._move(-1) if self.views.open is not None else self.main.scroll(-1)

    def do_tab_next(self) -> None:  # noqa: D102
        self.main.turn(self.lead, 1)

    def do_tab_previous(self) -> None:  # noqa: D102
        self.main.turn(self.lead, -1)

    # ---- opening, stepping back

    def do_open(self) -> None:  # noqa: D102
        item = self.item
        if self.views.open is not None:
            self.views.open.enter()
            return
        if item is None or self.on_main:
            return
        if isinstance(item, Worker):
            self._drill(quoted("worker", item.name))
        elif isinstance(item, Queue):
            self._drill(quoted("queue", item.name))
        elif isinstance(item, Finding):
            self._go_to_subject()
        else:
            self._size_before, self.size, self.scrolls = self.size, WIDEST, True

    def _drill(self, filter: str) -> None:
        self._origins.append(self.lead)
        self._lead("tasks")
        self.tasks.push(filter)

    def _go_to_subject(self) -> None:
        known = self.known
        found = known.worker or known.queue
        if found is None:
            self.talk.say("It is about no single worker or queue.", "dim")
            return
        self._lead("workers" if isinstance(found, Worker) else "queues")
        self.visit(self.lead, found.name)

    def do_back(self) -> None:  # noqa: D102
        if self.help:
            self.help = False
        elif self.views.back():
            pass
        elif self.scrolls and self.main.needle:
            self.main.needle = ""
        elif self.scrolls:
            self.scrolls, self.size = False, self._size_before
            self._size_before = 0
        elif self.marks.clear(self.lead) or self._step_out() or self.pane.step_back():
            pass
        elif self.size:
            self.size = 0
        elif self.link.truth.overview is not None:
            self.dismissed = notice_key(self)

    def _step_out(self) -> bool:
        """Leave a drill-down for where it began, once nothing typed is left to take away."""
        tasks = self.tasks
        if self.lead != "tasks" or not self._origins or tasks.filter or tasks.faults or not tasks.pushed:
            return False
        tasks.step_back()
        self._lead(self._origins.pop())
        return True

    # ---- filters, order, sizes

    def do_view_live(self) -> None:  # noqa: D102
        self.views.show(LiveView())

    def do_view_audit(self) -> None:  # noqa: D102
        self.views.show(AuditView())

    def do_view_metrics(self) -> None:  # noqa: D102
        self.views.show(MetricsView())

    def do_filter(self) -> None:  # noqa: D102
        if self.views.open is not None:
            self.talk.typing = self.views.typing()
            return
        if self.scrolls:
            self.talk.typing = self._search_line()
            return
        self._lead(self.lead)
        self.filters.open(self.pane)

    def do_command(self) -> None:  # noqa: D102
        self.commands.open()

    def do_palette(self) -> None:  # noqa: D102
        self.commands.open(palette=True)

    def _search_line(self) -> Entry:
        main, before = self.main, (self.main.needle, self.main.top)

        def change(text: str) -> None:
            main.top = before[1]
            entry.note = said if (said := main.search(text)).endswith("here.") else ""

        def end(text: str, entered: bool) -> None:
            if entered and text:
                self.talk.say(main.hit(0), "dim")
            elif not entered:
                main.needle, main.top = before

        entry = Entry(" Search/", "", end, change=change)
        return entry

    def do_hit_next(self) -> None:  # noqa: D102
        self.talk.say(self.main.hit(1), "dim")

    def do_hit_previous(self) -> None:  # noqa: D102
        self.talk.say(self.main.hit(-1), "dim")

    def do_wrap(self) -> None:  # noqa: D102
        self.main.wrap = not self.main.wrap
        self.talk.say("Long lines are folded" if self.main.wrap else "Long lines are cut at the edge", "dim")

    def do_outside(self) -> None:  # noqa: D102
        if self.main.shown is None or self.views.open is not None:
            self.talk.say("There is nothing to open.", "dim")
        else:
            self.errands.run(self._show_outside(self.main.shown.body))

    async def _show_outside(self, body: Sequence[Line]) -> None:
        path = await asyncio.to_thread(lambda: outside.write(whole_texts(body)))
        try:
            self.surface.outside(path)
        finally:
            outside.remove(path)

    def do_faults(self) -> None:  # noqa: D102
        self.pane.toggle_faults()

    def do_sort(self) -> None:  # noqa: D102
        self.talk.say(f"Sorted by {self.pane.next_sort()}.", "dim")

    def do_size_grow(self) -> None:  # noqa: D102
        self.size = min(WIDEST, self.size + 1)

    def do_size_shrink(self) -> None:  # noqa: D102
        self.size = max(0, self.size - 1)

    def do_size_alone(self) -> None:  # noqa: D102
        self.size = 0 if self.size == WIDEST else WIDEST

    # ---- the rest

    def do_copy_id(self) -> None:  # noqa: D102
        if (key := self.pane.listing.key) is not None:
            self.surface.copy(key)
            self.talk.say(f"Copied {key}", "dim")

    def do_copy_json(self) -> None:  # noqa: D102
        if (item := self.item) is not None:
            text = as_json(item, self.inquiry.answer)
            self.surface.copy(text)
            self.talk.say(f"Copied {len(text):,} characters of JSON", "dim")

    def do_refresh(self) -> None:  # noqa: D102
        self.surface.repaint()
        if self.link.api is not None:
            self.errands.run(self.link.api.refresh())
            self.tasks.window.ask()
            self.inquiry.again()
            self.talk.say("Asking again …", "dim")

    def do_pause(self) -> None:  # noqa: D102
        if self.views.open is not None and (said := self.views.open.hold()):
            self.talk.say(said, "dim")
            return
        self.paused = not self.paused
        if not self.paused:
            self.changed(tasks=True, workers=True, queues=True, status=True)

    def do_brokers(self) -> None:  # noqa: D102
        listed = self.surface.brokers()
        if len(listed) > 1 or (self.start is not None and listed):
            self.talk.typing = choice(listed, self.surface.switch)
        else:
            self.talk.say("There is no other profile. lazycelery config init writes a file for them.", "dim")

    def do_theme(self) -> None:  # noqa: D102
        self.talk.say(f"Theme {self.surface.next_theme()}", "dim")

    def do_utc(self) -> None:  # noqa: D102
        self.utc = not self.utc
        self.talk.say("Times in UTC" if self.utc else "Times are local", "dim")

    def do_mark(self) -> None:  # noqa: D102
        listing = self.pane.listing
        if listing.key is not None and self.views.open is None:
            self.marks.turn(self.lead, listing.key)
            listing.move(1)

    def do_mark_all(self) -> None:  # noqa: D102
        if self.views.open is not None:
            return
        if self.lead == "tasks":
            self.errands.run(self._mark_tasks())
        else:
            rows = self.pane.listing.rows
            keys = (rows.key_at(line) for line in range(rows.total))
            self.marks.add(self.lead, (key for key in keys if key is not None))

    async def _mark_tasks(self) -> None:
        asked = self.tasks.window.query
        query = TaskQuery(filter=asked.filter, sort=asked.sort, reverse=asked.reverse, limit=MOST)
        page = await self._ask_tasks(query)
        self.marks.add("tasks", [row.id for row in page.rows])
        if page.matched > len(page.rows):
            told = f"Marked the first {len(page.rows):,} of {page.matched:,}; one plan takes no more."
            self.talk.say(told, "warn")
        self.show()

    def do_menu(self) -> None:  # noqa: D102
        key = self.pane.listing.key
        if key is None:
            self.talk.say("Nothing is selected.", "warn")
        else:
            choices = [self.deeds.offer(action) for action in self.keys.menu(self.lead)]
            marked = len(self.marks.of(self.lead))
            title = f"{marked:,} marked {self.lead}" if marked else f"{KINDS[self.lead]} {key}"
            self.talk.menu = Menu(title, choices, self.keys, self.perform)

    def do_help(self) -> None:  # noqa: D102
        self.help = not self.help

    def do_quit(self) -> None:  # noqa: D102
        self.surface.quit()

    def do_peek(self) -> None:  # noqa: D102
        self.main.open("queues", "Messages")

    # ---- dangerous ones: Deeds has checked the permission, and asks

    def do_unlock(self) -> None:  # noqa: D102
        self.deeds.unlock()

    def do_events(self) -> None:  # noqa: D102
        marked = list(self.marks.of("workers"))
        overview, workers = self.link.truth.overview, self.link.truth.workers or []
        on = overview is not None and overview.events_enabled
        if marked:
            on = all(one.events for one in workers if one.name in marked)
        self.deeds.order("events", marked, on=not on)

    def do_undo(self) -> None:  # noqa: D102
        if self.deeds.backup is None:
            self.talk.say("Nothing was purged in this session.", "warn")
        else:
            self.deeds.order("restore", [self.deeds.backup])

    def do_purge(self) -> None:  # noqa: D102
        if len(self.marks.of("queues")) > 1:
            self.talk.say("A purge takes one queue at a time. Nothing was done.", "warn")
        else:
            self._order("purge")

    def do_retry(self) -> None:  # noqa: D102
        self._order("retry")

    def do_revoke(self) -> None:  # noqa: D102
        self._order("revoke")

    def do_terminate(self) -> None:  # noqa: D102
        self._order("terminate", signal="SIGTERM")

    def _order(self, name: ActionName, **params: str) -> None:
        """To all that are marked, or to what the cursor is on."""
        key = self.pane.listing.key
        targets = list(self.marks.of(self.lead)) or ([key] if key is not None else [])
        if targets:
            self.deeds.order(name, targets, **params)
        else:
            self.talk.say("Nothing is selected.", "warn")

    def _done(self, outcome: Outcome) -> None:
        """What succeeded loses its mark."""
        failed = {item.target for item in outcome.items if not item.ok}
        scope = ACTED_ON.get(outcome.action)
        if scope is not None and (failed or not outcome.failed):
            self.marks.keep(scope, failed)


def notice_key(desk: Desk) -> str:
    """What the present notices are, to know when there are others."""
    overview = desk.link.truth.overview
    return "" if overview is None else "|".join(f"{n.code}:{n.subject}" for n in overview.notices)
