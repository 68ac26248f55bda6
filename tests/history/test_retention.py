"""What goes for its age, and what must not: by a wrong clock, or because another profile keeps less."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from lazycelery.engine import recorder as module
from lazycelery.engine import steadiness
from lazycelery.engine.steadiness import Ages
from lazycelery.store.history.files import CLOCK, LOCK, MARKS, RETENTION, Files
from lazycelery.store.history.local import Local
from lazycelery.store.history.lock import Lock
from lazycelery.store.history.postgres import recording as shared_recording
from lazycelery.store.history.postgres import schema as tables
from lazycelery.store.history.postgres.address import WRITES, connect
from lazycelery.store.history.postgres.storage import Shared
from lazycelery.store.history.storage import Storage
from lazycelery.store.history.strangers import forget_strangers, retention_of
from tests.history.keeping import Monitor, files_in, found, ids, recorded
from tests.store.build import T0, received, started, succeeded

DAY = 86_400.0


def five_days(storage: Storage) -> None:
    for day in range(5):
        at = day * DAY
        monitor = Monitor(storage, lambda at=at: T0 + at).start()  # type: ignore[misc]
        monitor.hear(received(at, f"t{day}"), succeeded(at, f"t{day}"))
        monitor.stop()


def test_a_monitor_that_starts_with_a_clock_that_is_ahead_removes_nothing(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that has just booted, before it was told the time. Each start counts for itself: one that
    is started again and again by a supervisor is right no sooner."""
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.0)
    other = Local(Files(tmp_path / "other"))
    recorded(other, [received(0, "theirs")])
    five_days(storage)
    for again in range(2):
        ahead = 35 * DAY + again
        monitor = Monitor(storage, lambda ahead=ahead: T0 + ahead).start()  # type: ignore[misc]
        monitor.hear(received(ahead, f"ahead{again}"))
        assert monitor.wait(lambda again=again: f"ahead{again}" in ids(found(storage)))  # type: ignore[misc]
        time.sleep(0.6)
        monitor.stop()
    assert ids(found(storage)) == ["ahead1", "ahead0", "t4", "t3", "t2", "t1", "t0"]
    assert ids(found(other)) == ["theirs"]
    monkeypatch.setattr(steadiness, "SETTLED", 0.0)
    monitor = Monitor(storage, lambda: T0 + 35 * DAY).start()
    assert monitor.wait(lambda: ids(found(storage)) == ["ahead1", "ahead0"])
    monitor.stop()


def test_how_far_the_history_reaches_is_not_told_by_a_task_that_was_seen_before_it(storage: Storage) -> None:
    """One with an ETA of days, say: what happened meanwhile went with its part."""
    later = 3 * DAY
    monitor = Monitor(storage, lambda: T0 + later)
    monitor.hear(received(1, "eta"))
    monitor.hear(started(later, "eta"), succeeded(later + 1, "eta"))
    monitor.start()
    monitor.hear(received(later + 2, "next"))
    monitor.stop()
    reached = found(storage).since
    assert reached is not None and T0 + 2 * DAY < reached <= T0 + later
    assert Monitor(storage).load().since == reached


def test_what_a_start_knows_of_the_clock_the_next_one_goes_on_with(tmp_path: Path) -> None:
    clock, passed, note = [T0], [50.0], tmp_path / "new" / CLOCK

    def ages() -> Ages:
        return Ages(lambda: clock[0], lambda: passed[0], note)

    def later(seconds: float, jump: float = 0.0) -> bool:
        passed[0] += seconds
        clock[0] += seconds + jump
        return ages().believed()  # A process of its own each time.

    assert not later(1) and not later(3_000) and later(700)
    assert note.stat().st_mode & 0o077 == 0
    assert not later(60, jump=30 * DAY) and not later(3_000) and later(700)
    passed[0] = 20.0  # Another boot, soon, and the clock goes on where it was.
    assert not ages().believed() and not later(3_000) and later(700)
    note.write_text('{"offset": 1', encoding="utf-8")
    assert not later(60) and not later(3_000) and later(700)


def test_days_of_a_database_are_those_of_its_own_clock_also_after_ours_was_set(
    shared: Callable[..., Shared], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.0)
    ours, real = [0.0], time.time
    monkeypatch.setattr(shared_recording, "time", SimpleNamespace(time=lambda: real() + ours[0]))
    storage = shared()
    monitor = Monitor(storage, lambda: T0 + ours[0]).start()
    monitor.hear(received(0, "t0"))
    assert monitor.wait(lambda: ids(found(storage)) == ["t0"])
    ours[0] = 30 * DAY  # Nothing is written meanwhile: no batch brings the server's time.
    time.sleep(0.6)
    monitor.hear(received(1, "t1"))
    assert monitor.wait(lambda: len(ids(found(storage))) == 2)
    monitor.stop()
    connection = connect(storage.address, WRITES)
    days = tables.days(connection, storage.address.schema)
    connection.close()
    assert days[0] == tables.day_of(T0) and len(days) == 1 + tables.AHEAD


@pytest.fixture
def theirs(tmp_path: Path) -> Files:
    """The history of another profile, that keeps it for 30 days, with a deploy mark."""
    files = Files(tmp_path / "prod", days=30)
    recorded(files, [received(0, "t0")])
    (files.directory / MARKS).write_text("{}\n", encoding="utf-8")
    return files


def swept(files: Files, days: float) -> bool:
    """Whether another profile's monitor removes it, so many days later."""
    forget_strangers(files.directory.parent / "dev", time.time() + days * DAY)
    return not files.directory.exists()


def test_a_history_that_nobody_watches_goes_after_its_own_time_and_not_that_of_others(
    theirs: Files, tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = time.time() - T0 + 2 * DAY
    dev = Files(tmp_path / "dev", days=1)
    monitor = Monitor(dev, lambda: T0 + ahead).start()
    monitor.hear(received(ahead, "x"))
    assert monitor.wait(lambda: (dev.directory / RETENTION).exists())
    monitor.stop()
    assert ids(found(theirs)) == ["t0"] and (theirs.directory / MARKS).exists()
    assert retention_of(dev.directory) == 1.0 and retention_of(theirs.directory) == 30.0
    assert not swept(theirs, 29)
    monitor = Monitor(dev, lambda: time.time() + 31 * DAY).start()
    assert monitor.wait(lambda: not theirs.directory.exists())
    monitor.stop()


def test_a_history_that_does_not_tell_how_long_it_is_kept_stays(theirs: Files) -> None:
    for text in (None, "", '{"days"', '{"days": "long"}', "[]", "7"):
        (theirs.directory / RETENTION).unlink(missing_ok=True)
        if text is not None:
            (theirs.directory / RETENTION).write_text(text, encoding="utf-8")
        assert not swept(theirs, 4000), text
    recorded(theirs, [received(1, "t1")])  # Whoever writes it next tells again.
    assert swept(theirs, 31)


def test_a_history_that_is_written_somewhere_else_stays(theirs: Files) -> None:
    """Its files may look old: by a file server's clock, or while there is nothing to write."""
    lock = Lock(theirs.directory)
    assert lock.take() and not swept(theirs, 31)
    lock.give_back()
    (theirs.directory / LOCK).unlink()  # Whose file system has no locks.
    assert not swept(theirs, 31)
    assert lock.take()
    lock.give_back()
    assert swept(theirs, 31)


def test_a_file_servers_clock_that_is_behind_makes_nothing_old(theirs: Files) -> None:
    for path in theirs.directory.iterdir():
        os.utime(path, (0, 0))
    ahead = (T0 - time.time()) / DAY
    assert not swept(theirs, ahead + 29)
    assert swept(theirs, ahead + 32)


@pytest.mark.parametrize(
    "name",
    ["incident.tape", "2026-11-25-000.sqlite3.bak", "2026-11-25-000.sqlite3.gz", "notes.txt", "old/"],
)
def test_a_directory_that_holds_anything_else_stays_whole(theirs: Files, name: str) -> None:
    before = sorted(os.listdir(theirs.directory))
    foreign = theirs.directory / name
    foreign.mkdir() if name.endswith("/") else foreign.touch()
    assert not swept(theirs, 4000)
    assert sorted(os.listdir(theirs.directory)) == sorted([*before, foreign.name])


def test_what_a_link_points_to_stays(theirs: Files, tmp_path: Path) -> None:
    away = tmp_path / "elsewhere" / "prod"
    away.parent.mkdir()
    theirs.directory.rename(away)
    theirs.directory.symlink_to(away, target_is_directory=True)
    before = sorted(os.listdir(away))
    forget_strangers(tmp_path / "dev", time.time() + 4000 * DAY)
    assert sorted(os.listdir(away)) == before and theirs.directory.is_symlink()


def test_a_deploy_mark_is_a_sign_that_somebody_watches(theirs: Files) -> None:
    then = time.time() + 20 * DAY
    os.utime(theirs.directory / MARKS, (then, then))
    assert not swept(theirs, 45)
    assert swept(theirs, 51)


def test_a_removal_that_was_cut_off_is_gone_on_with(theirs: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    for companion in ("-wal", ".damaged-1", ".damaged-1-wal"):
        Path(f"{theirs.all()[0]}{companion}").touch()
    left, unlink = [3], os.unlink

    def cut(path: str | Path) -> None:
        if not left[0]:
            raise OSError("killed")
        left[0] -= 1
        unlink(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", cut)
        assert not swept(theirs, 31)
    assert swept(theirs, 31)


def test_who_reads_a_file_that_is_removed_reads_it_to_its_end(tmp_path: Path) -> None:
    files = files_in(tmp_path, days=1)
    recorded(files, [received(number, f"t{number}") for number in range(3_000)])
    (files.directory / "2036-01-01-000.sqlite3").touch()
    reading = sqlite3.connect(f"{files.all()[0].as_uri()}?mode=ro", uri=True)
    rows = reading.execute("SELECT id FROM tasks")
    assert rows.fetchone()
    assert files.sweep(T0 + 5000 * DAY).removed
    assert len(rows.fetchall()) == 2_999
    reading.close()
