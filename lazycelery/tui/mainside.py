"""The main side: what is selected, as a page that scrolls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lazycelery.keys import Scope
from lazycelery.model.message import PeekPage
from lazycelery.model.queue import Queue
from lazycelery.model.task import Task, TaskRow
from lazycelery.model.worker import Worker, WorkerDetail
from lazycelery.tui.inquiry import Inquiry
from lazycelery.tui.presentation import queues, task_page, workers
from lazycelery.tui.presentation.frame import framed, scroll_thumb
from lazycelery.tui.presentation.line import Line, crop
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.page import Page

TABS: Mapping[Scope, tuple[str, ...]] = {
    "workers": workers.TABS,
    "queues": queues.TABS,
    "tasks": task_page.TABS,
}

Item = Worker | Queue | TaskRow


class MainSide:
    """Which tab is open for each kind of thing, and how far it is scrolled."""

    def __init__(self) -> None:
        self.tabs: dict[Scope, int] = dict.fromkeys(TABS, 0)
        self.top = 0
        self.page = 1
        self._length = 0
        self._subject: object = None
        self._built: tuple[object, Page] | None = None

    def turn(self, kind: Scope, step: int) -> None:
        """Open the next or previous tab."""
        self.tabs[kind] = (self.tabs[kind] + step) % len(TABS[kind])
        self.top = 0

    def open(self, kind: Scope, name: str) -> None:
        """Open a tab by its name."""
        self.tabs[kind] = TABS[kind].index(name)
        self.top = 0

    def scroll(self, lines: int) -> None:
        """Move the page."""
        self.top = max(0, min(self.top + lines, self._length - self.page))

    def draw(
        self, page: Page, subject: object, look: Look, width: int, height: int, focused: bool
    ) -> list[Line]:
        """The page in its frame."""
        if subject != self._subject:
            self._subject, self.top = subject, 0
        head: list[Line] = [page.tab_line(), ()] if page.tabs else []
        if height < 12:
            head = head[:1]
        self._length, self.page = len(page.body), max(1, height - 2 - len(head))
        self.top = max(0, min(self.top, self._length - self.page))
        lines = [*head, *page.body[self.top : self.top + self.page]]
        thumb = scroll_thumb(self.top, self.page, self._length)
        thumb = range(thumb.start + len(head), thumb.stop + len(head)) if thumb else thumb
        padded = [crop(((" ", ""), *line), width - 2, look.signs.more) for line in lines]
        return framed(padded, width, height, look.signs, title=page.title, focused=focused, thumb=thumb)

    def build(self, kind: Scope, item: Item, inquiry: Inquiry, look: Look, width: int) -> Page:
        """The page of an item, made anew only when something it shows has changed."""
        tab = self.tabs[kind]
        key = (id(item), id(inquiry.answer), inquiry.problem, tab, width, int(look.now), look.utc, look.signs)
        if self._built is None or self._built[0] != key:
            # Item and answer are held with the key, so that their identities stay theirs.
            self._built = ((*key,), page_of(kind, item, inquiry, tab, look, width))
            self._held = (item, inquiry.answer)
        return self._built[1]


def page_of(kind: Scope, item: Item, inquiry: Inquiry, tab: int, look: Look, width: int) -> Page:
    """The page of a worker, queue or task, as far as its details are known."""
    answer = inquiry.answer
    if isinstance(item, Worker):
        return workers.page(item, answer if isinstance(answer, WorkerDetail) else None, tab, look, width)
    if isinstance(item, Queue):
        peek = answer if isinstance(answer, PeekPage) else inquiry.problem
        return queues.page(item, peek, tab, look, width)
    if isinstance(answer, Task) and answer.id == item.id:
        return task_page.page(answer, tab, look, width)
    return task_page.waiting_page(item.name, item.id, inquiry.problem, width)


def as_json(item: Item, answer: Any) -> str:
    """All that is known of an item, for the clipboard."""
    whole = answer if isinstance(answer, (Task, WorkerDetail)) else item
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
