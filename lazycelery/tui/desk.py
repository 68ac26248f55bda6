"""The desk: what each key does to what a person looks at. Knows no widget."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property

from lazycelery.keys import Action, Scope
from lazycelery.model.action import ActionName, Order
from lazycelery.model.beat import BeatEntry
from lazycelery.tui import outside
from lazycelery.tui.ahead import Ahead
from lazycelery.tui.commands import Commands
from lazycelery.tui.hints import AT_START
from lazycelery.tui.picks import Picks
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.search import whole_texts
from lazycelery.tui.series import Series
from lazycelery.tui.views.beat import BeatView
from lazycelery.tui.views.clusters import ClustersView
from lazycelery.tui.views.live import LiveView
from lazycelery.tui.views.view import Listed

ANSWERS = ("y", "n", "enter")
"""Keys that answer a question."""
AWAY = ("back", "quit", "pane.workers", "pane.queues", "pane.tasks", "pane.findings")
"""Actions that leave what is waited for."""
ANYWHERE = (
    *("help", "command", "palette", "filter", "views", "brokers", "cluster.next", "cluster.previous"),
    *("view.live", "view.audit", "view.metrics", "view.errors", "view.beat", "pause", "refresh"),
    *("size.grow", "size.shrink", "size.alone", "theme", "utc", "pane.next", "pane.previous", "unlock"),
    *("tab.next", "tab.previous"),
)
"""Actions that mean the same whatever the list shows."""
PASTE = "<paste>"
"""Stands for the chord of a key, where a pasted text waits for its turn."""


class Desk(Picks):
    """`do_…` is what a key does."""

    @cached_property
    def ahead(self) -> Ahead:
        """Keys that came before what they are about."""
        return Ahead(self.errands, lambda: self.awaited, self._have_turn, self._too_late)

    def leave(self) -> None:
        """Leave the screen to another desk; what was typed ahead was meant for this one."""
        self.ahead.forget()
        super().leave()

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
        if self._must_wait(chord):
            self.ahead.keep(chord, character)
        else:
            self._press(chord, character)

    def paste(self, text: str) -> None:
        """A pasted text, after the keys that were typed before it."""
        if self.ahead.kept or self.errands.due:
            self.ahead.keep(PASTE, text)
        else:
            self._paste(text)

    def _paste(self, text: str) -> None:
        self.talk.paste(text)
        self.show()

    def _have_turn(self, chord: str, text: str | None) -> None:
        """What waited for its turn has it."""
        if chord == PASTE:
            self._paste(text or "")
        else:
            self._press(chord, text)

    def _press(self, chord: str, character: str | None) -> None:
        if self.talk.listens:
            self.talk.press(chord, character)
        elif self.deeds.planning and chord in ANSWERS:
            self.deeds.forget()
            self.talk.say("The question was not there yet, so this was no answer. Nothing was done.", "warn")
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

    def _must_wait(self, chord: str) -> bool:
        """Whether a key comes before what it is about. Those that lead away never wait."""
        if self.start is not None:
            return False
        action = self.keys.find(chord, self.scope)
        if chord == "escape" or (action is not None and action.id in AWAY and not self.talk.listens):
            self.ahead.forget()
            return False
        if self.ahead.kept or self.errands.due:
            return True
        if self.talk.listens or (action is not None and action.id in ANYWHERE):
            return False
        return self.awaited

    def _too_late(self, keys: int) -> None:
        """The engine has not answered in time."""
        self.talk.say(f"No answer yet. {q.counted(keys, 'key')} typed ahead did nothing.", "warn")
        self.show()

    def _meant(self, chord: str) -> Action | None:
        action = self.keys.find(chord, self.scope)
        if action is None and self.reel is not None:
            action = self.keys.find(chord, "replay")
        if self.start is None:
            return action
        known = action is not None and action.id in AT_START
        return None if self.start.press(chord) or not known else action

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
        self._go("tasks")
        if text:
            self.errands.run_first(self.filters.apply(self.tasks, text))

    def show_view(self, name: str) -> None:
        """Show a saved view in place of all filters of the tasks."""
        view = self.saved.get(name)
        self._go("tasks")
        self.errands.run_first(self.filters.show(self.tasks, view))

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
        self.ahead.forget()
        if scope == self.lead:
            self._lead(scope)
        else:
            self._go(scope)
        self.pane.listing.go(index)
        if again:
            self.do_open()
        self.show()

    def point_in_view(self, line: int, again: bool, menu: bool) -> None:
        """A line of a view was clicked: the same in its list."""
        self.ahead.forget()
        view = self.views.open
        if isinstance(view, Listed) and view.point(line):
            if again:
                view.enter()
            elif menu:
                self.do_menu()
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
        self._show_view(BeatView(lambda: self.marks.of("beat")))

    def do_view_metrics(self) -> None:  # noqa: D102
        from lazycelery.tui.views.metrics import MetricsView

        self._show_view(MetricsView())

    def do_command(self) -> None:  # noqa: D102
        self.commands.open()

    def do_palette(self) -> None:  # noqa: D102
        self.commands.open(palette=True)

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

    # ---- the rest

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
        orders = {one.name: Order(action="send", params={"entry": one.name}) for one in self._entries}
        self._each("run {} now", "entry", orders, "beat")

    def do_beat_switch(self) -> None:  # noqa: D102
        entries = self._entries
        if entries:
            off = all(one.enabled is False for one in entries)
            self.deeds.order("beat", [one.name for one in entries], do="enable" if off else "disable")
        else:
            self.talk.say("Nothing is selected.", "warn")

    @property
    def _entries(self) -> list[BeatEntry]:
        """What is marked in the list of beat, or what the cursor is on."""
        view = self.views.open
        if not isinstance(view, BeatView) or view.entry is None:
            return []
        marked = self.marked
        return [view.entries[name] for name in marked if name in view.entries] if marked else [view.entry]

    def do_theme(self) -> None:  # noqa: D102
        self.talk.say(f"Theme {self.surface.next_theme()}", "dim")

    def do_utc(self) -> None:  # noqa: D102
        self.utc = not self.utc
        self.talk.say("Times in UTC" if self.utc else "Times are local", "dim")

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
        undoes = self.deeds.undoes
        if not undoes:
            self.talk.say("Nothing was done in this session that can be undone.", "warn")
        elif len(undoes) == 1:
            self.deeds.again(undoes[0])
        else:
            orders = {order.targets[0]: order for order in undoes}
            several = Series("undo {}", "action", orders)

            def finish(still: set[str]) -> None:
                if not several.undoes:
                    self.deeds.undoes = [orders[name] for name in orders if name in still]

            self.deeds.each(several, finish)

    def do_purge(self) -> None:  # noqa: D102
        self._each_queue("purge {}", "purge", self._those("queues"))

    def do_retry(self) -> None:  # noqa: D102
        self._order("retry")

    def do_revoke(self) -> None:  # noqa: D102
        self._order("revoke")

    def _order(self, name: ActionName, **params: str) -> None:
        """To all that are marked, or to what the cursor is on."""
        key = self.pane.listing.key
        targets = self.marked or ([key] if key is not None else [])
        if targets:
            self.deeds.order(name, targets, **params)
        else:
            self.talk.say("Nothing is selected.", "warn")
