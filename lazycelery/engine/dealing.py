"""Marks of tasks that were dealt with: from the file into the store, and back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from lazycelery.actions.dealt import DealtFile
from lazycelery.errors import NothingFound, Refused, UsageError
from lazycelery.model.faces import by_face
from lazycelery.model.states import LABELS, State
from lazycelery.store.store import Store

MOST = 10_000
"""Tasks of one call."""
FAILED = (State.FAILURE, State.REJECTED, State.LOST, State.REVOKED, State.RETRY)


class Dealing:
    """What this engine knows of the marks."""

    def __init__(
        self, place: str, store: Store, clock: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self._file, self._store, self._clock, self._changed = DealtFile(place), store, clock, changed

    async def look(self) -> None:
        """Read the file anew when somebody has written."""
        if await asyncio.to_thread(self._file.changed):
            with contextlib.suppress(Refused):
                self._store.note_dealt(await asyncio.to_thread(self._file.read))
                self._changed()

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
        await asyncio.to_thread(self._file.mark, ids, now, note, undo)
        await self.look()
        return ids

    def _whole(self, targets: list[str]) -> list[str]:
        found = []
        for target in targets:
            fitting = self._store.resolve(target) if len(target) >= 4 else []
            if len(fitting) > 1:
                raise UsageError(f"{len(fitting)} tasks or more begin with {target}.")
            found.append(fitting[0] if fitting else target)
        return list(dict.fromkeys(found))
