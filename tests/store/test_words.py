"""However texts are searched in (sealed blocks, joined lists, one by one): found is what a loop finds."""

from __future__ import annotations

import random

import pytest

from lazycelery.model.task import TaskQuery
from lazycelery.store import sealing
from lazycelery.store.columns import Columns
from lazycelery.store.filter import matching, needle, parse
from lazycelery.store.filter.texts import TextMatch
from lazycelery.store.sealing import FIELDS
from lazycelery.store.store import Store
from lazycelery.store.values import plain
from tests.store.build import T0, event, received, started, succeeded

NOW = T0 + 5000
ASCII = "aAbBkK1e'_ @[{Zz\x7f\x01"
ANY = ASCII + "ſKıİΣσςéß\u1e9e\u0307\ud800\U0001f600"
KINDS = (
    "{}",
    "-{}",
    "args:{}",
    "-args:{}",
    "result:{}",
    "error:{}",
    "id:{}",
    "~{}",
    "args:~{}",
    "a*{}",
    "={}",
)


def texts_of(columns: Columns, slot: int, field: str) -> list[str | None]:
    if field:
        return [columns.id[slot] if field == "id" else columns.sealed.text(field, slot)]
    words = (
        table.texts[codes[slot]]
        for table, codes in (
            (columns.names, columns.name),
            (columns.workers, columns.worker),
            (columns.queues, columns.queue),
        )
    )
    return [columns.id[slot], *(columns.sealed.text(name, slot) for name in FIELDS), *words]


def by_a_loop(columns: Columns, filter: str) -> list[str]:
    def meets(slot: int) -> bool:
        return all(
            term.negated
            != any(
                text is not None and isinstance(test, TextMatch) and test.matches(plain(text))
                for text in texts_of(columns, slot, term.field)
                for test in term.tests
            )
            for term in parse(filter).terms
        )

    return sorted(columns.id[slot] for slot in range(columns.used) if columns.row[slot] and meets(slot))


@pytest.mark.parametrize("seed", range(8))
def test_words_are_found_where_a_plain_loop_finds_them(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    for module in (sealing, needle, matching):
        monkeypatch.setattr(module, "BLOCK", (8, 32)[seed % 2])
    monkeypatch.setattr(needle, "FEW", (2, 24)[seed // 2 % 2])
    monkeypatch.setattr(needle, "CHUNK", (3, 50)[seed // 4])
    monkeypatch.setattr(needle, "TOGETHER", (3, 2048)[seed // 4])
    signs, store, number = (ASCII, ANY)[seed % 2], Store(chance.choice([20, 200])), 0

    def some(most: int, least: int = 0, without: str = "") -> str:
        return "".join(
            chance.choices([one for one in signs if one not in without], k=chance.randint(least, most))
        )

    for _ in range(4):
        for _ in range(chance.randint(20, 100)):
            number += 1
            at, id = number / 10, f"{number:08x}" if chance.random() < 0.8 else f"K{number}"
            life = [received(at, id, args=some(9) or None, kwargs=some(5)), started(at, id)]
            end = chance.random()
            if end < 0.6:
                life.append(succeeded(at, id, result=some(9)))
            elif end < 0.8:
                life.append(event("failed", at, id, exception=some(9)))
            store.apply_events(life)
        for _ in range(chance.choice([0, 2])):
            list(store.seal_steps())
        for _ in range(15):
            filter = chance.choice(KINDS).format(some(3, 1, " '[{\x01\ud800"))
            filter += chance.choice(["", "", " -1", " args:a", " b"])
            left = store.query_steps(TaskQuery(filter=filter), NOW)
            for _ in range(chance.randint(0, 4)):
                next(left, None)
            left.close()  # Another filter was typed meanwhile.
            rows = store.query(TaskQuery(filter=filter, limit=1000), NOW).rows
            assert sorted(row.id for row in rows) == by_a_loop(store.columns, filter), filter
