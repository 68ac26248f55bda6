"""`lazycelery finding`: acknowledge, snooze, take back, list; on a broker that is dead, as at night."""

from __future__ import annotations

import json

from lazycelery.model.moments import span_in
from tests.support.broker import free_port


def test_a_dead_broker_is_snoozed_seen_by_the_next_command_and_taken_back(run) -> None:
    dead = ("--broker", f"redis://127.0.0.1:{free_port()}/0", "--timeout", "0.5")
    assert run("doctor", "--observe", "0", *dead, broker=False).code == 3
    done = run(
        "finding",
        "snooze",
        "broker-unreachable",
        "--for",
        "2h",
        "--note",
        "move",
        "--observe",
        "0",
        *dead,
        broker=False,
    )
    assert done.code == 0 and "Snoozed: broker-unreachable, until" in done.out
    told = run("doctor", "--observe", "0", *dead, broker=False)
    assert "1 snoozed: broker-unreachable." in told.out and "CRITICAL" not in told.out
    listed = run("finding", "list", "--json", "--observe", "0", *dead, broker=False)
    [mark] = json.loads(listed.out)
    assert (listed.code, mark["kind"], mark["note"]) == (0, "snooze", "move") and mark["until"] > mark["at"]
    assert run("finding", "clear", "broker-unreachable", *dead, broker=False).code == 0
    assert run("finding", "list", "--observe", "0", *dead, broker=False).code == 1
    assert "CRITICAL" in run("doctor", "--observe", "0", *dead, broker=False).out
    assert run("finding", "clear", "broker-unreachable", *dead, broker=False).code == 1


def test_what_is_no_time_is_wrong_usage(run) -> None:
    done = run("finding", "snooze", "broker-unreachable", "--for", "soon")
    assert done.code == 2 and "write 30m, 2h or 1d" in done.err


def test_spans() -> None:
    assert [span_in(text) for text in ("90", "30m", "1.5h", "1d")] == [90.0, 1800.0, 5400.0, 86_400.0]
    assert [span_in(text) for text in ("", "0", "-1h", "1w", "h")] == [None] * 5
