"""Tasks counted for the doctor."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from lazycelery.insight.doctor import MODES
from lazycelery.insight.doctor.grouping import grouped
from lazycelery.model.facts import TaskFacts
from lazycelery.store.store import Store
from tests.doctor.seen import seen
from tests.store.build import T0, failed, received, started, store_of, succeeded
from tests.store.test_large_stores import result_of
from tests.store.test_lost_runs import at, beat


def counted(store: Store, after: float, ill: dict[str, float] | None = None) -> TaskFacts:
    facts, _ = result_of(store.task_facts_steps(T0 + after, 120.0, ill))
    return facts


def test_of_very_many_lost_tasks_some_of_each_worker_are_named_and_the_others_counted():
    store = store_of(*(started(2, f"a{n}", "w1@h") for n in range(150)), started(2, "b", "w2@h"))
    store.apply_events([beat(3, "w1@h"), beat(3, "w2@h"), beat(3, "w3@h")])
    at(store, 20, 40)
    facts = counted(store, 41)
    assert (len(facts.lost), facts.lost_beyond) == (101, {"w1@h": 50})
    assert {one.worker for one in facts.lost} == {"w1@h", "w2@h"}
    for id in ("a0", "a149"):
        store.columns.notes.send_again(id)
    facts = counted(store, 41)
    assert (len(facts.lost), facts.lost_beyond) == (101, {"w1@h": 48})


def test_of_very_many_workers_all_lost_tasks_are_counted():
    store = store_of(*(started(2, f"a{n}", f"w{n % 300}@h") for n in range(600)))
    store.apply_events([beat(3, f"w{n}@h") for n in range(301)])
    at(store, 20, 40)
    facts = counted(store, 41)
    assert len(facts.lost) + sum(facts.lost_beyond.values()) == 600
    found = MODES["task-lost"].check(seen(tasks=facts))
    [one] = grouped(found)
    assert "; and 599 more like it." in one.title and one.evidence[0].value == 600


@pytest.mark.parametrize("slices", range(1, 8))
def test_who_takes_the_place_of_another_while_it_is_counted_is_not_taken_for_it(slices: int):
    runs = [started(2, f"a{n}", "w1@h") for n in range(5)] + [started(30, f"b{n}", "w2@h") for n in range(5)]
    store = store_of(*runs)
    store.apply_events([beat(3, "w1@h"), beat(40, "w2@h")])
    at(store, 20, 40)
    assert store.counts() == {"lost": 5, "started": 5}
    steps = store.task_facts_steps(T0 + 41, 120.0)
    assert len(list(islice(steps, slices))) == slices
    old = [store._columns.slots.get(f"{letter}{n}") for letter in "ab" for n in range(5)]
    store._columns.remove(np.array(old, dtype=np.intp))
    store.apply_events([received(41, f"c{n}", worker="w3@h") for n in range(10)])
    facts, _ = result_of(steps)
    assert not [one.id for one in (*facts.lost, *facts.running) if one.id.startswith("c")]


def test_what_failed_since_something_was_found_is_not_usual():
    store = store_of(*(each for n in range(30) for each in _run(n, n, succeeded)))
    store.apply_events([each for n in range(100, 400) for each in _run(n, n, failed)])
    store._columns.vector("name")[:] = store._columns.names.code("shop.add")
    lasting = counted(store, 400).names["shop.add"]
    assert (lasting.usual_failed, lasting.usual_ended) == (180, 210)
    found = counted(store, 400, {"shop.add": T0 + 150}).names["shop.add"]
    assert (found.failed, found.usual_failed, found.usual_ended) == (lasting.failed, 0, 30)


def _run(number, at, end):
    return [started(at, f"t{number}"), end(at + 0.5, f"t{number}")]
