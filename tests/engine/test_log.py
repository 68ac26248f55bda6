"""The live log's ring."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.engine.log import SLICE, EventLog
from lazycelery.errors import UsageError
from lazycelery.model.cluster import LogPage
from lazycelery.model.event import Event, large
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.sources.event_wire import decode_event_bodies
from lazycelery.sources.replay.tape import Tape, TapeWriter


def events(count: int, start: int = 0) -> list[Event]:
    return [Event(type="task-sent", uuid=f"t{number}", args="()") for number in range(start, start + count)]


def page(log: EventLog, *asked: Any) -> LogPage:
    steps = log.page(*asked)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: LogPage = end.value
            return found


def ids(log: EventLog, after: int, limit: int = 10) -> list[str | None]:
    return [line.id for line in page(log, after, limit, False, None, False).lines]


def test_without_a_place_the_newest_come_oldest_first() -> None:
    log = EventLog(Redactor())
    log.add(events(5))
    assert ids(log, -1, 2) == ["t3", "t4"]


def test_a_reader_goes_on_where_it_stopped() -> None:
    log = EventLog(Redactor())
    log.add(events(5))
    found = page(log, 0, 3, False, None, False)
    assert [line.seq for line in found.lines] == [1, 2, 3]
    assert ids(log, found.last) == ["t3", "t4"]


@pytest.mark.parametrize("after", [-1, 0])
def test_whole_events_are_told_one_a_slice_while_others_come_and_go(after: int) -> None:
    log = EventLog(Redactor(), size=10)
    log.add(events(10))
    slices, steps = 0, log.page(after, 5, True, None, False)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            lines = end.value.lines
            break
        slices += 1
        log.add(events(3, start=10 + 3 * slices))
    assert slices == 4
    first = 5 if after < 0 else 0
    assert [line.id for line in lines] == [f"t{number}" for number in range(first, first + 5)]


def test_what_left_the_ring_is_counted() -> None:
    log = EventLog(Redactor(), size=3)
    log.add(events(10))
    found = page(log, 2, 10, False, None, False)
    assert found.missed == 5
    assert [line.id for line in found.lines] == ["t7", "t8", "t9"]


def test_a_filter_that_matches_nothing_still_moves_on() -> None:
    log = EventLog(Redactor())
    log.add(events(4))
    found = page(log, 0, 10, False, lambda ids: set(), False)
    assert (found.lines, found.last) == ([], 4)


def test_no_secret_is_told_of_an_event_of_ones_own_unless_revealed() -> None:
    log, secret = EventLog(Redactor()), "hunter2"
    extra = {"password": secret, f"token={secret}": 1, "in": [{f"api_key: {secret}": 2}], "step": 3}
    log.add([Event(type=f"own password={secret}", uuid="t", extra=extra)])
    [line] = page(log, 0, 1, True, None, False).lines
    assert secret not in str(line) and line.event is not None and line.event["step"] == 3
    [line] = page(log, 0, 1, True, None, True).lines
    assert str(line).count(secret) >= 4


def test_secrets_are_redacted_unless_revealed() -> None:
    log = EventLog(Redactor())
    log.add([Event(type="task-received", uuid="t", args="()", kwargs="{'password': 'hunter2'}")])
    assert "hunter2" not in str(page(log, -1, 1, True, None, False))
    assert "hunter2" in str(page(log, -1, 1, True, None, True))


def test_an_event_that_names_the_id_alone_gets_the_task_from_what_is_known() -> None:
    log = EventLog(Redactor(), {"t": "shop.add"}.get)
    log.add([Event(type="task-succeeded", uuid="t"), Event(type="task-succeeded", uuid="unknown")])
    assert [line.name for line in page(log, -1, 5, False, None, False).lines] == ["shop.add", None]


@pytest.mark.parametrize("after", [-1, 0])
def test_a_filter_looks_at_few_events_in_one_go(after: int) -> None:
    """And asks about each task once: between two slices events are taken in, and the question may end."""
    log, asked = EventLog(Redactor()), list[set[str]]()
    log.add(events(10 * SLICE) + events(10 * SLICE))

    def none(ids: Iterable[str]) -> set[str]:
        asked.append(set(ids))
        return set()

    assert sum(1 for _ in log.page(after, 10, False, none, False)) == 19
    assert max(map(len, asked)) <= SLICE and sum(map(len, asked)) == 10 * SLICE
    steps = log.page(after, 10, False, none, False)
    next(steps)
    steps.close()


def test_what_is_found_early_needs_no_look_at_the_rest() -> None:
    log, asked = EventLog(Redactor()), list[str]()
    log.add(events(10 * SLICE))

    def all_of(ids: Iterable[str]) -> set[str]:
        asked.extend(ids)
        return set(ids)

    lines = page(log, -1, 3, False, all_of, False).lines
    assert [line.seq for line in lines] == [10 * SLICE - 2, 10 * SLICE - 1, 10 * SLICE]
    assert len(asked) == SLICE


def test_events_that_fall_out_during_a_look_are_counted_and_new_ones_are_seen() -> None:
    log = EventLog(Redactor(), size=3 * SLICE)
    log.add(events(3 * SLICE))
    steps = log.page(0, 9, False, lambda ids: {"t700"} & set(ids), False)
    next(steps)
    log.add(events(2 * SLICE, 3 * SLICE))
    with pytest.raises(StopIteration) as end:
        for _ in range(9):
            next(steps)
    found: LogPage = end.value.value
    assert [line.seq for line in found.lines] == [701] and found.missed == SLICE
    assert found.last == log.last
    steps = log.page(-1, 9, False, lambda ids: set(), False)
    next(steps)
    log.add(events(3 * SLICE))
    with pytest.raises(StopIteration) as end:
        for _ in range(9):
            next(steps)
    assert end.value.value.last == 5 * SLICE


async def test_a_wrong_filter_is_told_also_where_nothing_was_heard() -> None:
    engine = Engine(Profile(broker="redis://127.0.0.1:1/0"))
    with pytest.raises(UsageError):
        await engine.log(0, 10, "nme:x")


def heard(**fields: object) -> list[Event]:
    """An event as its message tells it."""
    found: list[Event] = []
    told = {"type": "task-received", "hostname": "w", "timestamp": 1.0, "uuid": "t", **fields}
    assert decode_event_bodies([json.dumps(told).encode()], 1.0, found) == 0
    return found


@pytest.mark.parametrize(
    "fields",
    [
        {"args": "x" * 100_000, "kwargs": "y" * 100_000},
        {"type": "task-failed", "exception": "x" * 100_000, "traceback": "y" * 100_000},
        {"type": "task-progress", "blob": "x" * 200_000},
        {"type": "task-progress", "blob": {f"k{number}": [number, {}] for number in range(500)}},
        {"type": "task-progress", **{f"k{number}": {} for number in range(500)}},
        {"type": "x" * 100_000, "hostname": "y" * 100_000},
        {"type": "worker-heartbeat", "loadavg": [0.5] * 2_000, "sw_sys": "z" * 5_000},
        {"type": "task-progress", "blob": {f"k{number}": {} for number in range(120)}},
    ],
)
def test_the_log_is_bounded_in_bytes_too(fields: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lazycelery.engine.log.BYTES", 100_000)
    log, several = EventLog(Redactor()), 30
    log.add(heard(**fields))
    tracemalloc.start()
    for _ in range(several):
        log.add(heard(**fields))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 200_000 + several * 4_500
    assert len(page(log, -1, 99, False, None, False).lines) == several + 1


def test_what_was_cut_in_the_log_says_so_and_the_event_itself_stays_whole() -> None:
    log, whole = EventLog(Redactor()), heard(args="x" * 10_000, traceback="y" * 70_000, name="shop.add")
    log.add(whole)
    told = page(log, -1, 1, True, None, True).lines[0].event
    assert told["args"] == "x" * 8189 + "..." and told["traceback"] == "y" * 65_533 + "..."
    assert (told["name"], len(whole[0].args or "")) == ("shop.add", 10_000)
    own = {f"k{number}": "z" * 9_000 for number in range(20)}
    log.add(heard(type="task-progress", n=[1, {"a": 2}], **own))
    told = page(log, -1, 1, True, None, True).lines[0].event
    assert told["n"] == [1, {"a": 2}] and told["k0"] == "z" * 8189 + "..." and told["…"] == "12 more fields"


def test_the_oldest_large_ones_keep_their_beginnings_and_small_ones_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lazycelery.engine.log.BYTES", 80_000)
    log = EventLog(Redactor())
    small = events(3)
    log.add([*small, *heard(args="x" * 8_000, uuid="old")])
    for number in range(10):
        log.add(heard(args="x" * 8_000, uuid=f"u{number}"))
    lines = page(log, 0, 20_000, True, None, True).lines
    assert [line.id for line in lines[:4]] == ["t0", "t1", "t2", "old"]
    assert lines[3].event["args"] == "x" * 297 + "..." and lines[-1].event["args"] == "x" * 8_000
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
    assert list(log._ring)[:3] == small


def test_large_events_that_fell_out_are_forgotten() -> None:
    log = EventLog(Redactor(), size=10)
    log.add(heard(args="x" * 8_000) * 5 + events(9))
    log.add(large(events(1)))
    assert (len(log._large), log._bytes < 1_000) == (1, True)


def test_large_events_of_a_recording_are_cut_too(tmp_path: Path) -> None:
    tape, log = TapeWriter(tmp_path / "a.tape"), EventLog(Redactor())
    tape.write(1e9, "events", [Event(type="task-received", uuid="t", args="x" * 9_000, received=1e9)])
    tape.close()
    for frame in Tape(tmp_path / "a.tape").frames():
        log.add(frame.said)
    assert page(log, -1, 1, True, None, True).lines[0].event["args"] == "x" * 8189 + "..."
