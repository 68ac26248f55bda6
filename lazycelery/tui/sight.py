"""What a person looks at, and how it follows what the engine says. Knows no widget."""

from __future__ import annotations

from typing import NamedTuple

from lazycelery.config.views import Shelf
from lazycelery.engine.api import EngineApi
from lazycelery.keys import Action, Keymap, Scope
from lazycelery.model.action import Outcome
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.reel import Reel
from lazycelery.model.task import TaskPage, TaskQuery
from lazycelery.model.worker import Worker
from lazycelery.tui.deeds import Deeds
from lazycelery.tui.errands import Errands
from lazycelery.tui.filtering import FilterLine
from lazycelery.tui.hints import hints
from lazycelery.tui.history import History
from lazycelery.tui.inquiry import Inquiry, Subject
from lazycelery.tui.link import BEAT, EngineProcess, Link, Spawn
from lazycelery.tui.mainside import Item, Known, MainSide
from lazycelery.tui.marks import Marks
from lazycelery.tui.panes.local import FINDINGS, QUEUES, WORKERS, LocalPane
from lazycelery.tui.panes.pane import Pane
from lazycelery.tui.panes.tasks import TaskPane
from lazycelery.tui.presentation.findings import Finding, items
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.sayings import gone
from lazycelery.tui.presentation.signs import Signs
from lazycelery.tui.saved import SavedViews
from lazycelery.tui.surface import Surface
from lazycelery.tui.talk import Talk
from lazycelery.tui.views.beat import BeatView
from lazycelery.tui.views.clusters import ClustersView
from lazycelery.tui.views.errors import ErrorsView
from lazycelery.tui.views.start import StartView
from lazycelery.tui.views.view import Marking, View, Views

ORDER: tuple[Scope, ...] = ("workers", "queues", "tasks", "findings")
ACTED_ON: dict[str, Scope] = {
    "retry": "tasks",
    "revoke": "tasks",
    "terminate": "tasks",
    "purge": "queues",
    "events": "workers",
    "pool": "workers",
    "consumers": "workers",
    "shutdown": "workers",
    "beat": "beat",
}
"""Where the marks are of what an action is done to."""


class Step(NamedTuple):
    """One step into a thing: the pane it began in, and the view that was open there."""

    lead: Scope
    view: View | None = None
    there: tuple[Scope, str, bool] | None = None
    """The pane it led to with what it filters; `None` for a drill-down, which is a filter of the tasks."""


class Sight:
    """State of the face: which pane leads, filters, sizes, what is asked."""

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
        shelf: Shelf | None = None,
    ) -> None:
        self.surface = surface
        self.link = Link(spawn, profile, self.changed, first, beat)
        self.services = profile.workers
        """How workers are started and stopped outside of Celery."""
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
        self.workers: LocalPane[Worker] = LocalPane(WORKERS)
        self.queues: LocalPane[Queue] = LocalPane(QUEUES)
        self.tasks = TaskPane(self._ask_tasks, self._tasks_arrived)
        self.findings: LocalPane[Finding] = LocalPane(FINDINGS)
        self.saved = SavedViews(shelf or Shelf(), self.tasks, self.talk, self.errands, self.look, self.show)
        self.panes: dict[Scope, Pane] = {
            "workers": self.workers,
            "queues": self.queues,
            "tasks": self.tasks,
            "findings": self.findings,
        }
        self.unfolded = False
        """Whether snoozed findings are shown."""
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
        self.start: StartView | None = None
        """What is shown while no broker is known."""
        self._trail: list[Step] = []
        """The way that `open` led, oldest first: `back` goes it backwards."""
        self._size_before = 0

    listed = paged = True
    """Whether the leading list, and the page of what is selected, are in sight: the screen tells."""

    keys_pressed = 0
    """To know whether one came while something was awaited."""

    # ---- which desk has the screen

    @property
    def front(self) -> bool:
        """Whether this desk has the screen; the others go on behind it."""
        return self.link.front

    def come(self) -> None:
        """Have the screen. What was seen before is shown until the engine has told what is new."""
        self.link.front = True
        self.link.truth.now = self.link.now()
        self.show()

    def leave(self) -> None:
        """Leave the screen to another desk. A question that waits is dropped: its answer would be meant
        for what is seen then."""
        self.link.front = False
        self.keys_pressed += 1
        self.deeds.forget()
        if isinstance(self.views.open, ClustersView):
            self.views.close()
        if self.talk.drop():
            self.talk.say("The question was dropped when you went to another cluster.", "warn")

    @property
    def scope(self) -> Scope:
        """Where keys are looked up: the pane that leads, or the list of clusters, of beat, of errors."""
        if isinstance(self.views.open, BeatView):
            return "beat"
        if isinstance(self.views.open, ErrorsView):
            return "errors"
        return "clusters" if isinstance(self.views.open, ClustersView) else self.lead

    # ---- what is seen

    @property
    def reel(self) -> Reel | None:
        """The recording that plays, or `None`."""
        overview = self.link.truth.overview
        return overview.reel if overview is not None else None

    def origin(self, scope: Scope) -> int | None:
        """The number of the pane that a step back from this one leads to."""
        last = self._trail[-1] if self._trail else None
        there = last is not None and last.there is not None and last.there[0] == scope == self.lead
        return self.panes[last.lead].number if last is not None and there else None

    _written: Look | None = None

    def look(self) -> Look:
        """How things are written now: the same object for as long as that is the same."""
        truth = self.link.truth
        as_of, last = truth.as_of, self._written
        if last is None or (last.now, last.utc, last.as_of) != (truth.now, self.utc, as_of):
            last = self._written = Look(truth.now, self._signs, self.utc, self.keys, as_of=as_of)
        return last

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
    def marked(self) -> list[str]:
        """What is marked in the list in front, while it is in sight: a page alone speaks of one thing."""
        view = self.views.open
        if view is not None:
            return list(self.marks.of(self.scope)) if isinstance(view, Marking) and not view.inside else []
        return list(self.marks.of(self.lead)) if self.listed else []

    @property
    def subject(self) -> Subject | None:
        """Kind and identity of what is selected."""
        key = self.pane.listing.key
        return None if key is None else Subject(self.lead, key)

    @property
    def known(self) -> Known:
        """What has been asked about the selection, and what surrounds it."""
        truth, item = self.link.truth, self.item
        name = item.notice.subject if isinstance(item, Finding) else ""
        queue = next((one for one in truth.queues or () if name and one.name == name), None)
        worker = next((one for one in truth.workers or () if name and one.name == name), None)
        return Known(self.inquiry, self.detail, queue, worker)

    @property
    def allowed(self) -> list[str]:
        """Permissions open now."""
        overview = self.link.truth.overview
        return [] if overview is None or overview.read_only else overview.allowed

    @property
    def hints(self) -> list[Action]:
        """The keys that the footer names."""
        return hints(self)

    @property
    def awaited(self) -> bool:
        """Whether what the next key is about is still on its way."""
        if self.errands.due or (self.views.awaited and not self.help):
            return True
        return self.lead == "tasks" and not self.on_main and self.tasks.awaited

    # ---- what the engine says

    def _unpaused_api(self) -> EngineApi | None:
        return None if self.paused or not self.front else self.link.api

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
        if truth.connected and not self._was_connected:
            self.talk.forget_failure()
        self._was_connected = truth.connected
        self._pin()
        if workers and truth.workers is not None:
            self.workers.take(truth.workers)
        if queues and truth.queues is not None:
            self.queues.take(truth.queues)
        if truth.overview is not None:
            self.findings.take(items(truth.overview, self.unfolded))
        self._tell_over()
        if tasks:
            self.tasks.window.ask()
        if (workers and self.lead == "workers") or (queues and self._peeking):
            if self._went_or_came():
                self.inquiry.stop()  # A worker that went answers nothing; why it went is known at once.
            self.inquiry.again()
        else:
            self._look_around()
        if self.detail.subject is not None and self.detail.subject.kind == "log":
            self.detail.again()  # Followed: whatever changes, it may have said something.
        self.show()

    def _went_or_came(self) -> bool:
        """Whether the selected worker went, or came back, since the last look."""
        seen, item = self._worker, self.item
        self._worker = (item.name, item.state == "offline") if isinstance(item, Worker) else None
        return seen is not None and self._worker == (seen[0], not seen[1])

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

    def _tell_over(self) -> None:
        """Say it once when what a page is about is gone."""
        pane = self.pane
        over = pane.listing.key if pane.over else None
        if over is not None and over != self._over:
            self.talk.say("It is not there any more: this is how it was last seen.", "warn")
        self._over = over

    _over: str | None = None
    _stamp: tuple[str, int] | None = None
    _was_connected = False
    _worker: tuple[str, bool] | None = None
    """The worker that was selected, and whether it was gone."""

    def paint(self) -> None:
        """Show what has changed; behind another desk, no more than its tab and its line."""
        self.surface.paint()

    def begin(self, start: StartView) -> None:
        """There is no broker yet: show what can be opened."""
        # It is opened without `show`: there is nothing to follow, and no event loop yet.
        self.start = self.views.open = start

    def _pin(self) -> None:
        """What is asked about, has its menu open or its page read, stays under the cursor and on the main
        side."""
        talk = self.talk
        held = talk.asked is not None or talk.menu is not None or self.deeds.planning or self.scrolls
        for scope, pane in self.panes.items():
            listing, pinned = pane.listing, held and scope == self.lead
            if pinned:
                listing.hold()
            was, listing.pinned = listing.lost, pinned
            if was and not pinned:
                listing.settle()

    def show(self) -> None:
        """Turn the main side to the selection, and paint."""
        self._pin()
        subject, item = self.subject, self.item
        coming = self.lead == "tasks" and self.tasks.awaited  # The row in its place is still the one before.
        if subject is not None and item is not None and not coming:
            self.main.about(self.lead, subject.key, item)
        self.inquiry.about(self._asked(subject))
        more = self.main.detail_wanted(self.lead)
        self.detail.about(None if more is None or subject is None else Subject(more, subject.key))
        self.paint()

    def _asked(self, subject: Subject | None) -> Subject | None:
        """What is asked about the selection: its lists, its messages, or only where it is and why."""
        if subject is None:
            return None
        if subject.kind == "findings":
            known = self.known
            if (found := known.worker or known.queue) is None:
                return None
            return Subject("worker" if isinstance(found, Worker) else "queue", found.name)
        if subject.kind == "queues" and not self._peeking:
            return Subject("queue", subject.key)
        return subject

    def _look_around(self) -> None:
        """Something has changed, or time has passed: a verdict may be another one."""
        if self.front and (self.main.tabs[self.lead] == 0 or self.pane.listing.lost):
            self.inquiry.again(whole=False)

    def _failed(self, text: str) -> None:
        self.talk.say(text, "fail")
        self.paint()

    def grow_older(self, now: float) -> None:
        """Time has passed: ages move on."""
        if not self.paused:
            self.link.truth.now = now
            self._look_around()
            self.paint()

    def _done(self, outcome: Outcome) -> None:
        """What succeeded loses its mark; what it was not done to keeps it."""
        failed = {item.target for item in outcome.items if not item.ok}
        done = {item.target for item in outcome.items if item.ok} - failed
        scope = ACTED_ON.get(outcome.action)
        if scope is not None:
            self.marks.keep(scope, set(self.marks.of(scope)) - done)


def notice_key(sight: Sight) -> str:
    """What the present notices are, to know when there are others."""
    overview = sight.link.truth.overview
    return "" if overview is None else "|".join(f"{n.code}:{n.subject}" for n in overview.notices)
