"""What is done now and then goes on at its pace, whatever is done to the clock."""

from __future__ import annotations

from lazycelery.engine.due import Due


def test_a_clock_set_back_puts_nothing_off() -> None:
    now = [1_790_000_000.0]
    due = Due(lambda: now[0])
    assert due.now("facts", 10) and not due.now("facts", 10)
    now[0] -= 3600
    assert due.now("facts", 10) and not due.now("facts", 10)
    now[0] += 10
    assert due.now("facts", 10)
