"""The first seconds: nobody is missed who was not asked yet, or who is known to be starting."""

from __future__ import annotations

import pytest

from lazycelery.engine.beginning import Beginning
from lazycelery.tui.presentation.sayings import awaiting

OF_WORKERS = "no-workers"


def test_before_the_first_answers_nothing_is_missed() -> None:
    first = Beginning(100.0, 0.0)
    assert first.awaited(100.5) == "answers"
    first.note(settled=True, alive=False, now=101.0)
    assert first.awaited(101.0) == "" and first.hinders(OF_WORKERS, 101.0) is None


def test_workers_that_are_starting_are_waited_for_and_then_those_that_come_with_them() -> None:
    demo = Beginning(100.0, 30.0)
    demo.note(settled=True, alive=False, now=102.0)
    assert demo.awaited(103.0) == "workers" and demo.hinders(OF_WORKERS, 103.0)
    assert demo.hinders("broker-memory", 103.0) is None
    demo.note(settled=True, alive=True, now=108.0)
    assert demo.awaited(108.0) == ""
    assert demo.hinders("queue-without-consumer", 110.0) and not demo.hinders(OF_WORKERS, 112.0)
    late = Beginning(100.0, 30.0)
    late.note(settled=True, alive=False, now=102.0)
    assert late.awaited(131.0) == "" and late.hinders(OF_WORKERS, 131.0) is None


@pytest.mark.parametrize("scope", ["workers", "queues", "findings"])
def test_an_empty_pane_says_that_it_asks(scope: str) -> None:
    assert awaiting(scope, "") is None and "…" in str(awaiting(scope, "answers"))
    assert awaiting("workers", "workers") == ["The workers are starting …"]
