"""Saved views: keep the tasks' filter and order under a name, show them again, forget them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from lazycelery.config.views import Shelf
from lazycelery.errors import UsageError
from lazycelery.keys import symbol
from lazycelery.model.completion import Completion
from lazycelery.model.view import SavedView
from lazycelery.tui.entry import Entry
from lazycelery.tui.errands import Errands
from lazycelery.tui.matching import distance, nearest
from lazycelery.tui.panes.tasks import TaskPane
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.talk import Talk


class SavedViews:
    """What `:save`, `:view` and `:forget` do. Files are read and written beside the screen."""

    def __init__(
        self,
        shelf: Shelf,
        tasks: TaskPane,
        talk: Talk,
        errands: Errands,
        look: Callable[[], Look],
        shown: Callable[[], None],
    ) -> None:
        self._shelf = shelf
        self._tasks = tasks
        self._talk = talk
        self._errands = errands
        self._look = look
        self._shown = shown

    @property
    def names(self) -> list[str]:
        """Names of all saved views."""
        return sorted(self._shelf.views)

    async def load(self) -> None:
        """Read those of the state directory."""
        await asyncio.to_thread(self._shelf.load)

    def save(self, name: str) -> None:
        """Keep what the tasks show now."""
        if not name:
            raise UsageError("Under which name?", ":save NAME")
        order = self._tasks.ordering
        view = SavedView(filter=self._tasks.whole_filter, sort=order.name, reverse=order.reversed)
        self._errands.run(self._save(name, view))

    async def _save(self, name: str, view: SavedView) -> None:
        place, why = await asyncio.to_thread(self._shelf.save, name, view)
        because = f" ({why})" if why else ""
        self._talk.say(f"Saved {name} in {place}{because}. :view {name} shows it again.", "ok")
        self._shown()

    def forget(self, name: str) -> None:
        """Remove a view, from its file too."""
        self._errands.run(self._forget(self._known(name, ":forget NAME")))

    async def _forget(self, name: str) -> None:
        place = await asyncio.to_thread(self._shelf.forget, name)
        self._talk.say(f"Forgot {name}; it is no longer in {place}.", "ok")
        self._shown()

    def get(self, name: str) -> SavedView:
        """A view by its name. Raises `UsageError`."""
        return self._shelf.views[self._known(name, ":view NAME")]

    def _known(self, name: str, usage: str) -> str:
        if not name:
            raise UsageError("Which view?", usage)
        if name in self._shelf.views:
            return name
        near = nearest(name, self.names)
        raise UsageError(f"There is no view {name!r}.", f"Did you mean {near}?" if near else self._how)

    @property
    def _how(self) -> str:
        key = symbol(self._look().keys["command"].keys[0])
        return f"{key}save NAME keeps the present filter and order of the tasks."

    def choose(self, show: Callable[[str], None]) -> Entry | None:
        """The line in which one is chosen; says how to make one where there is none."""
        views = self._shelf.views
        if not views:
            self._talk.say(f"No view is saved yet. {self._how}", "dim")
            return None
        return _choice({name: views[name].text for name in self.names}, show)


def _choice(listed: Mapping[str, str], choose: Callable[[str], None]) -> Entry:
    """The line in which one of the names is chosen, by any part of it."""

    def wish(entry: Entry) -> None:
        typed = entry.prompt.text
        near = {name: far for name in listed if (far := distance(typed, name)) is not None}
        offers = [
            Completion(start=0, end=len(typed), text=name, note=listed[name])
            for name in sorted(near, key=lambda name: near[name])
        ]
        entry.offer(offers, typed)

    def end(text: str, entered: bool) -> None:
        if entered and text:
            choose(text)

    entry = Entry(" View ", "", end, wish=wish, palette=True)
    entry.wish()
    return entry
