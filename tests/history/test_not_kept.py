"""What a recorder let go or could not write is noted in the history, and told by whoever reads it later."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine import recorder
from lazycelery.engine.memory import Memory, files_of
from lazycelery.model.history import HistoryQuery, HistoryStatus
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.model.relief import Relief
from lazycelery.store.history import files as places
from lazycelery.store.history import let_go
from lazycelery.store.history.storage import Storage
from lazycelery.store.store import Store
from tests.history.keeping import Monitor, files_in, found
from tests.store.build import T0, received

HOUR = 3600.0


def test_each_hour_has_what_came_in_it_and_each_part_of_the_history_tells_it(storage: Storage) -> None:
    begin = T0 // HOUR * HOUR
    monitor = Monitor(storage).start()
    monitor.hear(received(1, "t1"))
    one, two = let_go.Noting("a:1:1"), let_go.Noting("b:2:2")
    relief, status = Relief(successes=10, missed=0.5), HistoryStatus(dropped=3)
    for noting, now in ((one, begin), (one, begin + 60), (two, begin + 60)):
        hour = noting.due(now, let_go.total(relief, status))
        if hour is not None:
            monitor.recorder.note(hour)
    assert one.due(begin + 120, let_go.total(relief, status)) is None  # Nothing new.
    more = one.due(begin + 120, let_go.total(Relief(successes=15, missed=0.5), status))
    later = one.due(begin + HOUR + 1, let_go.total(Relief(successes=16, missed=0.5), status))
    assert more is not None and later is not None
    monitor.recorder.note(more)
    monitor.recorder.note(later)
    monitor.stop()
    told = found(storage).not_kept
    assert told is not None and (told.since, told.until) == (begin, begin + 2 * HOUR)
    assert (told.successes, told.missed, told.dropped, told.texts) == (26, 1.0, 6, 0)
    again = Monitor(storage).load().not_kept
    assert again == told


def test_an_hour_that_goes_on_in_another_file_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor, noting = Monitor(files_in(tmp_path)), let_go.Noting("a:1:1")
    recorder: Any = monitor.recorder
    for successes in (10, 25):
        hour = noting.due(T0, let_go.total(Relief(successes=successes), HistoryStatus()))
        assert hour is not None
        recorder.note(hour)
        recorder._round()
        monkeypatch.setattr(places, "LEAST_PART", 1)
        monkeypatch.setattr(places, "PARTS", 1e9)
    monitor.stop()
    assert len(files_in(tmp_path).all()) == 2
    told = found(files_in(tmp_path)).not_kept
    assert told is not None and told.successes == 25
    assert Monitor(files_in(tmp_path)).load().not_kept == told


def test_of_a_history_that_has_all_nothing_is_told(storage: Storage) -> None:
    monitor = Monitor(storage).start()
    monitor.hear(received(1, "t1"))
    monitor.stop()
    assert found(storage).not_kept is None and Monitor(storage).load().not_kept is None


async def test_a_recording_engine_notes_what_it_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = Profile(broker="redis://db/0", history_dir=str(tmp_path), recorder=True)
    store = Store(100)
    memory = Memory(profile, store, Redactor(), lambda: T0, lambda: None)
    monkeypatch.setattr(store, "relief", lambda: Relief(successes=11_733, texts=2))
    await memory.begin()
    store.apply_events([received(1, "t1")])
    memory.heard()
    assert memory._started is not None
    await memory._started
    await memory.close()
    assert files_of(profile).all()
    reading = Memory(
        Profile(broker="redis://db/0", history_dir=str(tmp_path)),
        Store(100),
        Redactor(),
        lambda: T0,
        lambda: None,
    )
    page = await reading.ask(HistoryQuery())
    assert page.not_kept is not None and page.not_kept.successes == 11_733
    await reading.begin()
    assert reading.status.not_kept == page.not_kept
    await reading.close()


async def test_what_is_let_go_while_another_one_records_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "TAKE_OVER", 0.05)
    profile = Profile(broker="redis://db/0", history_dir=str(tmp_path), recorder=True)
    first = Monitor(files_of(profile)).start()
    first.hear(received(1, "t1"))
    assert first.wait(lambda: first.recorder.status.state == "writing")
    store, relief = Store(100), Relief(successes=1000)
    memory = Memory(profile, store, Redactor(), lambda: T0, lambda: None)
    monkeypatch.setattr(store, "relief", lambda: relief)
    await memory.begin()
    while not memory.status.reason:
        await asyncio.sleep(0.01)
    await memory.second({}, [], [])
    first.stop()
    while memory.status.state != "writing":
        await asyncio.sleep(0.01)
    relief.successes = 1001
    await memory.second({}, [], [])
    await memory.close()
    told = found(files_of(profile)).not_kept
    assert told is not None and told.successes == 1
