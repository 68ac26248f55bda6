"""What an hour counts is written as it grows: a kill costs little of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from lazycelery.engine import recorder
from lazycelery.engine.figure_notes import BEHIND, FigureNotes
from lazycelery.store.history import figures, let_go
from lazycelery.store.history.postgres.hours import once
from lazycelery.store.history.storage import Hour
from lazycelery.store.store import Store
from tests.history.keeping import Monitor, files_in, storage_in
from tests.store.build import T0, received, succeeded
from tests.store.test_statistics import read


def noted(monitor: Monitor) -> dict[str, int]:
    """Task names that were noted since, and what ended of them in their hour."""
    hours = [note for note in monitor.recorder.backlog.forget() if isinstance(note, Hour)]
    return {hour.key: msgspec.msgpack.decode(hour.counts)[3] for hour in hours if hour.kind == "task"}


async def test_what_changed_is_noted_at_a_pace_and_all_of_it_once_a_minute(tmp_path: Path) -> None:
    monitor, second = Monitor(files_in(tmp_path)), 0
    counts = FigureNotes(monitor.store.figures, monitor.store.columns, monitor.recorder, 100)

    async def heard(*names: str) -> dict[str, int]:
        nonlocal second
        for name in names:
            uuid = f"{name}-{second}"
            monitor.store.apply_events(
                [received(second, uuid, name=name), succeeded(second + 0.1, uuid)],
            )
        second += 1
        monitor.store.second(T0 + second, True)
        counts.second()
        await asyncio.sleep(0.01)
        return noted(monitor)

    assert await heard("a", "b") == {"a": 1, "b": 1}
    assert await heard("b") == {"b": 2}
    assert await heard() == {}
    many = [f"t{number}" for number in range(250)]
    assert (await heard(*many)).keys() == set(many)
    assert [await heard("a"), await heard("b")] == [{}, {"a": 2, "b": 3}]  # It rests for two seconds.
    while second < 59:
        assert await heard() == {}
    assert (await heard()).keys() == {"a", "b", *many}
    while await heard():
        pass
    for _ in range(BEHIND):
        monitor.recorder.note(Hour(0, "queue", "", b"", b"", b""))
    waiting = monitor.recorder.backlog.notes.count
    monitor.store.apply_events([received(second, "late", name="a")])
    monitor.store.second(T0 + second + 1, True)
    counts.second()
    await asyncio.sleep(0.01)
    assert monitor.recorder.backlog.notes.count == waiting  # More would only let others go.


def test_what_several_recorders_saw_of_an_hour_is_counted_once() -> None:
    def hour(began: int, kind: str, *counts: int) -> Hour:
        return Hour(began, kind, "x", msgspec.msgpack.encode(counts), b"", b"")

    def of(*spans: tuple[int, int]) -> set[int]:
        told = [one for at, seen in spans for one in (hour(at, "monitor", seen), hour(at, "task", seen))]
        kept = once([*told, hour(7200, let_go.KIND, 1)])
        assert kept[-1].kind == let_go.KIND and {one.began for one in kept if one.kind == "monitor"} == {
            one.began for one in kept if one.kind == "task"
        }
        return {one.began for one in kept[:-1]}

    assert of((7200, 3599), (9000, 1800), (10_800, 3600), (10_801, 3598)) == {7200, 10_800}
    assert of((7200, 1800), (9000, 1799), (10_797, 4)) == {7200, 9000, 10_797}  # One that began again.
    assert of((7200, 1200), (8399, 3), (8402, 2398), (7260, 3540)) == {7260, 8399}
    assert once([hour(7200, "monitor"), hour(7200, "task", 1)]) != []


@pytest.mark.parametrize("back", [0, 3600])
async def test_who_takes_over_writes_only_what_it_counted_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back: int
) -> None:
    monkeypatch.setattr(recorder, "TAKE_OVER", 0.05)
    hour = (T0 // 3600 + 1) * 3600
    now = hour - 10.0

    def monitor() -> tuple[Monitor, FigureNotes]:
        one = Monitor(files_in(tmp_path), lambda: now)
        return one.start(), FigureNotes(one.store.figures, one.store.columns, one.recorder, 100)

    async def second(*told: tuple[Monitor, FigureNotes]) -> None:
        nonlocal now
        now += 1
        for one, counts in told:
            at = now - 0.5 - T0
            one.hear(received(at, f"t{now}", name="a"), succeeded(at + 0.1, f"t{now}"))
            one.store.second(now, True)
            counts.second()
        await asyncio.sleep(0)

    first = monitor()
    assert first[0].wait(lambda: first[0].recorder.status.state == "writing")
    along = monitor()
    assert along[0].wait(lambda: bool(along[0].recorder.status.reason))
    for _ in range(40):  # The hour began for both of them meanwhile.
        await second(first, along)
    await first[1].close()
    first[0].stop()
    assert along[0].wait(lambda: along[0].recorder.status.state == "writing")
    await second(along)
    now -= back
    for _ in range(19):
        await second(along)
    await along[1].close()
    along[0].stop()
    now += back
    store = Store()
    for _ in store.put_figures(figures.read(storage_in(files_in(tmp_path)), now)):
        pass
    found = read(store, "task", 86_400, now)
    # The second in which the one took over from the other is lost.
    assert (found.rows[0].succeeded, found.seen) == (59, pytest.approx(59, abs=1.5))
