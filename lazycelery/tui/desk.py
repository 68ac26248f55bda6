"""The desk: what each key does to what a person looks at. Knows no widget."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property

from lazycelery.keys import Action, Scope, symbol
from lazycelery.model.action import ActionName
from lazycelery.model.beat import BeatEntry
from lazycelery.model.task import TaskQuery
from lazycelery.tui import outside
from lazycelery.tui.commands import Commands
from lazycelery.tui.entry import Entry
from lazycelery.tui.mainside import as_json
from lazycelery.tui.marks import MOST
from lazycelery.tui.menu import Menu
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.search import whole_texts
from lazycelery.tui.projection import Projection
from lazycelery.tui.sight import AT_START
from lazycelery.tui.unseen import InSight, unseen
from lazycelery.tui.views.beat import BeatView
from lazycelery.tui.views.clusters import ClustersView
from lazycelery.tui.views.live import LiveView

TO_ONE = ("copy.id", "copy.json", "mark")
"""Actions that exist everywhere and are about what is selected."""
KINDS: dict[Scope, str] = {"workers": "worker", "queues": "queue", "tasks": "task", "findings": "finding"}


class Desk(Projection):
    """`do_…` is what a key does."""

    def retire(self) -> None:
        """Give up everything that runs for this desk."""
        for asking in (self.inquiry, self.detail, self.tasks.window, self.errands):
            asking.stop()

    @cached_property
    def commands(self) -> Commands:
        """The command line."""
        return Commands(self, self.talk, self.errands, self.filters)

    # ---- keys

    def press(self, chord: str, character: str | None) -> None:
        """A key. Questions and prompts take them all; else the table says what it does."""
        self.keys_pressed += 1
        if self.talk.listens:
            self.talk.press(chord, character)
        else:
            action = self._meant(chord)
            self.talk.message = None
            self.deeds.forget()
            if action is not None:
                self.perform(action)
            elif self.start is None:
                self._say_instead(chord)
        self.show()

    def _say_instead(self, chord: str) -> None:
        # As with views that nobody has opened yet: the first frame does not wait for it.
        from lazycelery.coming_from import instead

        if said := instead(chord, self.keys, self.scope):
            self.talk.say(said, "dim")

    def _meant(self, chord: str) -> Action | None:
        action = self.keys.find(chord, self.scope)
        if action is None and self.reel is not None:
            action = self.keys.find(chord, "replay")
        if self.start is None:
            return action
        known = action is not None and action.id in AT_START
        return None if self.start.press(chord) or not known else action

    def perform(self, action: Action) -> None:
        """Do what an action says, when it may be done."""
        if self.views.open is not None and (action.scope in KINDS or action.id in TO_ONE):
            # What is selected is hidden behind the view.
            self.talk.say(f"Nothing is selected here. {self.look().key('back')} leaves this view.", "dim")
        elif self.help and not self.listed and (action.scope == self.scope or action.id in TO_ONE):
            said = f"What is selected is behind this help. {self.look().key('back')} leaves it."
            self.talk.say(said, "dim")
        elif why := self._out_of_sight(action):
            self.talk.say(why, "dim")
        elif self.deeds.permitted(action):
            getattr(self, "do_" + action.id.replace(".", "_"))()

    def _out_of_sight(self, action: Action) -> str:
        if self.start is not None or (self.errors is not None and action.id == "sort"):
            return ""
        seen = InSight(self.listed, self.paged, self.views.open is not None, self.help)
        return unseen(action.id, seen, self.look())

    # ---- what commands ask for

    def names(self, kind: str) -> Sequence[str]:
        """Names of `workers`, `queues`, `themes`, `clusters`, `orders` or saved `views`."""
        if kind == "clusters":
            return [line.name for line in self.surface.clusters()]
        if kind == "themes":
            return self.surface.themes()
        if kind == "views":
            return self.saved.names
        if kind == "orders":
            return self.pane.ordering.names
        truth = self.link.truth
        return [one.name for one in (truth.workers if kind == "workers" else truth.queues) or ()]

    def filter_tasks(self, text: str) -> None:
        """Go to the tasks, those that match."""
        self._lead("tasks")
        if text:
            self.errands.run(self.filters.apply(self.tasks, text))

    def sort_as(self, name: str) -> None:
        """Sort the leading list by an order of this name; again from the other end."""
        self.pane.ordering.choose(name)
        self._sorted()

    def show_view(self, name: str) -> None:
        """Show a saved view in place of all filters of the tasks."""
        view = self.saved.get(name)
        self._lead("tasks")
        self.errands.run(self.filters.show(self.tasks, view))

    def do_views(self) -> None:  # noqa: D102
        self.talk.typing = self.saved.choose(self.commands.saying(self.show_view))

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

    # ---- views, filters, order

    def do_view_live(self) -> None:  # noqa: D102
        self._show_view(LiveView())

    def do_view_audit(self) -> None:  # noqa: D102
        from lazycelery.tui.views.audit import AuditView

        self._show_view(AuditView())

    def do_view_beat(self) -> None:  # noqa: D102
        self._show_view(BeatView())

    def do_view_metrics(self) -> None:  # noqa: D102
        from lazycelery.tui.views.metrics import MetricsView

        self._show_view(MetricsView())

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
        self._go_to_hit(1)

    def do_hit_previous(self) -> None:  # noqa: D102
        self._go_to_hit(-1)

    def _go_to_hit(self, step: int) -> None:
        """On the main side what is searched for; in a list each line that its filter leaves is a hit."""
        view = self.views.open
        if view is not None:
            if view.filter:
                view.move(step)
            else:
                self.talk.say(self._nothing_searched, "dim")
        elif self.scrolls or self.main.needle:
            self.talk.say(self.main.hit(step), "dim")
        elif self.pane.crumbs and (total := self.pane.listing.rows.total):
            self.pane.listing.go((self.pane.listing.cursor + step) % total)
            self.talk.say(f"Hit {self.pane.listing.cursor + 1:,} of {total:,}", "dim")
        else:
            self.talk.say(self._nothing_searched, "dim")

    @property
    def _nothing_searched(self) -> str:
        look = self.look()
        return f"Nothing is searched for. {look.key('filter')} filters a list, and searches an opened page."

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
            await self.surface.outside(path)
        finally:
            outside.remove(path)

    def do_faults(self) -> None:  # noqa: D102
        self.pane.toggle_faults()

    def do_sort(self) -> None:  # noqa: D102
        if self.errors is not None:
            if self._grouped(self.errors):
                self.talk.say(f"Errors: {self.errors.sort()}", "dim")
                self.views.again()
            return
        self.pane.ordering.next()
        self._sorted()

    def do_sort_reverse(self) -> None:  # noqa: D102
        self.pane.ordering.choose(self.pane.ordering.name)
        self._sorted()

    def sort_by(self, scope: Scope, title: str) -> None:
        """The name of a column was clicked: sort by it; again from the other end."""
        self._lead(scope)
        ordering = self.pane.ordering
        name = ordering.led_by(title)
        if name is None:
            self.talk.say(f"{title or 'That column'} cannot lead; {ordering.titles} can.", "dim")
        else:
            ordering.choose(name)
            self._sorted()
        self.show()

    def _sorted(self) -> None:
        self.pane.sort()
        key = symbol(self.keys["sort.reverse"].keys[0])
        self.talk.say(f"Sorted {self.pane.ordering.text}. {key} turns it round.", "dim")

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
        if self.scope == "clusters":
            self.views.close()
            return
        surface = self.surface
        if len(surface.clusters()) < 2:
            self.talk.say("There is no other profile. lazycelery config init writes a file for them.", "dim")
            return
        self._show_view(ClustersView(surface.clusters, surface.bring, surface.close_cluster))

    def go_to_cluster(self, name: str) -> None:
        """Bring a cluster to the front."""
        self.surface.bring(name)

    def do_cluster_next(self) -> None:  # noqa: D102
        self.surface.step_cluster(1)

    def do_cluster_previous(self) -> None:  # noqa: D102
        self.surface.step_cluster(-1)

    def do_cluster_close(self) -> None:  # noqa: D102
        if isinstance(self.views.open, ClustersView):
            self.views.open.end()

    def do_beat_run(self) -> None:  # noqa: D102
        if (entry := self._entry) is not None:
            self.deeds.order("send", [], entry=entry.name)

    def do_beat_switch(self) -> None:  # noqa: D102
        if (entry := self._entry) is not None:
            self.deeds.order("beat", [entry.name], do="enable" if entry.enabled is False else "disable")

    @property
    def _entry(self) -> BeatEntry | None:
        """What the cursor is on in the list of beat."""
        entry = self.views.open.entry if isinstance(self.views.open, BeatView) else None
        if entry is None:
            self.talk.say("Nothing is selected.", "warn")
        return entry

    def do_theme(self) -> None:  # noqa: D102
        self.talk.say(f"Theme {self.surface.next_theme()}", "dim")

    def do_utc(self) -> None:  # noqa: D102
        self.utc = not self.utc
        self.talk.say("Times in UTC" if self.utc else "Times are local", "dim")

    def do_mark(self) -> None:  # noqa: D102
        listing = self.pane.listing
        if listing.key is None:
            self.talk.say("Nothing is selected.", "dim")
            return
        self.marks.turn(self.lead, listing.key)
        if self.listed:
            listing.move(1)
        else:  # What is seen stays; its mark is in the list.
            is_marked = listing.key in self.marks.of(self.lead)
            self.talk.say("Marked." if is_marked else "Not marked any more.", "dim")

    def do_mark_all(self) -> None:  # noqa: D102
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
        if self.scope in ("clusters", "beat"):
            self.do_open()
            return
        if self.errors is not None:
            self._group_menu(self.perform)
            return
        key = self.pane.listing.key if self.views.open is None else None
        if key is None:
            self.talk.say("Nothing is selected.", "warn")
        else:
            choices = [self.deeds.offer(action) for action in self.keys.menu(self.lead)]
            marked = len(self.marked)
            kind = KINDS[self.lead]
            title = q.counted(marked, f"marked {kind}") if marked else f"{kind} {key}"
            self.talk.menu = Menu(title, choices, self.keys, lambda action: self._chosen(action, key))

    def _chosen(self, action: Action, key: str) -> None:
        """Do it to what the menu was about, or not at all."""
        if not self.marked and (self.pane.over or self.pane.listing.key != key):
            self.talk.say(f"{key} is not in the list any more. Nothing was done.", "warn")
        else:
            self.perform(action)

    def do_help(self) -> None:  # noqa: D102
        self.help = not self.help

    def do_quit(self) -> None:  # noqa: D102
        self.surface.quit()

    def do_flow(self) -> None:  # noqa: D102
        self._show_page()
        self.main.open("tasks", "Family")

    # ---- dangerous ones: Deeds has checked the permission, and asks

    def do_unlock(self) -> None:  # noqa: D102
        self.deeds.unlock()

    def do_events(self) -> None:  # noqa: D102
        overview = self.link.truth.overview
        self.deeds.order("events", [], on=not (overview is not None and overview.events_enabled))

    def do_undo(self) -> None:  # noqa: D102
        if self.deeds.back is not None:
            self.deeds.again(self.deeds.back)
        elif self.deeds.backup is None:
            self.talk.say("Nothing was done in this session that can be undone.", "warn")
        else:
            self.deeds.order("restore", [self.deeds.backup])

    def do_purge(self) -> None:  # noqa: D102
        if len(self.marked) > 1:
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
        targets = self.marked or ([key] if key is not None else [])
        if targets:
            self.deeds.order(name, targets, **params)
        else:
            self.talk.say("Nothing is selected.", "warn")
