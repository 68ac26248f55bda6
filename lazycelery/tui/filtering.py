"""The filter line: says what is wrong while it is typed, offers what may stand there, applies it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from lazycelery.errors import LazyCeleryError
from lazycelery.model.completion import Completion
from lazycelery.model.view import SavedView
from lazycelery.tui.entry import Entry
from lazycelery.tui.errands import Errands
from lazycelery.tui.history import History
from lazycelery.tui.link import Link
from lazycelery.tui.panes.pane import Pane
from lazycelery.tui.panes.tasks import TaskPane
from lazycelery.tui.presentation.sayings import gone
from lazycelery.tui.talk import Talk

REST = 0.15
"""Seconds that typing rests before a filter is applied."""
HASTE = 0.03
"""Seconds between a key and the question what may come next."""


class FilterLine:
    """Opens the line of a pane. The tasks' filter is the engine's language; the others are parts of names."""

    def __init__(
        self, link: Link, talk: Talk, errands: Errands, history: History, shown: Callable[[], None]
    ) -> None:
        self._link = link
        self._talk = talk
        self._errands = errands
        self._history = history
        self._shown = shown

    def open(self, pane: Pane) -> None:
        """Type the filter of a pane."""
        before, asks, place = pane.filter, isinstance(pane, TaskPane), pane.listing.place

        def end(text: str, entered: bool) -> None:
            if not entered:
                if pane.filter != before:
                    pane.set_filter(before, place)
                return
            if isinstance(pane, TaskPane):
                self._errands.run_first(self._enter(pane, text.strip(), entry))
            else:
                self.remember(pane.scope, text.strip())

        def change(text: str) -> None:
            if isinstance(pane, TaskPane):
                self._errands.run(self._check(pane, text))
            else:
                pane.set_filter(text)

        wish = self._wish if asks else lambda entry: self._offer_names(pane, entry)
        entry = Entry(f" {pane.title}/", before, end, change=change, wish=wish, past=self.past(pane.scope))
        entry.stays = asks
        self._talk.typing = entry
        entry.wish()

    async def _enter(self, pane: TaskPane, text: str, entry: Entry) -> None:
        """Apply what was entered and close the line; a wrong filter stays in it, to be mended."""
        try:
            await self.apply(pane, text)
        except LazyCeleryError as problem:
            entry.note = problem.title if self._talk.typing is entry else ""
            self._shown()
            return
        self.remember(pane.scope, text)
        if self._talk.typing is entry:
            self._talk.typing = None
        self._shown()

    def past(self, kind: str) -> Sequence[str]:
        """What was entered before, oldest first."""
        return self._history.lines(kind)

    def remember(self, kind: str, text: str) -> None:
        """Keep what was entered, for this session and the next."""
        if self._history.add(kind, text):
            self._errands.run(asyncio.to_thread(self._history.save))

    async def apply(self, pane: TaskPane, text: str) -> None:
        """Show what matches. Raises `LazyCeleryError` with the place when the filter is wrong."""
        await self._must_be_right(text)
        pane.set_filter(text)
        self._shown()

    async def show(self, pane: TaskPane, view: SavedView) -> None:
        """Show a saved view. Raises `LazyCeleryError` when its filter is wrong."""
        await self._must_be_right(view.filter)
        pane.show(view)
        self._shown()

    async def _must_be_right(self, text: str) -> None:
        api = self._link.api
        if api is None:
            raise gone()
        problem = await api.check_filter(text)
        if problem:
            raise LazyCeleryError(problem)

    async def _check(self, pane: TaskPane, text: str) -> None:
        """Say what is wrong while it is typed; show what matches once typing rests."""
        api, entry = self._link.api, self._talk.typing
        if api is None or entry is None:
            return
        await asyncio.sleep(REST)
        if not self._still(entry, text):
            return
        entry.note = await api.check_filter(text.strip()) or ""
        if self._still(entry, text) and not entry.note and text.strip() != pane.filter:
            pane.set_filter(text.strip())
        self._shown()

    def _still(self, entry: Entry, text: str) -> bool:
        return entry is self._talk.typing and entry.prompt.text == text

    # ---- offers

    def _wish(self, entry: Entry) -> None:
        self._errands.run(self.complete(entry))

    async def complete(self, entry: Entry, lead: int = 0) -> None:
        """Offer what may stand in a filter of the tasks, which begins after `lead` characters."""
        text, at = entry.prompt.text, entry.prompt.at - lead
        await asyncio.sleep(HASTE)
        api = self._link.api
        if api is None or at < 0 or not self._still(entry, text):
            return
        found = await api.complete(text[lead:], at)
        entry.offer([replace(one, start=one.start + lead, end=one.end + lead) for one in found], text)
        self._shown()

    def _offer_names(self, pane: Pane, entry: Entry) -> None:
        truth, typed = self._link.truth, entry.prompt.text
        named = {"workers": truth.workers, "queues": truth.queues}.get(pane.scope) or []
        names = [
            one.name for one in named if typed and typed.lower() in one.name.lower() and typed != one.name
        ]
        offers = [Completion(start=0, end=len(typed), text=name) for name in names]
        entry.offer(offers, typed)
