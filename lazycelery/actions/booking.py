"""What a pass through a queue writes down: its messages into the backup, and what becomes of each into the
plan file, where there is one. Both are on the disk before anything goes on."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.actions import saving
from lazycelery.actions.backup import BackupWriter
from lazycelery.actions.context import Context
from lazycelery.actions.course import Course
from lazycelery.actions.journal import Item, Journal
from lazycelery.model.action import OutcomeItem
from lazycelery.model.message import StoredMessage
from lazycelery.sources.protocols.sifting import Shifted

SHOWN = 1000
"""Items of an outcome."""
REFUSED = "not taken by their target: they are where they were"
GONE = "no longer there: workers took them"


class Book:
    """The backup and the plan file of one pass. `save` and `settled` are called by the pass, in a thread."""

    def __init__(
        self, context: Context, writer: BackupWriter, journal: Journal | None, course: Course | None
    ) -> None:
        self._context, self.writer, self.journal, self._course = context, writer, journal, course
        self.items = [each for each in journal.items if each.state == "waiting"] if journal else []
        self._of = {each.mark: each for each in self.items}
        self._page: list[Item | None] = []
        self._stayed: set[int] = set()
        self._seen: set[int] = set()

    def save(self, messages: Sequence[StoredMessage]) -> None:
        """These are about to be taken."""
        saving.save(self._context, self.writer, messages)
        if self.journal is not None:
            identity = self._context.codec.identity
            self._page = [self._of.get(identity(message.raw)) for message in messages]
            self.journal.begin([each for each in self._page if each is not None])

    def settled(self, done: Sequence[bool]) -> None:
        """Which of them are where they were to be."""
        self.writer.settle(done)
        if self.journal is None:
            return
        known = [(each, good) for each, good in zip(self._page, done, strict=True) if each is not None]
        moved = {each.n: each for each, good in known if good}
        stayed = {each.n: each for each, good in known if not good and each.n not in moved}
        self.journal.tell(list(moved.values()), list(stayed.values()))
        self._seen |= {*moved, *stayed}
        self._stayed |= stayed.keys()
        if self._course is not None:
            self._course.done += len(moved)

    def end(self, told: Shifted) -> None:
        """What a pass that went through did not find is there no more. Raises `Refused` when the plan file
        does not take it."""
        if self.journal is None:
            return
        waiting = [each for each in self.items if each.state == "waiting"]
        gone = []
        if not told.problem and not told.cut:
            # Of those that stayed, where both may be, only a later pass tells which were refused.
            gone = [each for each in waiting if each.n not in self._stayed or not told.rejected]
        left = len(waiting) > len(gone)
        why = told.problem or told.cut or (REFUSED if left else "")
        self.journal.tell(dropped=gone, why=why)

    @property
    def left(self) -> bool:
        """Whether the plan file holds something that is still to be done."""
        return self.journal is not None and any(
            each.state in ("waiting", "doubt") for each in self.journal.items
        )

    def outcomes(self, verb: str) -> list[OutcomeItem]:
        """What became of each message of this pass, first those that were not taken."""
        every = [
            OutcomeItem(target=each.target, ok=each.state == "done", text=self._text(each, verb))
            for each in self.items
        ]
        return sorted(every, key=lambda each: each.ok)[:SHOWN]

    def _text(self, item: Item, verb: str) -> str:
        if item.state == "done":
            return f"{verb} to {item.queue}" if item.queue else verb
        if item.state == "doubt":
            return "in doubt: in its queue, perhaps at its target too"
        if item.state == "dropped":
            return "no longer there: a worker took it"
        return "not taken by its target: it is where it was" if item.n in self._stayed else "not reached"
