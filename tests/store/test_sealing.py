"""Texts that are kept in one piece are the same texts: for lists, pages, filters, errors and the history."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazycelery.model.event import Event
from lazycelery.model.redaction import Redactor
from lazycelery.model.task import TaskQuery
from lazycelery.store import sealing
from lazycelery.store.filter import matching, needle
from lazycelery.store.filter.needle import Needle
from lazycelery.store.history.taking import take
from lazycelery.store.history.veiling import Veiling
from lazycelery.store.sealing import SEALED, Piece, gathered
from lazycelery.store.store import Store
from lazycelery.store.values import plain
from tests.store.build import T0, event, received, sent, started, succeeded

NOW = T0 + 5000
TEXTS = [
    "",
    "(1,)",
    "('user17@example.com', 3)",
    "Größe ß İ",
    "\U0001f600 ab",
    "\ud800",
    "a\x01b",
    "(99, 'AbC')",
]
FILTERS = [
    *(
        "user17@",
        "abc",
        "größe",
        "ß",
        "i\u0307",
        "\x01",
        "t1",
        "7@ex",
        "kwargs:abc",
        "args:user17",
        "-result:3",
    ),
    *(
        "args.0:1",
        "result:~[Aa]b",
        "error:value",
        "state:failure boom",
        "error:boom state:failure",
        "abc -t2",
    ),
    *("args:user17,abc", "result:=3", "*AbC*"),
]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A few hundred tasks are sealed as a million would be."""
    for module in (sealing, needle, matching):
        monkeypatch.setattr(module, "BLOCK", 8)
    monkeypatch.setattr(needle, "FEW", 1)
    yield


def live(dice: random.Random, at: float) -> Event:
    """Something that happens to one of many tasks."""
    id = f"t{dice.randrange(120)}" if dice.random() < 0.8 else f"{dice.randrange(60):08x}-ab"
    kinds = ["sent", "received", "started", "retried", *(["succeeded"] * 5), *(["failed"] * 4)]
    kind = dice.choice(kinds)
    told = {"args": dice.choice(TEXTS), "kwargs": dice.choice(TEXTS), "name": "shop.add"}
    if kind in ("sent", "received"):
        return event(kind, at, id, **told)
    if kind == "started":
        return started(at, id)
    if kind == "succeeded":
        return succeeded(at, id, result=dice.choice([*TEXTS, "3"]))
    error = f"ValueError('boom {dice.choice(TEXTS[:5])}')"
    return event(kind, at, id, exception=error, traceback=f"Traceback\n{error}\n")


def both(seed: int, steps: int = 700, max_tasks: int = 165) -> tuple[Store, Store]:
    """The same life in a store that seals, slice by slice while tasks change, and in one that does not."""
    whole, sealed, dice = Store(max_tasks), Store(max_tasks), random.Random(seed)
    slices = sealed.seal_steps()
    for step in range(steps):
        one = live(dice, step * 0.5)
        for store in (whole, sealed):
            store.apply_events([one])
        if next(slices, "over") == "over" and step % 3 == 0:
            slices = sealed.seal_steps()
    list(sealed.seal_steps())
    list(sealed.seal_steps())
    assert sum(text is SEALED for text in sealed.columns.args) > 10
    return whole, sealed


@pytest.mark.parametrize("seed", range(2))
def test_sealed_texts_read_as_those_that_are_not(seed, small_blocks):
    whole, sealed = both(seed)
    one, other = (store.query(TaskQuery(limit=500), NOW) for store in (whole, sealed))
    assert one == other
    assert [whole.task(row.id, NOW) for row in one.rows] == [sealed.task(row.id, NOW) for row in one.rows]
    for filter in FILTERS:
        found = [
            [row.id for row in each.query(TaskQuery(filter=filter, limit=500), NOW).rows]
            for each in (whole, sealed)
        ]
        assert found[0] == found[1], filter
        assert set(found[0]) == sealed.among(filter, [row.id for row in one.rows], NOW), filter


def test_what_changed_here_and_there_is_read_without_its_blocks(monkeypatch, small_blocks):
    """Of a million tasks a thousand that changed lie in all blocks: to look through these takes longer than
    anybody may be held up."""
    _, sealed = both(5)
    monkeypatch.setattr(needle, "FEW", 4)
    query = TaskQuery(filter="user17@", limit=500)
    sealed.query(query, NOW)
    pieces: list[Piece] = []
    monkeypatch.setattr(Needle, "_piece", lambda _, piece: pieces.append(piece))
    ids = [sealed.columns.id[slot] for slot in range(0, sealed.columns.used, 3)]
    sealed.apply_events([event("failed", 4000, id, exception="user17@ failed") for id in ids])
    found = {row.id for row in sealed.query(query, NOW).rows}
    assert len(ids) > 24 and found >= set(ids) and not pieces


def test_the_history_takes_sealed_texts(small_blocks):
    slots = np.arange(60)
    rows = [repr(list(take(store.columns, slots, Veiling(Redactor()), _Codes()).rows())) for store in both(7)]
    assert rows[0] == rows[1]
    assert repr(SEALED) not in rows[1]


class _Codes(dict[tuple[str, int], int]):
    def __missing__(self, key: tuple[str, int]) -> int:
        return key[1]


def test_a_text_that_comes_later_counts(small_blocks):
    store = Store(100)
    for number in range(8):
        store.apply_events([received(number, f"t{number}", args="(1,)"), succeeded(9, f"t{number}")])
    list(store.seal_steps())
    list(store.seal_steps())
    assert store.columns.args[3] is SEALED
    store.apply_events(
        [succeeded(10, "t3", result="other"), received(11, "t4", retries=1), started(12, "t4")]
    )
    assert [row.id for row in store.query(TaskQuery(filter="result:other"), NOW).rows] == ["t3"]
    assert "t3" not in {row.id for row in store.query(TaskQuery(filter="result:3"), NOW).rows}
    for number in range(8):
        store.apply_events([succeeded(13, f"t{number}", result="new")])
    list(store.seal_steps())
    list(store.seal_steps())
    assert {row.id for row in store.query(TaskQuery(filter="result:new"), NOW).rows} == {
        f"t{n}" for n in range(8)
    }
    assert store.task("t4", NOW).args == "(1,)"


def test_what_goes_on_is_taken_out_of_the_piece(small_blocks):
    store = Store(100)
    for number in range(16):
        store.apply_events([sent(number, f"t{number}", args=f"({number},)"), succeeded(20, f"t{number}")])
    list(store.seal_steps())
    list(store.seal_steps())
    store.apply_events([event("retried", 30, "t2", exception="E()")])
    store.apply_events([succeeded(31, f"t{number}", result="again") for number in (0, 1, 3, 4)])
    list(store.seal_steps())
    list(store.seal_steps())
    assert store.columns.args[2] == "(2,)"
    assert store.columns.args[3] is SEALED
    assert [store.task(f"t{number}", NOW).args for number in range(16)] == [f"({n},)" for n in range(16)]


def test_only_tasks_that_are_over_and_rest_are_sealed(small_blocks):
    store = Store(100)
    for number in range(16):
        store.apply_events([received(number, f"t{number}")])
        if number >= 8:
            store.apply_events([succeeded(number + 1, f"t{number}")])
    list(store.seal_steps())
    assert not store.columns.sealed.blocks  # They changed since the last look, which never was.
    list(store.seal_steps())
    assert list(store.columns.sealed.blocks) == [1]


def test_half_the_memory_of_texts():
    store = Store(10_000)
    texts = [f"('user{number}@example.com', {number}, 'one of the many')" for number in range(4096)]
    for number, text in enumerate(texts):
        store.apply_events([received(1, f"t{number}", args=text), succeeded(2, f"t{number}", result="3")])
    list(store.seal_steps())
    list(store.seal_steps())
    [block] = store.columns.sealed.blocks.values()
    kept = sum(len(piece.data) + piece.ends.nbytes + piece.numbers.nbytes for piece in block.pieces.values())
    objects = sum(49 + len(text) for text in texts)
    assert kept < 0.75 * objects
    assert len(block.pieces["result"].data) == 2  # Each different text once.


SOME = st.lists(st.none() | st.text("aAbB1@_ß\u0130\x00\x01\x7f", max_size=6), min_size=1, max_size=9)


@given(SOME, st.text("ab1@_ß\u0307\x00", min_size=1, max_size=4))
@settings(max_examples=400, deadline=None)
def test_a_part_is_found_in_a_piece_and_in_lists_where_it_stands_in_a_text(texts, part):
    piece, word = Piece(texts), Needle(part)
    assert [piece.read(place) for place in range(len(texts))] == texts
    there = [part in plain(text).lower() for text in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(needle, "TOGETHER", 4)
        patch.setattr(needle, "CHUNK", 5)
        assert word._in_lists(texts).tolist() == there
    assert word._in_lists(texts).tolist() == there
    if part.isascii() and "\x00" not in part:
        assert word._piece(piece).tolist() == there


@pytest.mark.parametrize("slots", [range(2, 5), range(4, 1, -2), [3, 0, 3], [1], [], range(7, 7)])
def test_what_stands_at_slots_comes_in_their_order(slots):
    column = [f"text {n}" for n in range(7)]
    assert gathered(column, slots) == [column[slot] for slot in slots]
