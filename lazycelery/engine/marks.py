"""Deploy marks: moments from which on errors count as new.

A person sets them, in any face; they are lines of a file beside the cluster's history, appended whole, so
that every session sees those of the others. Workers that begin anew, or with another version, make one too.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
from collections.abc import Callable, Iterator, Mapping

import msgspec

from lazycelery.model.faults import Mark
from lazycelery.model.text import clean
from lazycelery.store.history.storage import MarkLines

KEPT = 100
"""Marks that are told, the newest."""
LONGEST = 80
TOGETHER = 300.0
"""Seconds within which starts of workers belong to one mark."""
SETTLED = 30.0
"""Seconds without another start after which such a mark is written down."""
PATIENCE = 3.0
"""Seconds for a mark that is being written when the engine ends."""
_decode = msgspec.json.Decoder(Mark).decode

Start = tuple[int | None, str | None, float]
"""A worker's process, its software, and when it last said that it has started."""


class Marks:
    """The marks of one cluster. `kept` is where its history keeps them; without it they last as long as this
    session. `writes` says whether this engine is the one that records."""

    def __init__(
        self,
        kept: MarkLines | None,
        clock: Callable[[], float],
        changed: Callable[[], None],
        writes: Callable[[], bool] = lambda: False,
    ) -> None:
        self._kept = kept
        self._clock, self._changed, self._writes = clock, changed, writes
        self._own: list[Mark] = []
        self._starts: dict[str, Start] = {}
        self._burst: Mark | None = None
        self._burst_last = 0.0
        self._burst_names: set[str] = set()
        self._versions: set[str] = set()
        self._writing: asyncio.Task[None] | None = None

    @property
    def lasting(self) -> bool:
        """Whether marks survive this session."""
        return self._kept is not None

    async def all(self) -> list[Mark]:
        """The last marks, newest first."""
        lines = await asyncio.to_thread(self._kept.lines) if self._kept is not None else []
        read = []
        for line in lines:
            with contextlib.suppress(msgspec.DecodeError):
                read.append(_decode(line))
        found = {(one.at, one.by): one for one in (*read, *self._own)}
        return sorted(found.values(), key=lambda one: -one.at)[:KEPT]

    async def add(self, name: str) -> Mark:
        """Set one now. Raises `OSError` when it cannot be written."""
        mark = Mark(at=round(self._clock(), 3), name=clean(name.strip(), LONGEST) or "mark", user=_user())
        mark.kept = self.lasting
        if self._kept is not None:
            await asyncio.to_thread(self._append, mark)
        self._own.append(mark)
        self._changed()
        return mark

    def _append(self, mark: Mark) -> None:
        assert self._kept is not None
        self._kept.append(mark.at, mark.by, json.dumps(msgspec.to_builtins(mark), separators=(",", ":")))

    # ---- what is seen of the workers

    def note(self, starts: Mapping[str, Start]) -> None:
        """How the workers are by now, once a second."""
        for _ in self.noting(starts):
            pass

    def noting(self, starts: Mapping[str, Start]) -> Iterator[None]:
        """The same, one step a worker."""
        now = self._clock()
        for name, start in starts.items():
            yield
            before = self._starts.get(name)
            if before is not None and _began_anew(before, start):
                self._began(name, before, start, now)
            self._starts[name] = _joined(before, start)
        for name in [name for name in self._starts if name not in starts]:
            del self._starts[name]
        if self._burst is not None and not 0 <= now - self._burst_last <= SETTLED:
            self._settle(now)

    def _began(self, name: str, before: Start, start: Start, now: float) -> None:
        if self._burst is None:
            self._burst = Mark(at=round(now, 3), name="", by="workers")
            self._burst_names, self._versions = set(), set()
            self._own.append(self._burst)
        self._burst_last = now
        self._burst_names.add(name)
        if before[1] and start[1] and before[1] != start[1]:
            self._versions.add(f"{before[1]} to {start[1]}")
        one = len(self._burst_names) == 1
        who = name.removeprefix("celery@") if one else f"{len(self._burst_names)} workers"
        what = f", {sorted(self._versions)[0]}" if self._versions else ""
        self._burst.name = clean(f"{who} began anew{what}", LONGEST)
        self._changed()

    def _settle(self, now: float) -> None:
        burst = self._burst
        if burst is not None and self._kept is not None and self._writes() and self._writing is None:
            self._writing = asyncio.create_task(self._keep(burst), name="marks")
        if not 0 <= now - self._burst_last <= TOGETHER:
            self._burst = self._writing = None

    async def _keep(self, mark: Mark) -> None:
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._append, mark)

    async def close(self) -> None:
        """Finish what is being written, unless its place hangs."""
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=PATIENCE)


def _began_anew(before: Start, start: Start) -> bool:
    if before[1] and start[1] and before[1] != start[1]:
        return True
    if before[0] is not None and start[0] is not None and before[0] != start[0]:
        return True
    return start[2] > before[2]


def _joined(before: Start | None, start: Start) -> Start:
    """What is not told now is still so."""
    if before is None:
        return start
    return start[0] if start[0] is not None else before[0], start[1] or before[1], start[2]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
