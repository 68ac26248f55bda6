"""The health of the sources."""

from __future__ import annotations

from itertools import islice

from lazycelery.engine.links import BACKOFF, Links, backoff
from lazycelery.errors import ConnectionProblem
from lazycelery.sources.protocols.status import StatusChange


def test_a_source_that_never_answered_is_refused_and_one_that_did_is_lost() -> None:
    links = Links(lambda: 100.0, lambda: None)
    links.down("broker", ConnectionProblem("Port closed.", "Start it."), 104.0)
    assert links["broker"].state == "refused"
    links.up("broker")
    links.down("broker", ConnectionProblem("Port closed.", "Start it."))
    assert (links["broker"].state, links["broker"].hint) == ("lost", "Start it.")


def test_a_return_counts_as_a_gap() -> None:
    links = Links(lambda: 1.0, lambda: None)
    for state in ("connected", "lost", "connected", "connected"):
        links.tell("events", StatusChange(state))
    assert links["events"].gaps == 1


def test_a_gap_is_a_gap_whatever_was_said_in_between() -> None:
    links = Links(lambda: 1.0, lambda: None)
    for state in ("connecting", "refused", "connected", "lost", "refused", "connecting", "connected"):
        links.tell("events", StatusChange(state))
    assert links["events"].gaps == 1


def test_only_what_changes_wakes_the_faces() -> None:
    calls: list[int] = []
    links = Links(lambda: 1.0, lambda: calls.append(1))
    links.up("control")
    links.up("control")
    assert len(calls) == 1


def test_waits_grow_and_stay_bounded() -> None:
    waits = list(islice(backoff(), 20))
    assert waits[0] < waits[5]
    assert max(waits) <= BACKOFF[-1] * 1.2
