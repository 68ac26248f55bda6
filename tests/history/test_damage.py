"""Files of which some pages are damaged: what is on the others is read, the rest is said, and who records
goes on in another file."""

from __future__ import annotations

import calendar
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.memory_notices import notices
from lazycelery.store.history import files as places
from lazycelery.store.history import local
from lazycelery.store.history.damage import Damaged, highest, is_damage, stepped
from lazycelery.store.history.files import Files
from lazycelery.store.history.reader import File
from lazycelery.store.history.search import task_of
from lazycelery.store.history.storage import Unreadable
from lazycelery.store.history.writer import PAGE_BYTES
from tests.history.keeping import Monitor, files_in, found, ids, recorded, storage_in
from tests.store.build import T0, failed, received, started, succeeded

TASKS = 1500


def named(number: int) -> str:
    return f"task-{number:05d}"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return files_in(tmp_path)


@pytest.fixture
def path(files: Files) -> Path:
    """A file with many tasks, every tenth of which failed."""
    monitor = recorded(
        files,
        *(
            [
                event
                for number in range(begin, begin + 250)
                for event in (
                    received(number, named(number), args=f"('order-{number}', '{'x' * 300}')"),
                    started(number, named(number)),
                    (failed if number % 10 == 0 else succeeded)(number + 1, named(number)),
                )
            ]
            for begin in range(0, TASKS, 250)
        ),
    )
    assert monitor.recorder.status.state == "writing"
    [path] = files.all()
    return path


def spoil(path: Path, number: int) -> set[str]:
    """Write zeros over the page with the row of a task; returns the ids that were on it."""
    body = bytearray(path.read_bytes())
    at = body.index(f"{named(number)}".encode()) // PAGE_BYTES * PAGE_BYTES
    page = bytes(body[at : at + PAGE_BYTES])
    body[at : at + PAGE_BYTES] = bytes(PAGE_BYTES)
    path.write_bytes(body)
    return {named(each) for each in range(TASKS) if named(each).encode() in page}


def all_of(files: Files, filter: str = "", limit: int = 400) -> tuple[list[str], int, set[str]]:
    """The ids of all pages, how many were skipped, and what was not read."""
    got: list[str] = []
    after, skipped, unread = "", 0, set[str]()
    while True:
        page = found(files, filter, limit, after)
        got += ids(page)
        skipped += page.skipped
        unread.update(page.unread)
        if page.next is None:
            return got, skipped, unread
        after = page.next


@pytest.mark.parametrize("limit", [40, 400, 5000])
def test_what_is_on_a_bad_page_is_skipped_counted_and_said_and_all_else_is_there(
    files: Files, path: Path, limit: int
) -> None:
    gone = spoil(path, 700) | spoil(path, 300)
    got, skipped, unread = all_of(files, limit=limit)
    assert 2 < len(gone) < 60 and got == [
        each for each in map(named, range(TASKS - 1, -1, -1)) if each not in gone
    ]
    assert skipped == len(gone)
    assert unread == {f"what is on the bad pages of {path.name}, which is damaged"}


def test_a_question_that_an_index_answers_finds_what_can_be_read(files: Files, path: Path) -> None:
    gone = spoil(path, 700)
    got, _, unread = all_of(files, "state:failure")
    assert set(got) == {named(each) for each in range(0, TASKS, 10)} - gone and unread


@pytest.mark.parametrize("number", [0, TASKS - 1])
def test_the_first_and_the_last_page_may_be_the_bad_one(files: Files, path: Path, number: int) -> None:
    gone = spoil(path, number)
    got, _, unread = all_of(files)
    assert set(got) == set(map(named, range(TASKS))) - gone and unread


def test_children_and_single_tasks_are_found_beside_bad_pages(files: Files, path: Path) -> None:
    spoil(path, 700)
    assert task_of(storage_in(files), named(1200)).id == named(1200)
    assert task_of(storage_in(files), named(700)) is None
    page = found(files, limit=5000)
    assert page.tasks and not [one for one in page.unread if "sent" in one]


def test_who_records_puts_it_aside_says_so_and_goes_on_in_another_file(files: Files, path: Path) -> None:
    gone = spoil(path, 700)
    before = path.read_bytes()
    monitor = Monitor(files)
    status = monitor.load()
    assert status.loaded == TASKS - len(gone) and status.skipped == len(gone)
    [told] = [one for one in notices(status, records=True) if one.code == "history-unread"]
    assert path.name in told.title and f"at least {len(gone)} tasks" in told.title
    assert told.severity == "warning" and ".damaged-" in told.hint
    monitor.start().hear(received(5000, "new"), started(5000, "new"), succeeded(5001, "new"))
    # A task of the damaged file that goes on is written anew.
    monitor.hear(received(5001, named(10)), started(5001, named(10)), succeeded(5002, named(10)))
    monitor.stop()
    assert monitor.recorder.status.state == "writing"
    [aside] = [each for each in files.directory.glob("*.damaged-*") if each.name[-1].isdigit()]
    assert aside.read_bytes() == before
    [fresh] = files.all()
    assert fresh.name != path.name
    database = sqlite3.connect(fresh)
    assert {own for (own,) in database.execute("SELECT id FROM tasks")} == {"new", named(10)}
    database.close()
    # All of it is found as before, once; and a later start says again that something is missing.
    got, _, _ = all_of(files)
    assert set(got) == {"new", *map(named, range(TASKS))} - gone
    later = Monitor(files).load()
    assert any(aside.name in one for one in later.unread) and later.loaded == len(set(got))


def test_damage_that_somebody_finds_while_it_is_written_ends_that_file_too(files: Files, path: Path) -> None:
    monitor = Monitor(files).start()
    monitor.hear(received(5000, "a"), started(5000, "a"), succeeded(5001, "a"))
    assert monitor.wait(lambda: "a" in ids(found(files, "id:a")))
    spoil(path, 700)
    assert "a" in ids(found(monitor.storage, limit=5000))  # A question on the screen.
    monitor.hear(received(5002, "b"), started(5002, "b"), succeeded(5003, "b"))
    assert monitor.wait(lambda: "b" in ids(found(files, "id:b")))
    monitor.stop()
    assert len(files.all()) == 1 and len(list(files.directory.glob("*.damaged-*"))) >= 1
    assert path not in files.all()


def test_who_goes_on_in_a_file_that_was_put_aside_meanwhile_lists_nothing_twice(
    files: Files, path: Path
) -> None:
    page = found(files, limit=700)
    got = ids(page)
    places.put_aside(path, T0)
    while page.next:
        page = found(files, limit=700, after=page.next)
        got += ids(page)
    assert got == [named(number) for number in reversed(range(TASKS))]


def test_an_id_that_a_nul_begins_or_ends_is_no_damage(files: Files) -> None:
    sent_ids = ["\0a", "b\0", "c\0c", "\0\0"]
    recorded(files, [event for own in sent_ids for event in (received(0, own), succeeded(1, own))])
    page = found(files)
    assert (ids(page)[::-1], page.unread) == (["\ufffda", "b\ufffd", "c\0c", "\ufffd\ufffd"], [])
    assert len(files.all()) == 1 and not Monitor(files).load().unread


def test_a_finished_file_is_put_aside_as_well(files: Files, path: Path) -> None:
    spoil(path, 700)
    clock = [86_400.0 * 3]
    monitor = Monitor(files, lambda: T0 + clock[0])
    monitor.start().hear(received(86_400 * 3, "new"))
    assert monitor.wait(lambda: bool(list(files.directory.glob("*.damaged-*"))))  # Found as it was indexed.
    monitor.stop()
    assert ids(found(files, limit=3, now=T0 + clock[0]))[0] == "new"


def test_what_is_put_aside_is_never_written_over_and_goes_when_it_is_too_old(tmp_path: Path) -> None:
    files = Files(tmp_path, days=2)
    for body in ("one", "two"):
        (tmp_path / "2026-11-20-000.sqlite3").write_text(body)
        places.put_aside(tmp_path / "2026-11-20-000.sqlite3", 5.0)
    assert sorted(each.read_text() for each in tmp_path.iterdir()) == ["one", "two"]
    (tmp_path / "2026-11-21-000.sqlite3").write_text("three")
    assert files.all() == [tmp_path / "2026-11-21-000.sqlite3"] and len(files.readable()) == 3
    files.sweep(calendar.timegm((2026, 11, 22, 12, 0, 0)))
    assert len(files.readable()) == 3
    files.sweep(calendar.timegm((2026, 11, 23, 12, 0, 0)))
    assert [each.name for each in tmp_path.iterdir()] == ["2026-11-21-000.sqlite3"]


@pytest.mark.parametrize(
    ("problem", "wanted"),
    [
        (sqlite3.DatabaseError("database disk image is malformed"), True),
        (sqlite3.DatabaseError("file is not a database"), True),
        (sqlite3.OperationalError("database is locked"), False),
        (sqlite3.OperationalError("disk I/O error"), False),
        (sqlite3.ProgrammingError("Cannot operate on a closed database."), False),
        (OSError(5, "Input/output error"), False),
    ],
)
def test_only_a_file_that_is_itself_at_fault_is_damaged(problem: Exception, wanted: bool) -> None:
    assert is_damage(problem) is wanted


def test_a_disk_that_does_not_answer_puts_nothing_aside(
    files: Files, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = local.Local(files)

    def refused(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr("lazycelery.store.history.reader._connect", refused)
        assert "disk I/O error" in found(storage).unread[0]
    monitor = Monitor(storage).start()
    monitor.hear(received(1, "t1"))
    monitor.stop()
    assert files.all() == [path] and not list(files.directory.glob("*.damaged-*"))


@pytest.mark.parametrize("downwards", [True, False])
def test_each_number_that_can_be_read_is(downwards: bool) -> None:
    bad = {1, 2, 500, *range(1000, 1600), 4999}
    asked = 0

    def ask(low: int, below: int) -> list[int]:
        nonlocal asked
        asked += 1
        if bad.intersection(range(low, below)):
            raise Damaged("bad")
        return sorted(range(low, below), reverse=downwards)

    skipped = set[int]()
    got = stepped(ask, 1, 5000, 5000, skipped, downwards)
    assert got == sorted(set(range(1, 5000)) - bad, reverse=downwards) and skipped == bad
    assert asked < 2 * len(bad) + 200


@pytest.mark.parametrize("bad", [lambda n: n > 700, lambda n: n > 700 or 300 < n < 600, lambda n: True])
def test_the_end_is_looked_for_behind_other_bad_pages(bad: Callable[[int], bool]) -> None:
    def reads(number: int) -> None:
        if bad(number):
            raise Damaged("bad")

    assert highest(reads, 1 << 20) == (0 if bad(700) else 700)


def test_an_end_that_can_be_read_at_the_second_try_is_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may not write in the directory reads it as if nobody wrote."""
    answer, tries = File.rows, [True]

    def rows(self: File, query: str, values: Any = ()) -> list[Any]:
        if query.startswith("SELECT max(n) FROM tasks") and tries:
            tries.clear()
            raise Damaged("torn")
        return answer(self, query, values)

    monkeypatch.setattr(File, "rows", rows)
    file = File(path)
    assert not tries and file.last == TASKS
    file.close()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no limits can be set")
def test_a_question_that_is_too_long_is_no_damage(path: Path) -> None:
    noticed: list[Path] = []
    file = File(path, noticed=noticed.append)
    limits: Any = sqlite3
    database: Any = file._database
    database.setlimit(limits.SQLITE_LIMIT_SQL_LENGTH, 1_000)
    with pytest.raises(Unreadable, match="too large"):
        file.newest(10, 1, f"name IN ({', '.join('1' * 400)})")
    assert not noticed and not file.damage
    file.close()


@pytest.mark.parametrize("records", [True, False])
def test_a_history_of_which_nothing_can_be_read_is_told_apart_from_none(
    files: Files, path: Path, records: bool
) -> None:
    path.write_bytes(b"no database" * 5000)
    status = Monitor(files).load(numbers=records)
    assert status.recorded is None and "is damaged" in status.unread[0]
    [told] = notices(status, records)
    assert told.code == ("history-unread" if records else "history-broken") and path.name in told.title
