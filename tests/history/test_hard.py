"""Crashes, full disks, directories that cannot be written, clocks that jump: the monitor goes on, and at
most the last second is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lazycelery.engine import backlog, past, steadiness
from lazycelery.engine import recorder as module
from lazycelery.store.history import local, lock, reader
from lazycelery.store.history.files import Files
from lazycelery.store.history.local import Local, LocalRecording
from lazycelery.store.history.schema import MIGRATIONS, VERSION, migrate
from lazycelery.store.history.writer import Writer
from tests.history.feeder import FOUND_EVERY
from tests.history.keeping import Monitor, files_in, found, ids, recorded
from tests.store.build import T0, beat, received, started, succeeded
from tests.support.fleet import ROOT

DAY = 86_400.0


class Feeder:
    """The process of `tests.history.feeder`, and what it said last."""

    def __init__(self, directory: Path, rate: int = 1_000, limit: int | None = None) -> None:
        command = [sys.executable, "-m", "tests.history.feeder", str(directory), str(rate)]
        self.process = subprocess.Popen(
            [*command, *([str(limit)] if limit else [])], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        self.said: list[tuple[int, float, str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            number, at, state = line.split()
            self.said.append((int(number), float(at), state))

    def wait(self, state: str, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not (self.said and self.said[-1][2] == state):
            assert time.monotonic() < deadline and self.process.poll() is None, self.said[-1:]
            time.sleep(0.01)

    def kill(self) -> float:
        """Kill it; returns when."""
        self.process.kill()
        at = time.monotonic()
        self.process.wait()
        self._reader.join(5)
        return at


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return files_in(tmp_path)


def numbers_in(files: Files) -> list[int]:
    """The tasks in all files; each file must be whole."""
    numbers: list[int] = []
    for path in files.all():
        database = sqlite3.connect(path)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = database.execute("SELECT id, state, result FROM task").fetchall()
        database.close()
        for id, state, result in rows:
            number = int(id.removeprefix("task-"))
            assert (state, result) == ("success", str(number))
            numbers.append(number)
    return numbers


def kill_and_look(tmp_path: Path, rounds: int, most: float) -> None:
    """Each round goes on in the files of the one before. `most`: seconds that may be lost."""
    files, chance = files_in(tmp_path), random.Random(4711)
    for _ in range(rounds):
        feeder = Feeder(tmp_path)
        feeder.wait("writing")
        time.sleep(chance.uniform(0.0, 1.5 * most))
        killed = feeder.kill()
        safe = max((number for number, at, _ in feeder.said if at <= killed - most), default=0)
        numbers = numbers_in(files)
        assert len(numbers) == len(set(numbers))
        assert set(range(1, safe + 1)) <= set(numbers)
        rest_in(files, feeder, safe, killed - most)


def rest_in(files: Files, feeder: Feeder, safe: int, until: float) -> None:
    """Events, findings and figures of what a monitor had heard `until` it was killed. Figures are noted each
    second."""
    events, began, found = 0, -1, dict[int, tuple[float | None, int]]()
    counts: dict[str, list[int]] = {}
    for path in files.all():
        database = sqlite3.connect(path)
        events += database.execute("SELECT coalesce(sum(count), 0) FROM events").fetchone()[0]
        for subject, ended, run in database.execute("SELECT subject, ended, n FROM findings"):
            found[int(subject)] = ended, run
        for hour, key, packed in database.execute(
            "SELECT began, key, counts FROM statistics WHERE kind = 'task' ORDER BY began"
        ):
            counts, began = (counts if hour == began else {}), hour
            counts[key] = msgspec.msgpack.decode(packed)
        database.close()
    assert events >= 3 * safe
    first = feeder.said[0][0] if feeder.said else 0
    due = {number for number in range(1, safe + 1) if number > first and number % FOUND_EVERY == 0}
    assert len(due - found.keys()) <= 1, due - found.keys()  # Several may pass in one step.
    assert [ended for ended, _ in found.values()].count(None) <= 1  # Those before are ended.
    counted = max([number for number, at, _ in feeder.said if at <= until - 1.0], default=first) - first
    assert sum(each[3] for each in counts.values()) >= counted


def test_a_killed_monitor_loses_no_more_than_its_last_second(tmp_path: Path) -> None:
    kill_and_look(tmp_path, 3, 2.0)  # Beside other tests, a thread waits for its turn.


@pytest.mark.soak
def test_a_hundred_kills_lose_no_more_than_a_second_each(tmp_path: Path) -> None:
    kill_and_look(tmp_path, 100, 1.0)


def test_a_full_disk_is_said_and_what_was_written_before_is_whole(tmp_path: Path) -> None:
    feeder = Feeder(tmp_path, rate=3_000, limit=600_000)
    feeder.wait("writing")
    feeder.wait("broken")
    before = feeder.said[-1][0]
    time.sleep(0.5)
    assert feeder.said[-1][0] > before  # It goes on hearing.
    feeder.kill()
    numbers = numbers_in(files_in(tmp_path))
    assert numbers and sorted(numbers) == list(range(1, len(numbers) + 1))


def limit_pages(monitor: Monitor, pages: int) -> None:
    recording = monitor.recorder.recording
    assert isinstance(recording, LocalRecording) and recording.writer is not None
    recording.writer._database.execute(f"PRAGMA max_page_count = {pages}")


def test_once_there_is_room_again_nothing_is_missing(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", (0.3,))
    monitor = Monitor(files).start()
    monitor.hear(received(0, "t0"), started(0, "t0"), succeeded(1, "t0"))
    assert monitor.wait(lambda: monitor.recorder.status.state == "writing" and bool(ids(found(files))))
    limit_pages(monitor, 1)  # As many as there are.
    for number in range(1, 500):
        uuid = f"t{number}"
        monitor.hear(received(2, uuid), started(2, uuid), succeeded(3, uuid))
    assert monitor.wait(lambda: monitor.recorder.status.state == "broken")
    assert monitor.recorder.status.reason == "History is not written: the disk is full."
    # The next file is opened without the limit.
    assert monitor.wait(lambda: len(ids(found(files, limit=1000))) == 500)
    assert monitor.recorder.status.state == "writing" and not monitor.recorder.status.dropped
    monitor.stop()
    database = sqlite3.connect(files.all()[0])
    assert database.execute("SELECT sum(count) FROM events").fetchone() == (1500,)
    assert database.execute("SELECT count(*) FROM tasks").fetchone() == (500,)


def test_events_that_wait_for_a_disk_are_bounded_and_counted(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "MOST_EVENTS", 100)
    monitor = Monitor(files)
    for number in range(200):
        monitor.hear(received(2, f"t{number}"))
    assert monitor.recorder.status.dropped == 100
    monitor.start().stop()
    assert len(ids(found(files, limit=1000))) == 200  # The tasks are all there.


def test_heartbeats_that_come_meanwhile_take_no_room(files: Files) -> None:
    """None of them is an event of the history: a disk that is full for days costs no memory by them."""
    monitor = Monitor(files)
    for second in range(100):
        monitor.hear(beat(second))
    assert not monitor.recorder.backlog.events
    monitor.hear(received(1), beat(100))
    [waiting] = monitor.recorder.backlog.events.items
    assert not waiting.signs and not waiting.events and len(waiting.rows) == 1


def test_tasks_whose_texts_wait_are_known_once_each(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is slow for hours costs no memory for each batch."""
    monitor = Monitor(files)
    recorder, whole = monitor.recorder, []
    rows = monitor.store.columns.row

    def write(slots: Any, told: Any, notes: Any, lean: bool, *_: Any) -> bool:
        whole.append([] if lean else sorted(rows[slot] for slot in slots.tolist()))
        return lean

    monkeypatch.setattr(recorder.recording, "write", write)
    for number in range(20):
        monitor.hear(
            *(event for task in "abc" for event in (received(number, task), succeeded(number, task)))
        )
        recorder._slow = True
        recorder._write(time.monotonic(), last=False)
        assert recorder.status.lean == 3
    recorder._write(time.monotonic(), last=False)
    assert whole[-1] == [1, 2, 3] and not any(whole[:-1]) and recorder.status.lean == 0


@contextmanager
def unwritable(directory: Path) -> Iterator[None]:
    """For anybody; root gives up what lets it write everywhere."""
    directory.mkdir(exist_ok=True)
    directory.chmod(0o500)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        directory.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_directory_that_cannot_be_written_is_said_and_taken_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", (0.2,))
    root = tmp_path / "root"
    monitor = Monitor(files_in(root))
    with unwritable(root):
        monitor.start().hear(received(0, "t0"))
        assert monitor.wait(lambda: monitor.recorder.status.state == "broken")
        assert "permission denied" in monitor.recorder.status.reason.lower()
    assert monitor.wait(lambda: monitor.recorder.status.state == "writing")
    monitor.stop()
    assert ids(found(monitor.storage)) == ["t0"]


def test_a_place_that_is_no_directory_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "cluster").touch()
    monitor = Monitor(files_in(tmp_path))
    assert monitor.load().loaded == 0
    monitor.start().hear(received(0, "t0"))
    assert monitor.wait(lambda: monitor.recorder.status.state == "broken")
    monitor.stop()


def test_a_directory_that_is_removed_is_made_again(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    monkeypatch.setattr(module, "PATIENCE", (0.1,))
    monitor = Monitor(files).start()
    monitor.hear(received(0, "t0"), started(0, "t0"), succeeded(1, "t0"))
    assert monitor.wait(lambda: bool(ids(found(files))))
    shutil.rmtree(files.directory)
    monitor.hear(received(2, "t1"), started(2, "t1"), succeeded(3, "t1"))
    assert monitor.wait(lambda: ids(found(files)) == ["t1"])
    monitor.stop()


def test_whoever_makes_a_removed_directory_anew_is_its_only_writer(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of the one before is on a file that is gone: it keeps nobody away."""
    import shutil

    monkeypatch.setattr(module, "TAKE_OVER", 0.1)
    monkeypatch.setattr(module, "PATIENCE", (0.1,))
    monitor = Monitor(files).start()
    monitor.hear(received(0, "t0"), started(0, "t0"), succeeded(1, "t0"))
    assert monitor.wait(lambda: bool(ids(found(files))))
    shutil.rmtree(files.directory)
    files.make_directory()
    other = lock.Lock(files.directory, looked_at=True)
    assert other.take()
    monitor.hear(received(2, "t1"), started(2, "t1"), succeeded(3, "t1"))
    assert monitor.wait(lambda: monitor.recorder.status.state != "writing")
    assert not files.all()
    other.give_back()
    assert monitor.wait(lambda: monitor.recorder.status.state == "writing")
    monitor.hear(received(4, "t2"), started(4, "t2"), succeeded(5, "t2"))
    assert monitor.wait(lambda: "t2" in ids(found(files)))
    monitor.stop()


def test_a_damaged_file_is_put_aside_and_another_one_begun(files: Files) -> None:
    recorded(files, [received(0, "t0")])
    [path] = files.all()
    path.write_bytes(b"no database at all" * 1000)
    monitor = Monitor(files)
    assert monitor.load().loaded == 0 and monitor.past and monitor.past.unread
    monitor.start().hear(received(1, "t1"))
    monitor.stop()
    assert ids(found(files)) == ["t1"]
    assert len(list(files.directory.glob("*.damaged-*"))) == 1


def test_damage_that_cannot_be_put_aside_ends_no_recording(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    def refused(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(module, "PATIENCE", (0.1,))
    monitor = Monitor(files).start()
    with monkeypatch.context() as broken:
        broken.setattr(Writer, "write", damaged)
        broken.setattr(local, "put_aside", refused)
        monitor.hear(received(0, "t0"))
        assert monitor.wait(lambda: monitor.recorder.status.state == "broken")
    assert monitor.wait(lambda: ids(found(files)) == ["t0"])
    monitor.stop()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted in /proc")
def test_a_file_system_without_locks_is_said_and_takes_no_open_files(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(_: int) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(module, "PATIENCE", (0.01,))
    monkeypatch.setattr(module, "EVERY", 0.01)
    monkeypatch.setattr(lock, "_locked", unsupported)
    monitor = Monitor(files).start()
    assert monitor.wait(lambda: monitor.recorder.status.state == "broken")
    before = len(os.listdir("/proc/self/fd"))
    time.sleep(0.3)
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert "no locks available" in monitor.recorder.status.reason
    monitor.stop()


def test_who_only_looks_whether_it_is_recorded_keeps_nobody_from_recording(tmp_path: Path) -> None:
    """A recorder that is refused forgets what waits, and tries again seconds later."""
    mine, over, looks = lock.Lock(tmp_path, looked_at=True), threading.Event(), [0]
    assert mine.take()
    mine.give_back()

    def look() -> None:
        while not over.is_set():
            lock.is_written(tmp_path)
            looks[0] += 1

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(100):
            assert mine.take()
            mine.give_back()
    finally:
        over.set()
        for looker in lookers:
            looker.join()
    assert looks[0]
    assert mine.take() and lock.is_written(tmp_path)
    assert not lock.Lock(tmp_path, looked_at=True).take(), "there is one writer"
    mine.give_back()
    assert not lock.is_written(tmp_path)


def test_of_two_who_begin_to_record_at_once_one_does(tmp_path: Path) -> None:
    for _ in range(50):
        both, got = [lock.Lock(tmp_path, looked_at=True), lock.Lock(tmp_path, looked_at=True)], list[bool]()
        begin = threading.Barrier(2)

        def take(one: lock.Lock, begin: threading.Barrier = begin, got: list[bool] = got) -> None:
            begin.wait()
            got.append(one.take())

        threads = [threading.Thread(target=take, args=(one,)) for one in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == [False, True]
        for one in both:
            one.give_back()


def test_a_lock_that_nobody_looks_at_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's loop takes the turn of the rules; where nothing tells who has it, a try would wait."""
    monkeypatch.setattr(lock, "_only_looked_at", lambda _: True)
    waits: list[float] = []
    monkeypatch.setattr(lock.time, "sleep", waits.append)
    mine, turn = lock.Lock(tmp_path), lock.Lock(tmp_path)
    assert mine.take() and not turn.take() and not waits
    assert not lock.Lock(tmp_path, looked_at=True).take() and len(waits) == lock.TRIES
    mine.give_back()
    assert turn.take()
    turn.give_back()


def test_a_disk_that_hangs_does_not_hold_up_the_start(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(files, [received(0, "t0"), started(0, "t0"), succeeded(1, "t0")])
    monkeypatch.setattr(past, "AT_MOST", 0.05)
    go_on = threading.Event()
    answer = Local.opened

    def hangs(*args: Any) -> Any:
        go_on.wait(5)
        return answer(*args)

    monkeypatch.setattr(Local, "opened", hangs)
    threading.Timer(0.3, go_on.set).start()
    monitor = Monitor(files)
    status = monitor.load()
    assert status.loaded == 0 and "did not answer" in status.reason
    monkeypatch.setattr(Local, "opened", answer)
    monitor.start().hear(received(2, "t1"))
    monitor.stop()
    assert ids(found(files)) == ["t1", "t0"]


def test_a_disk_that_hangs_while_the_history_is_loaded_holds_up_nothing(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(files, [received(0, "t0"), started(0, "t0"), succeeded(1, "t0")])
    monitor, go_on, answer = Monitor(files), threading.Event(), reader._open

    def hangs(path: Path) -> sqlite3.Connection:
        assert go_on.wait(5)
        return answer(path)

    async def loaded() -> None:
        own = past.Past(monitor.store, monitor.storage, monitor.recorder.status, monitor.clock, lambda: None)
        await own.survey()
        monkeypatch.setattr(reader, "_open", hangs)
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        await own.load(10)

    asyncio.run(loaded())
    assert monitor.recorder.status.loaded == 1


def test_a_file_with_nonsense_in_its_rows_is_left_out(files: Files) -> None:
    recorded(files, [received(0, "t0"), started(0, "t0"), succeeded(1, "t0")])
    database = sqlite3.connect(files.all()[0], isolation_level=None)
    database.execute("UPDATE tasks SET first = 'soon', state = 'well', extra = x'00'")
    database.close()
    monitor = Monitor(files)
    monitor.load()
    assert monitor.past and monitor.past.unread and monitor.past.done.is_set()
    monitor.start().hear(received(1, "t1"))
    monitor.stop()
    assert monitor.recorder.status.state == "writing"


def test_a_file_of_a_later_version_is_left_alone_and_said(files: Files) -> None:
    recorded(files, [received(0, "t0")])
    [path] = files.all()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    monitor = Monitor(files)
    monitor.load()
    assert monitor.past and "later version" in monitor.past.unread[0]
    monitor.start().hear(received(1, "t1"))
    assert monitor.wait(lambda: monitor.recorder.status.state == "broken")
    assert "later version" in monitor.recorder.status.reason
    monitor.stop()
    assert "later version" in found(files).unread[0]


def test_a_file_of_the_first_version_is_brought_up_to_date(files: Files) -> None:
    recorded(files, [received(0, "t0"), started(0, "t0"), succeeded(1, "t0")])
    [path] = files.all()
    database = sqlite3.connect(path, isolation_level=None)
    for table in ("findings", "samples", "statistics"):
        database.execute(f"DROP TABLE {table}")
    database.execute("PRAGMA user_version = 1")
    database.close()
    assert ids(found(files)) == ["t0"]  # It is read as it is.
    recorded(files, [received(2, "t1")])
    database = sqlite3.connect(path, isolation_level=None)
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert database.execute("SELECT count(*) FROM samples").fetchone() == (0,)
    assert len(MIGRATIONS) == VERSION
    migrate(database)  # Again does nothing.
    assert sorted(ids(found(files))) == ["t0", "t1"]


def test_a_clock_that_jumps_back_goes_on_in_the_newest_file(files: Files) -> None:
    now = [T0]
    monitor = Monitor(files, lambda: now[0]).start()
    monitor.hear(received(0, "t0"))
    assert monitor.wait(lambda: ids(found(files)) == ["t0"])
    now[0] = T0 - 30 * DAY
    monitor.hear(received(-30 * DAY, "t1"))
    assert monitor.wait(lambda: len(ids(found(files))) == 2)
    now[0] = T0 + DAY
    monitor.hear(received(DAY, "t2"))
    assert monitor.wait(lambda: len(ids(found(files))) == 3)
    monitor.stop()
    assert [path.name[10:] for path in files.all()] == [
        "-000.sqlite3",
        f"-001-of-{day(-30)}.sqlite3",
        "-000.sqlite3",
    ]
    assert ids(found(files)) == ["t2", "t1", "t0"]


def day(after: float) -> str:
    """The day so many days after T0, in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(T0 + after * DAY))


def test_a_clock_that_was_ahead_and_is_right_again(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the day to come stays the newest, each real day has its own, and is kept as long as any."""
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.0)
    files.days, now, heard = 3, [T0], list[str]()
    monitor = Monitor(files, lambda: now[0]).start()
    for at in (0, 4000, 0.001, 1):
        now[0] = T0 + at * DAY
        heard.insert(0, f"t{len(heard)}")
        monitor.hear(received(at * DAY, heard[0]))
        assert monitor.wait(lambda: ids(found(files)) == heard), (at, ids(found(files)))
    assert monitor.wait(lambda: files.all() == sorted(files.all()))
    monitor.stop()
    ahead = f"{day(4000)}-"
    names = [f"{day(0)}-000", f"{ahead}000", f"{ahead}001-of-{day(0)}", f"{ahead}002-of-{day(1)}"]
    assert [path.stem for path in files.all()] == names
    again = Monitor(files, lambda: T0 + DAY + 5)
    assert again.load().loaded == 4 and again.past is not None and again.past._still
    columns = again.store.columns
    rows = {columns.id[slot]: int(columns.row[slot]) for slot in range(columns.used)}
    assert sorted(rows, key=rows.__getitem__, reverse=True) == heard
    page = found(files, limit=2)
    assert ids(page) == heard[:2] and ids(found(files, limit=2, after=str(page.next))) == heard[2:]
    assert not files.sweep(T0 + 3 * DAY).removed  # Three days are kept, also of what the wrong clock dated.
    for kept, part in ((names[:1], 2), ([], 3)):  # So many days must have been written since.
        assert [path.stem for path in files.sweep(T0 + 4 * DAY).removed] == kept
        (files.directory / f"{ahead}{part + 1:03}-of-{day(part)}.sqlite3").touch()
    assert [path.stem for path in files.sweep(T0 + 4 * DAY).removed] == names[1:3]


def test_a_clock_that_is_behind_for_a_while_lets_no_day_go_before_its_time(files: Files) -> None:
    files.make_directory()
    names = [f"{day(0)}-000", f"{day(1)}-000", f"{day(1)}-001-of-1970-01-01", f"{day(1)}-002-of-1970-02-01"]
    for name in (*names, f"{day(2)}-000"):
        (files.directory / f"{name}.sqlite3").touch()
    files.days = 3
    for moment in (0, 86_400.0 * 31, T0, T0 + 3 * DAY):
        assert not files.sweep(moment).removed, moment
    assert [path.stem for path in files.sweep(T0 + 4 * DAY).removed] == names[:1]
    assert [path.stem for path in files.sweep(T0 + 5 * DAY).removed] == names[1:]


def test_a_clock_that_jumps_forward_deletes_nothing(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.0)
    now = [T0]
    monitor = Monitor(files, lambda: now[0]).start()
    monitor.hear(received(0, "t0"))
    assert monitor.wait(lambda: ids(found(files)) == ["t0"])
    now[0] = T0 + 4000 * DAY
    monitor.hear(received(4000 * DAY, "t1"))
    assert monitor.wait(lambda: len(ids(found(files))) == 2)
    time.sleep(0.4)
    monitor.stop()
    assert ids(found(files)) == ["t1", "t0"]


def test_a_clock_that_has_settled_after_a_jump_is_believed_again(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.0)
    monkeypatch.setattr(steadiness, "SETTLED", 1.0)
    now = [T0]
    monitor = Monitor(files, lambda: now[0]).start()
    monitor.hear(received(0, "t0"))
    assert monitor.wait(lambda: ids(found(files)) == ["t0"])
    now[0] = T0 + 30 * DAY
    monitor.hear(received(30 * DAY, "t1"))
    assert monitor.wait(lambda: len(ids(found(files))) == 2)
    assert monitor.wait(lambda: ids(found(files)) == ["t1"])
    monitor.stop()


def test_sleep_is_no_jump_and_each_jump_is_waited_out() -> None:
    clock, passed = [T0], [50.0]
    ages = steadiness.Ages(lambda: clock[0], lambda: passed[0])

    def later(seconds: float, jump: float = 0.0) -> bool:
        passed[0] += seconds
        clock[0] += seconds + jump
        return ages.believed()

    assert not later(60) and not later(3_500)  # The start: a clock may be ahead since the machine was.
    assert later(100) and later(100_000)  # A lid that was closed.
    assert not later(60, jump=2 * DAY) and not later(3_000)
    assert not later(60, jump=-2 * DAY) and not later(3_500)
    assert later(100) and later(60, jump=600.0)
    assert abs(steadiness.elapsed() - steadiness.elapsed()) < 1.0


def test_an_old_file_that_cannot_be_removed_is_said_and_holds_up_no_other(
    files: Files, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.0)
    files.days = 2
    for day in range(2):
        at = day * DAY
        monitor = Monitor(files, lambda at=at: T0 + at).start()  # type: ignore[misc]
        monitor.hear(received(at, f"t{day}"))
        monitor.stop()
    stays, goes = files.all()
    stays.unlink()
    stays.mkdir()  # Nobody can unlink that, root neither.
    changed = threading.Event()
    monitor = Monitor(files, lambda: T0 + 9 * DAY)
    monitor.recorder._changed = changed.set
    monitor.start().hear(received(9 * DAY, "t9"))
    assert monitor.wait(lambda: bool(monitor.recorder.status.put_off))
    assert monitor.recorder.status.put_off.startswith("remove old days: ") and changed.is_set()
    assert monitor.recorder.status.state == "writing" and not goes.exists()
    stays.rmdir()
    assert monitor.wait(lambda: not monitor.recorder.status.put_off)
    monitor.stop()


def test_what_is_too_old_goes_and_its_companions_with_it(tmp_path: Path, settled: None) -> None:
    files = files_in(tmp_path, days=2)
    for day in range(5):
        monitor = Monitor(files, lambda day=day: T0 + day * DAY).start()  # type: ignore[misc]
        monitor.hear(received(day * DAY, f"t{day}"))
        monitor.stop()
    assert ids(found(files)) == ["t4", "t3", "t2"]
    days = {path.name[:10] for path in files.directory.iterdir() if path.name[0].isdigit()}
    assert len(days) == 3  # Nothing of the others is left.


def test_a_file_that_grows_large_is_followed_by_another_and_the_oldest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lazycelery.store.history import files as places

    monkeypatch.setattr(places, "LEAST_PART", 50_000)
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.0)
    monkeypatch.setattr(module, "EVERY", 0.02)
    files = files_in(tmp_path, max_bytes=400_000)
    monitor = Monitor(files).start()
    for number in range(6_000):
        uuid = f"t{number}"
        monitor.hear(received(number, uuid, args=f"({number}, '{'x' * 50}')"), succeeded(number, uuid))
        if number % 200 == 0:
            time.sleep(0.05)
    monitor.stop()
    files.sweep(T0)
    assert files.bytes() <= 400_000 + 100_000
    kept = ids(found(files, limit=10_000))
    assert kept[0] == "t5999" and 100 < len(kept) < 6_000
