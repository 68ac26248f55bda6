"""A store taken back to a moment is the one that is read out of the file, whatever way it came."""

from __future__ import annotations

import random
import tempfile
from typing import Any

import msgspec
import numpy as np
import pytest

from lazycelery.store import sealing, takeback, tasklog
from lazycelery.store.checkpoint import Checkpoint, Keeper
from lazycelery.store.columns import NUMBERS, UNKNOWN, Columns
from lazycelery.store.filter import matching, needle
from lazycelery.store.store import Store
from lazycelery.store.tasklog import READ_ANEW, TEXTS, WORDS, TaskLog
from tests.store.build import T0, event, failed, received, retried, started, succeeded
from tests.store.test_large_stores import result_of


def content(columns: Columns) -> dict[str, Any]:
    """All that stands in columns, also where nothing is in use."""
    used, fields = columns.used, sealing.FIELDS
    vectors = {name: columns._vectors[name] for name in NUMBERS if name not in READ_ANEW}
    blank = slice(columns._blank, None)
    return {
        **{name: vector[:used].tobytes() for name, vector in vectors.items()},
        "noughts": [name for name in vectors if name not in UNKNOWN and np.any(vectors[name][blank])],
        **{name: columns.sealed.texts(name, range(used)) for name in fields},
        **{name: list(getattr(columns, name)) for name in TEXTS if name not in fields},
        **{name: getattr(columns, name).many(range(columns.capacity)) for name in WORDS},
        "extra": msgspec.msgpack.encode(columns.extra.many(range(columns.capacity))),
        "slots": {id: slot for part in columns.slots.parts for id, slot in part.items()},
        "life": bytes(columns.life),
        "counts": (used, columns.rows, columns.changes, columns.free, columns.by_state),
    }


def live(store: Store, dice: random.Random, at: float, number: int) -> int:
    """Some seconds of tasks of all kinds; a few of older ones go on."""
    for _ in range(dice.randrange(5, 60)):
        at, number = at + 0.1, number + 1
        id = f"{number:08x}" if dice.random() < 0.9 else f"näme-{number}"
        args = f"({number}, 'order {dice.randrange(50)}')"
        store.apply_events(
            [received(at, id, name=f"shop.n{number % 5}", args=args, eta=dice.choice((None, "x")))]
        )
        old = f"{max(1, number - dice.randrange(150)):08x}"
        for one in (id, old):
            kind = dice.random()
            if kind < 0.9:
                store.apply_events([started(at, one)])
            if kind < 0.6:
                store.apply_events([succeeded(at, one, result=f"paid {number}")])
            elif kind < 0.7:
                store.apply_events([failed(at, one)])
            elif kind < 0.75:
                store.apply_events([event("failed", at, one, exception=f"E({number})", traceback="tb")])
            elif kind < 0.8:
                store.apply_events([retried(at, one), received(at, one, retries=1)])
    return number


def found(store: Store) -> list[list[str]]:
    words = ("order 7", "paid 1", "ValueError", "e-2", "state:failure")
    return [store.select(word, 1000, T0 + 1000) for word in words]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("room", [150, 5000])
def test_it_is_the_one_that_the_file_tells(seed: int, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sealing, needle, matching):
        monkeypatch.setattr(module, "BLOCK", 64)
    monkeypatch.setattr(takeback, "AT_ONCE", 50)
    monkeypatch.setattr(tasklog, "AT_ONCE", 32)
    dice, log = random.Random(seed), TaskLog(tempfile.TemporaryFile())  # noqa: SIM115
    keeper, store, number, sealed, back = Keeper(log), Store(room), 0, 0, 0
    kept: list[tuple[Checkpoint, int]] = []
    before: Checkpoint | None = None
    for _ in range(40):
        number = live(store, dice, float(number), number)
        if dice.random() < 0.5:
            for _ in range(2):
                result_of(store.columns.seal())
            sealed += len(store.columns.sealed.blocks)
        if dice.random() < 0.4:
            before = result_of(keeper.take(store, before))[0]
            kept.append((before, number))
        if kept and dice.random() < 0.3:
            stage = before.stage if before is not None else None
            before, number = dice.choice(kept)
            fresh = result_of(keeper.restore(before, room))[0][0]
            left, old = store, store.columns
            store = result_of(keeper.restore(before, room, left, stage))[0][0]
            assert not old.__dict__  # Who still holds it changes nothing here.
            assert content(store.columns) == content(fresh.columns)
            assert found(store) == found(fresh)
            back += 1
    assert sealed and back > 3
    log.close()


def test_one_that_went_on_from_nothing_that_was_kept_is_read_whole() -> None:
    keeper = Keeper(TaskLog(tempfile.TemporaryFile()))  # noqa: SIM115
    store, other = Store(100), Store(100)
    live(store, random.Random(1), 0.0, 0)
    live(other, random.Random(2), 0.0, 500)
    checkpoint: Checkpoint = result_of(keeper.take(store, None))[0]
    again = result_of(keeper.restore(checkpoint, 100, other, None))[0][0]
    assert content(again.columns) == content(store.columns)
    keeper._log.close()
