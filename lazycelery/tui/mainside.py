"""The main side: what is selected, as a page that scrolls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from lazycelery.keys import Scope
from lazycelery.model.message import PeekPage
from lazycelery.model.queue import Queue
from lazycelery.model.service import LogText
from lazycelery.model.states import FAULTY, FINISHED, LABELS, State
from lazycelery.model.task import Task, TaskRow
from lazycelery.model.verdict import Verdict
from lazycelery.model.worker import Pulse, Worker, WorkerDetail
from lazycelery.tui.inquiry import Inquiry
from lazycelery.tui.presentation import findings, queues, task_page, workers
from lazycelery.tui.presentation.body import folded
from lazycelery.tui.presentation.findings import Finding
from lazycelery.tui.presentation.frame import framed, scroll_thumb
from lazycelery.tui.presentation.line import Line, crop
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.page import Page
from lazycelery.tui.presentation.search import highlighted, hits
from lazycelery.tui.presentation.task_page import DetailKind

TABS: Mapping[Scope, tuple[str, ...]] = {
    "workers": workers.TABS,
    "queues": queues.TABS,
    "tasks": task_page.TABS,
    "findings": findings.TABS,
}

Item = Worker | Queue | TaskRow | Finding


class MainSide:
    """Which tab is open for each kind of thing, and how far it is scrolled."""

    def __init__(self) -> None:
        self.tabs: dict[Scope, int] = dict.fromkeys(TABS, 0)
        """The open tab of each kind."""
        self._chosen: dict[tuple[Scope, str], int] = {}
        """The tab that a person chose last for things of a kind in such a state."""
        self._of: dict[Scope, tuple[str, str]] = {}
        """What was shown last of each kind, and its state when it came."""
        self.top = 0
        self.page = 1
        self._length = 0
        self._subject: object = None
        self._built: tuple[object, Page] | None = None
        self.needle = ""
        """What is searched for."""
        self.wrap = False
        """Whether long lines go on below instead of beyond the edge."""
        self.shown: Page | None = None
        """What was drawn last."""
        self._hits: tuple[object, str, list[int]] | None = None

    def about(self, kind: Scope, key: str, item: Item) -> None:
        """Turn to a thing: the tab is the one that a person chose for things in such a state, else the
        first, which says what is the matter. While it is in sight its tab stays, whatever becomes of it.
        """
        if self._of.get(kind, ("", ""))[0] != key:
            state = state_of(item)
            self._of[kind] = key, state
            self.tabs[kind] = self._chosen.get((kind, state), 0)

    def turn(self, kind: Scope, step: int) -> None:
        """Open the next or previous tab."""
        self._open(kind, (self.tabs[kind] + step) % len(TABS[kind]))

    def open(self, kind: Scope, name: str) -> None:
        """Open a tab by its name."""
        self._open(kind, TABS[kind].index(name))

    def _open(self, kind: Scope, tab: int) -> None:
        self.tabs[kind], self.top = tab, 0
        self._chosen[kind, self._of.get(kind, ("", ""))[1]] = tab

    def scroll(self, lines: int) -> None:
        """Move the page."""
        self.top = max(0, min(self.top + lines, self._lowest))

    @property
    def _lowest(self) -> int:
        """How far down it scrolls: folded lines take more room than one."""
        return self._length - (1 if self.wrap else self.page)

    def search(self, needle: str) -> str:
        """Go to the first hit from here on; says how many there are."""
        self.needle = needle
        return self.hit(0) if needle else ""

    def hit(self, step: int) -> str:
        """Go to the next (1), previous (-1) or present (0) hit; says which it is."""
        if not self.needle or self.shown is None:
            return "Nothing is searched for here."
        body = self.shown.body
        if self._hits is None or self._hits[0] is not body or self._hits[1] != self.needle:
            self._hits = (body, self.needle, hits(body, self.needle))
        found = self._hits[2]
        if not found:
            return f"{self.needle!r} is not here."
        if step > 0:
            at = next((n for n, line in enumerate(found) if line > self._at), 0)
        elif step < 0:
            at = next((n for n in reversed(range(len(found))) if found[n] < self._at), len(found) - 1)
        else:
            at = next((n for n, line in enumerate(found) if line >= self.top), 0)
        self._at = found[at]
        if not self.top <= self._at < self.top + self.page:
            self.top = max(0, min(self._at - self.page // 3, self._lowest))
        return f"Hit {at + 1:,} of {len(found):,}"

    _at = 0
    """The line of the last hit."""

    def draw(
        self, page: Page, subject: object, look: Look, width: int, height: int, focused: bool
    ) -> list[Line]:
        """The page in its frame."""
        if subject != self._subject:
            self._subject, self.top, self.needle, self._at = subject, 0, "", 0
        head: list[Line] = [page.tab_line(width - 3), ()] if page.tabs else []
        if height < 12:
            head = head[:1]
        self._length, self.page = len(page.body), max(1, height - 2 - len(head))
        self.top = max(0, min(self.top, self._lowest))
        self.shown = page
        seen: Sequence[Line] = page.body[self.top : self.top + self.page]
        if self.needle:
            seen = [highlighted(line, self.needle) for line in seen]
        if self.wrap:
            seen = [part for line in seen for part in folded(line, width - 4)]
        lines = [*head, *seen]
        thumb = scroll_thumb(self.top, self.page, self._length)
        thumb = range(thumb.start + len(head), thumb.stop + len(head)) if thumb else thumb
        padded = [crop(((" ", ""), *line), width - 2, look.signs.more) for line in lines]
        return framed(padded, width, height, look.signs, title=page.title, focused=focused, thumb=thumb)

    def detail_wanted(self, kind: Scope) -> DetailKind | None:
        """What the open tab of a task or worker has to ask for."""
        asked = {"tasks": task_page.ASKED, "workers": workers.ASKED}.get(kind)
        return asked.get(TABS[kind][self.tabs[kind]]) if asked is not None else None

    def build(self, kind: Scope, item: Item, known: Known, look: Look, width: int) -> Page:
        """The page of an item, made anew only when something it shows has changed."""
        tab, held = self.tabs[kind], (item, *known.parts)
        # What is shown is held beside its identities, so that these stay its own.
        key = (*map(id, held), known.problems, tab, width, look.utc, look.signs)
        key += (int(look.now) if kind != "tasks" or TABS[kind][tab] in task_page.AGEING else 0,)
        key += known.words if tab == 0 else ()
        if self._built is None or self._built[0] != key:
            self._built = (key, page_of(item, known, tab, look, width))
            self._held = held
        return self._built[1]


class Known(NamedTuple):
    """What has been asked about the selection, and what surrounds it."""

    inquiry: Inquiry
    detail: Inquiry
    queue: Queue | None = None
    worker: Worker | None = None

    @property
    def told(self) -> Verdict | None:
        """Where the selection is, and why."""
        answer = self.inquiry.answer
        return answer if isinstance(answer, Verdict) else self.inquiry.verdict

    @property
    def parts(self) -> tuple[object, ...]:
        """What a page is made of."""
        answer = self.inquiry.answer
        return None if answer is self.told else answer, self.detail.answer, self.queue, self.worker

    @property
    def words(self) -> tuple[object, ...]:
        """What a verdict says: asked again, it is mostly the same."""
        told = self.told
        return () if told is None else (told.text, told.until, told.worker, *told.actions)

    @property
    def problems(self) -> tuple[str | None, str | None]:
        """Why answers are missing."""
        return self.inquiry.problem, self.detail.problem


def state_of(item: Item) -> str:
    """What decides the tab that is wanted: failed and lost things need another one than those that wait."""
    if isinstance(item, TaskRow):
        state = LABELS.get(item.state, State.UNKNOWN)
        return "failed" if state in FAULTY else "ended" if state in FINISHED else "open"
    if isinstance(item, Worker):
        return "gone" if item.state in workers.FAULTY else "there"
    if isinstance(item, Queue):
        return "filled" if item.messages else "empty"
    return ""


def page_of(item: Item, known: Known, tab: int, look: Look, width: int) -> Page:
    """The page of a worker, queue or task, as far as its details are known."""
    inquiry = known.inquiry
    answer = inquiry.answer
    if isinstance(item, Worker):
        lists = answer if isinstance(answer, WorkerDetail) else None
        more = known.detail.answer
        told = more if isinstance(more, (Pulse, LogText)) else known.detail.problem
        return workers.page(item, known.told, lists, tab, look, width, told)
    if isinstance(item, Finding):
        return findings.page(item, known.worker or known.queue, known.told, tab, look, width)
    if isinstance(item, Queue):
        peek = answer if isinstance(answer, PeekPage) else inquiry.problem
        return queues.page(item, known.told, peek, tab, look, width)
    if isinstance(answer, Task) and answer.id == item.id:
        detail = task_page.Detail(known.detail.answer, known.detail.problem)
        return task_page.page(answer, tab, look, width, known.told, detail)
    return task_page.waiting_page(item.name, item.id, inquiry.problem, width)


def as_json(item: object, answer: Any) -> str:
    """All that is known of an item, or a list of them, for the clipboard."""
    whole = answer if isinstance(answer, (Task, WorkerDetail)) else item
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
