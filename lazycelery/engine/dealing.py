"""Marks of tasks that were dealt with: from the file and the team's database into the store, and back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from lazycelery.actions.audit import whoami
from lazycelery.actions.dealt import LONGEST_NOTE, DealtFile
from lazycelery.errors import NothingFound, Refused, UsageError
from lazycelery.model.cluster import Notice
from lazycelery.model.faces import by_face
from lazycelery.model.states import LABELS, State
from lazycelery.model.task import Dealt
from lazycelery.store.history.storage import DealtWords, Word
from lazycelery.store.store import Store

MOST = 10_000
"""Tasks of one call."""
FAILED = (State.FAILURE, State.REJECTED, State.LOST, State.REVOKED, State.RETRY)


class Dealing:
    """What this engine knows of the marks."""

    def __init__(
        self,
        place: str,
        store: Store,
        clock: Callable[[], float],
        changed: Callable[[], None],
        shared: DealtWords | None = None,
    ) -> None:
        """`shared`: where a team keeps its marks. The file has what this user marked before, or may mark
        here only."""
        self._file, self._store, self._clock, self._changed = DealtFile(place), store, clock, changed
        self._shared = shared
        self._own: dict[str, Dealt] = {}
        self._team: dict[str, Word] = {}
        self._asking: asyncio.Future[None] | None = None
        self._not_shared = ""

    async def look(self, wait: bool = False) -> None:
        """Read the marks anew when somebody has written. Those of a team come when its database answers;
        with `wait` they are here afterwards, where it does."""
        if await asyncio.to_thread(self._file.changed):
            with contextlib.suppress(Refused):
                self._own = await asyncio.to_thread(self._file.read)
                self._tell()
        if self._shared is None:
            return
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask(self._shared))
        if wait:
            await asyncio.wait([self._asking])

    async def known(self) -> None:
        """Before tasks are shown by who looks once: the marks have been asked for."""
        if self._shared is not None and self._asking is None:
            await self.look(wait=True)
        elif self._asking is not None:
            await asyncio.wait([self._asking])

    async def _ask(self, shared: DealtWords) -> None:
        told = await asyncio.to_thread(shared.read)
        if told is not self._team:
            self._team = told
            self._tell()

    def _tell(self) -> None:
        """The last word on each task, whoever's it is."""
        known = dict(self._own)
        for task, word in self._team.items():
            own = known.get(task)
            if own is None or word.dealt.at >= own.at:
                known.pop(task, None)
                if not word.undone:
                    known[task] = word.dealt
        self._store.note_dealt(known)
        self._changed()

    def notices(self) -> list[Notice]:
        """That marks which were meant for the team are not."""
        if not self._not_shared:
            return []
        title = f"What you dealt with is marked on this machine only: {self._not_shared}."
        hint = "The team's marks are in the table dealt of the history's schema (docs/history.md)."
        return [Notice(code="dealt-not-shared", severity="info", title=title, hint=hint)]

    async def _put(self, ids: list[str], at: float, note: str, undo: bool) -> None:
        if self._shared is None:
            await asyncio.to_thread(self._file.mark, ids, at, note, undo)
            return
        user, host, _ = whoami()
        word = Dealt(at=at, by=f"{user}@{host}", note=note[:LONGEST_NOTE])
        try:
            await asyncio.to_thread(self._shared.put, ids, word, undo)
        except OSError as problem:
            if undo and any(each in self._team for each in ids):
                raise Refused(
                    f"What the team marked cannot be taken back: {problem}.", nothing_done=True
                ) from None
            self._not_shared = f"{problem}"
            await asyncio.to_thread(self._file.mark, ids, at, note, undo)
            return
        self._not_shared, self._asking = "", None  # What is being read may be older.
        if undo and any(each in self._own for each in ids):
            await asyncio.to_thread(self._file.mark, ids, at, note, undo)

    async def mark(self, targets: list[str], filter: str | None, note: str, undo: bool) -> list[str]:
        """Mark (or unmark) tasks by id, its beginning, or a filter; returns the ids.

        Raises `NothingFound`, and `UsageError` for one that has not failed, for an id that fits several
        and for too many."""
        now = self._clock()
        ids = self._store.select(filter, MOST + 1, now) if filter is not None else self._whole(targets)
        if not ids:
            raise NothingFound(
                "No known task matches.",
                by_face("Try the filter with `lazycelery tasks`.", "Try the filter with :tasks."),
            )
        if len(ids) > MOST:
            raise UsageError(f"More than {MOST:,} tasks match.", "Narrow the filter.")
        known = [(each, self._store.task(each, now)) for each in ids]
        if not undo:
            sound = {each for each, task in known if task is not None and LABELS[task.state] not in FAILED}
            if filter is not None:
                ids = [each for each in ids if each not in sound]
            elif sound:
                first = next(each for each in ids if each in sound)
                raise UsageError(f"{first} has not failed.", "Only what failed is dealt with.")
        if not ids:
            raise NothingFound("None of them has failed.", "Add state:failure to the filter.")
        await self._put(ids, now, note, undo)
        await self.look(wait=True)
        return ids

    def _whole(self, targets: list[str]) -> list[str]:
        found = []
        for target in targets:
            fitting = self._store.resolve(target) if len(target) >= 4 else []
            if len(fitting) > 1:
                raise UsageError(f"{len(fitting)} tasks or more begin with {target}.")
            found.append(fitting[0] if fitting else target)
        return list(dict.fromkeys(found))
