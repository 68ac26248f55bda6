"""Who was asked, and what of it is remembered."""

from __future__ import annotations

from collections import Counter

from lazycelery.engine.rounds import Rounds


def test_workers_that_are_known_no_more_are_not_remembered() -> None:
    rounds = Rounds.__new__(Rounds)
    rounds.surveyed, rounds._told, rounds._tries = {"a@1", "b@2"}, {"a@1"}, Counter({"a@1": 2, "b@2": 1})
    rounds._forget_others({"b@2", "c@3"})
    assert (rounds.surveyed, rounds._told, rounds._tries) == ({"b@2"}, set(), Counter({"b@2": 1}))
