"""Somebody at the screen for long: keys, pages, filters and side lists, and how soon they are answered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.benchmarks.painting import CURSOR, UUID
from tests.benchmarks.terminal import Terminal

PAUSE = 0.5
"""Seconds between two keys."""
TYPING = 0.08
"""Seconds between two letters."""
LATE = 3.0
"""Seconds after which a key counts as not answered, and as so late."""
ESCAPE = "\x1b"
FILTERS = ("state:failure", "shop.part7", "runtime:>1s", "worker:*web-3")


class Stroke(NamedTuple):
    """A key that moves the cursor."""

    at: float
    """`time.monotonic`."""
    took: float
    """Seconds until the cursor stood elsewhere on the screen."""
    where: str


class Person:
    """Goes round and round; `strokes` and `pages` are what was measured."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._rounds = 0
        self.strokes: list[Stroke] = []
        self.pages: list[float] = []
        """Seconds until the page of a task was painted that was opened."""

    def round(self) -> Iterator[None]:
        """About half a minute; hands over after each key."""
        self._rounds += 1
        yield from self._tasks("tasks", 10)
        yield from self._page()
        yield from self._side("1", "workers")
        yield from self._tasks("tasks", 10)
        yield from self._filter(FILTERS[self._rounds % len(FILTERS)])
        yield from self._side("4", "findings", measured=False)
        yield from self._side("2", "queues", measured=False)

    def _tasks(self, where: str, moves: int) -> Iterator[None]:
        # At the top the list follows the newest; below, the cursor stays at its task.
        for key in ("3", "g", "j", "j", "j", "j"):
            yield from self._key(key, TYPING if key == "j" else PAUSE)
        yield from self._moves(where, moves)

    def _moves(self, where: str, moves: int) -> Iterator[None]:
        for number in range(moves):
            self._move("jk"[number % 2], where)
            yield

    def _move(self, key: str, where: str) -> None:
        terminal = self._terminal
        terminal.chunks.clear()
        pressed = terminal.press(key)
        # Only cells that changed are sent, so the sign comes when the cursor moves.
        done = terminal.read(LATE, lambda came: CURSOR in came)
        took = LATE if done is None else done - pressed
        self.strokes.append(Stroke(time.monotonic(), took, where))
        terminal.read(PAUSE)

    def _page(self) -> Iterator[None]:
        terminal = self._terminal
        terminal.chunks.clear()
        pressed = terminal.press("\r")
        done = terminal.read(LATE, lambda came: UUID.search(came) is not None)
        self.pages.append(LATE if done is None else done - pressed)
        terminal.read(1.0)
        yield
        for key in ("J", "]", "[", ESCAPE):
            yield from self._key(key)

    def _filter(self, text: str) -> Iterator[None]:
        yield from self._key("/")
        for letter in text:
            yield from self._key(letter, TYPING)
        yield from self._key("\r", 1.0)
        yield from self._moves(f"tasks, {text}", 4)
        for _ in range(2):  # Back to the top, and to all tasks.
            yield from self._key(ESCAPE)

    def _side(self, key: str, name: str, measured: bool = True) -> Iterator[None]:
        yield from self._key(key)
        if measured:
            yield from self._moves(name, 4)
        else:
            for move in "jk":
                yield from self._key(move)

    def _key(self, key: str, pause: float = PAUSE) -> Iterator[None]:
        self._terminal.press(key)
        self._terminal.read(pause)
        self._terminal.chunks.clear()
        yield
