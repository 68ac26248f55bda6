"""`lazycelery plan`: what it shows, asks and refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lazycelery.cli.progress import far
from lazycelery.model.bulk import Bulk, BulkItem, Progress
from tests.cli.fake_engine import NOW, FakeEngine
from tests.support import fake_bulk

RETRY = ("--allow", "retry", "--broker", "redis://x")


@pytest.fixture
def stopped(engine: FakeEngine) -> Bulk:
    told = ("done", "shop.add"), ("doubt", "shop.add"), ("waiting", "\x1b[31mevil")
    one = fake_bulk.stopped(
        tag="night",
        total=3,
        done=1,
        doubtful=1,
        waiting=1,
        why="stopped by hand",
        items=[
            BulkItem(target=f"old-{n}", state=state, name=name, queue="default", new_id=f"new-{n}")
            for n, (state, name) in enumerate(told)
        ],
    )
    engine.plans = [one]
    return one


def test_the_list_names_what_is_left(run: Any, stopped: Bulk) -> None:
    ran = run("plan", "list")
    assert ran.code == 0 and "7f3a1c20" in ran.out and "stopped" in ran.out and "1/3" in ran.out
    assert json.loads(run("plan", "list", "--json").out)[0]["doubtful"] == 1


def test_no_plan_ends_with_one(run: Any, engine: FakeEngine) -> None:
    assert run("plan", "list").code == 1


def test_one_plan_shows_each_target_and_no_escape(run: Any, stopped: Bulk) -> None:
    ran = run("plan", "show", "7f3a")
    assert ran.code == 0
    assert "stopped: 1 of 3 done, 1 waiting, 1 in doubt" in ran.out
    assert "new-1" in ran.out and "\x1b[31m" not in ran.out


def test_an_unknown_plan_is_told(run: Any, engine: FakeEngine) -> None:
    ran = run("plan", "show", "nope")
    assert (ran.code, "There is no plan" in ran.err) == (1, True)


def test_resume_orders_the_action_of_the_plan(run: Any, engine: FakeEngine, stopped: Bulk) -> None:
    run(
        "plan",
        "resume",
        "7f3a",
        "--yes",
        "--rate",
        "5",
        "--doubtful",
        "drop",
        "--allow",
        "retry",
        "--broker",
        "redis://x",
    )
    order = engine.asked["order"]
    assert order.action == "retry"
    assert order.params == {"resume": "7f3a1c20", "rate": 5.0, "doubtful": "drop"}


def test_discard_asks_and_does_nothing_unasked(run: Any, engine: FakeEngine, stopped: Bulk) -> None:
    ran = run("plan", "discard", "7f3a")
    assert ran.code == 4 and "discard" not in engine.asked
    assert run("plan", "discard", "7f3a", "--yes").code == 0
    assert engine.asked["discard"] == "7f3a1c20"


def test_a_damaged_plan_is_told_and_set_aside(run: Any, engine: FakeEngine, stopped: Bulk) -> None:
    stopped.state, stopped.why, stopped.path = "damaged", "file is damaged: no JSON.", "/x.plan.damaged"
    ran = run("plan", "list")
    assert ran.code == 0 and "damaged" in ran.out and "no JSON" in ran.out and "1/3" not in ran.out
    ran = run("plan", "show", "7f3a")
    assert ran.code == 0 and "`lazycelery plan discard 7f3a1c20` keeps the file aside." in ran.out
    ran = run("plan", "discard", "7f3a", "--yes")
    assert ran.code == 0 and "It is kept as /x.plan.damaged." in ran.out


@pytest.mark.parametrize(
    "words", [("move", "a", "b", "name:x"), ("delete", "a", "name:x"), ("requeue", "a", "name:x")]
)
def test_moves_take_a_limit_a_rate_and_a_tag(run: Any, engine: FakeEngine, words: tuple[str, ...]) -> None:
    run(*words, "--yes", "--limit", "9", "--rate", "20", "--tag", "night", *RETRY)
    assert engine.asked["order"].params == {"limit": 9, "rate": 20.0, "tag": "night"}


def test_retry_takes_a_rate_and_a_tag(run: Any, engine: FakeEngine) -> None:
    run("retry", "id-0", "--yes", "--rate", "20", "--tag", "night", *RETRY)
    assert engine.asked["order"].params == {"rate": 20.0, "tag": "night"}


def test_how_far_it_is_in_words() -> None:
    one = Progress(plan="p", action="retry", title="t", total=300, done=100, unknown=2, began=NOW - 10)
    assert far(one, NOW) == "100 of 300 done, 2 in doubt, about 20.0s left …"
