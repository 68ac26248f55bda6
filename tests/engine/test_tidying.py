"""Collections of garbage come when we say: of what is young often, full ones seldom where they are dear."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lazycelery.engine import tidying
from lazycelery.engine.tidying import EVERY, SELDOM, SHARE, Tidying


class Ring:
    """It refers to itself: only a collection lets go of it."""

    itself: object = None


GENERATIONS = pytest.mark.skipif(sys.version_info >= (3, 14), reason="it collects in small parts by itself")
ALONE = """
import asyncio, gc
from lazycelery.engine.tidying import Tidying
async def main():
    full = []
    gc.callbacks.append(lambda phase, about: full.append(1) if about["generation"] == 2 else None)
    Tidying().begin()
    kept = [[] for _ in range(400_000)]
    print(len(full))
asyncio.run(main())
"""


@contextmanager
def tidying_here(note: Callable[[str, dict[str, int]], None]) -> Iterator[None]:
    """One at work in this process; `note` is told of each collection."""
    before, one = gc.get_threshold(), Tidying()
    one.begin()
    gc.callbacks.append(note)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(note)
        assert one._task is not None
        one._task.cancel()


@GENERATIONS
def test_what_comes_in_a_rush_and_stays_begins_no_full_collection() -> None:
    for begin, full in (("Tidying().begin()", "0"), ("pass", None)):
        program = ALONE.replace("Tidying().begin()", begin)
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert told.stdout.strip() == full if full else int(told.stdout) > 0


@GENERATIONS
async def test_what_is_let_go_in_a_ring_is_collected_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidying, "EVERY", 0.05)
    monkeypatch.setattr(tidying, "SHARE", 0)
    full = 0

    def note(phase: str, about: dict[str, int]) -> None:
        nonlocal full
        full += phase == "start" and about["generation"] == 2

    with tidying_here(note):
        until = time.monotonic() + 5
        while full < 2 and time.monotonic() < until:
            await asyncio.sleep(0.02)
    assert full >= 2


@GENERATIONS
async def test_what_is_young_is_looked_at_by_the_clock_and_never_twice_but_in_full() -> None:
    looked: list[int] = []

    def note(phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            looked.append(about["generation"])

    ring = Ring()
    ring.itself, gone = ring, weakref.ref(ring)
    with tidying_here(note):
        answers = {number: [number] for number in range(20_000)}
        for _ in range(5):  # The next round takes the place of the one before.
            answers |= {number: [number] for number in answers}
        assert not looked
        del ring
        until = time.monotonic() + 5
        while gone() is not None and time.monotonic() < until:
            await asyncio.sleep(0.02)
    assert gone() is None and set(looked) == {0}


def test_a_dear_one_comes_seldom() -> None:
    one = Tidying()
    assert one.rest == EVERY
    one.took = 0.01
    assert EVERY < one.rest == 0.01 * SHARE < SELDOM
    one.took = 0.15
    assert one.rest == SELDOM
