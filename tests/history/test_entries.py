"""Events, findings and samples of the history, as files and as a database keep them."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest

from lazycelery.engine.recorded import KEPT, Questions
from lazycelery.errors import NothingFound, UsageError
from lazycelery.model.recorded import RecordedKind, RecordedPage, RecordedQuery
from lazycelery.store.history import asking, file_entries, writer
from lazycelery.store.history.local import Local
from lazycelery.store.history.postgres import entries as shared_entries
from lazycelery.store.history.postgres import schema as tables
from lazycelery.store.history.postgres.address import WRITES, connect
from lazycelery.store.history.postgres.storage import Shared
from lazycelery.store.history.storage import FindingBegan, FindingEnded, Sample, Storage
from tests.history.keeping import Monitor, files_in, killed, recorded
from tests.store.build import T0, beat, event, failed, received, sent, started, succeeded

WHOLE = "7f3a1c20-0000-4000-8000-00000000000a"
DAY = 86_400.0


def pages(storage: Storage, kind: RecordedKind, filter: str = "", now: float = T0) -> list[RecordedPage]:
    return list(asking.ask(storage, RecordedQuery(kind=kind, filter=filter), now))


def entries(storage: Storage, kind: RecordedKind, filter: str = "", now: float = T0) -> list[Any]:
    told = pages(storage, kind, filter, now)
    assert not [each for page in told for each in page.unread] and told[-1].read
    return [one for page in told for one in page.entries]


def events(storage: Storage, filter: str = "", now: float = T0) -> list[tuple[str, str | None]]:
    return [(one.type.removeprefix("task-"), one.id) for one in entries(storage, "events", filter, now)]


@pytest.fixture
def kept(storage: Storage) -> Storage:
    """Two tasks, one with an id of its own, an event of another kind, and a worker's life."""
    monitor = Monitor(storage, lambda: T0 + 30).start()
    monitor.hear(sent(0, WHOLE), received(1, WHOLE), started(2, WHOLE), succeeded(3, WHOLE))
    monitor.hear(received(4, "order-4711", worker="w2@h", name="mail.send"), failed(5, "order-4711", "w2@h"))
    told = {"step": 1, "password": "hunter2", "note": "\x1b[2J", "token=hunter2": 1}
    monitor.hear(event("progress", 6, WHOLE, extra=told), beat(7, kind="offline"), beat(8))
    monitor.recorder.note(FindingBegan("no-workers", "", "critical", "No worker", "Start one.", T0 + 1))
    monitor.recorder.note(FindingBegan("backlog", "mail", "warning", "mail grows", "", T0 + 5))
    monitor.recorder.note(FindingEnded(T0 + 9, "no-workers", ""))
    workers = '{"w1@h":["online",1,7,0.5],"w2@h":["offline",null,null,null]}'
    monitor.recorder.note(Sample(T0, '{"celery":[1,2,3],"mail":[40,null,1]}', workers))
    monitor.recorder.note(Sample(T0 + 10, '{"celery":[5,0,3]}', None))
    killed(monitor)  # One finding stands still.
    assert monitor.recorder.status.state == "writing", monitor.recorder.status.reason
    return storage


def test_events_are_told_newest_first_with_their_tasks(kept: Storage) -> None:
    told = entries(kept, "events")
    assert sorted(events(kept), key=str) == sorted(
        [
            *((kind, WHOLE) for kind in ("sent", "received", "started", "succeeded", "progress")),
            *((kind, "order-4711") for kind in ("received", "failed")),
            ("worker-offline", None),
        ],
        key=str,
    )
    assert [one.time for one in told] == [T0 + at for at in (7, 6, 5, 4, 3, 2, 1, 0)]
    offline, progress, bad, *_, first = told
    assert (offline.worker, offline.id, offline.name) == ("w1@h", None, None)
    assert progress.fields["step"] == 1 and progress.fields["note"] == "\x1b[2J"
    assert "hunter2" not in json.dumps(progress.fields)
    assert (bad.name, bad.worker, bad.received) == ("mail.send", "w2@h", pytest.approx(T0 + 5.01))
    assert first.type == "task-sent" and first.name == "shop.add"


FILTERS = [
    (WHOLE, [6, 3, 2, 1, 0]),
    (WHOLE.upper(), [6, 3, 2, 1, 0]),
    ("id:=order-4711", [5, 4]),
    ("id:order-*", [5, 4]),
    ("4711", [5, 4]),
    ("type:task-failed,task-sent", [5, 0]),
    ("type:progress", [6]),
    ("worker:w1@h", [7, 6, 3, 2, 1]),
    ("worker:w1@h type:started", [2]),
    ("-worker:w*", [0]),
    ("step", [6]),
    (f"{WHOLE} since:2026-09-21T14:13:22+00:00", [6, 3, 2]),
    ("since:4s until:2s", [4, 3, 2]),
]


def test_a_filter_narrows_events_down(kept: Storage) -> None:
    for filter, times in FILTERS:
        assert [one.time - T0 for one in entries(kept, "events", filter, now=T0 + 6)] == times, filter


def test_findings_tell_from_when_to_when(kept: Storage) -> None:
    backlog, gone = entries(kept, "findings")
    assert (backlog.code, backlog.subject, backlog.began) == ("backlog", "mail", T0 + 5)
    assert backlog.ended is None  # Its monitor was killed.
    assert (gone.severity, gone.title, gone.hint, gone.ended) == (
        "critical",
        "No worker",
        "Start one.",
        T0 + 9,
    )
    for filter, codes in (
        ("severity:critical", ["no-workers"]),
        ("-severity:critical", ["backlog"]),
        ("grows", ["backlog"]),
        ("since:2026-09-21T14:13:30+00:00", ["backlog"]),
        ("until:2026-09-21T14:13:23+00:00", ["no-workers"]),
        ("since:2026-09-21T14:13:26+00:00", ["backlog", "no-workers"]),
    ):
        assert [one.code for one in entries(kept, "findings", filter)] == codes, filter


def test_samples_tell_each_queue_and_worker_at_each_moment(kept: Storage) -> None:
    told = entries(kept, "samples")
    assert [(one.time - T0, one.queue or one.worker) for one in told] == [
        *((10, "celery"), (0, "celery"), (0, "mail"), (0, "w1@h"), (0, "w2@h"))
    ]
    mail, first, second = told[2:]
    assert (mail.messages, mail.unacked, mail.consumers, mail.state) == (40, None, 1, None)
    assert (first.state, first.active, first.processed, first.load) == ("online", 1, 7, 0.5)
    assert (second.state, second.active, second.messages) == ("offline", None, None)
    assert [one.messages for one in entries(kept, "samples", "queue:celery")] == [5, 1]
    assert [one.worker for one in entries(kept, "samples", "state:offline")] == ["w2@h"]
    assert len(entries(kept, "samples", "since:5s", now=T0 + 10)) == 1


def test_a_wrong_filter_is_told(kept: Storage) -> None:
    for kind, filter, told in (
        ("events", "wroker:x", "unknown field 'wroker'"),
        ("findings", "worker:x", "unknown field 'worker'"),
        ("samples", "since:never", "is no time"),
    ):
        with pytest.raises(UsageError, match=told):
            pages(kept, kind, filter)  # type: ignore[arg-type]


def test_without_a_history_nothing_is_told(storage: Storage) -> None:
    assert pages(storage, "events") == [RecordedPage()]


def test_many_events_come_in_pages_each_of_them_once(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of one moment, which have only themselves to be told apart by."""
    monkeypatch.setattr(shared_entries, "FIRST", 7)
    monkeypatch.setattr(shared_entries, "MOST", 50)
    monkeypatch.setattr(file_entries, "BATCHES", 1)
    monkeypatch.setattr(writer, "AT_ONCE", 60)
    monitor = Monitor(storage).start()
    monitor.hear(*(received(0 if n < 300 else n, f"t{n}") for n in range(600)))
    monitor.stop()
    told = pages(storage, "events")
    assert len(told) > 5
    found = [one for page in told for one in page.entries]
    assert sorted(str(one.id) for one in found) == sorted(f"t{n}" for n in range(600))
    assert [one.time for one in found] == sorted((one.time for one in found), reverse=True)
    assert len(events(storage, "id:=t17")) == 1
    assert len(events(storage, "since:2026-09-21T14:22:00+00:00")) == 80


def test_days_come_one_after_the_other_the_newest_first(storage: Storage) -> None:
    """Also in a database, whose days are those of its own clock."""
    now = time.time()
    clock = itertools.count(now - 4 * DAY, DAY)
    for number in range(4):
        moment = next(clock)
        monitor = Monitor(storage, clock=lambda at=moment: at).start()  # type: ignore[misc]
        monitor.hear(received(moment - T0, f"t{number}"), succeeded(moment - T0 + 1, f"t{number}"))
        monitor.recorder.note(FindingBegan(f"code-{number}", "", "warning", "t", "", moment))
        monitor.recorder.note(Sample(moment, json.dumps({f"q{number}": [number, 0, 1]}), None))
        monitor.stop()
    assert [one.id for one in entries(storage, "events")] == [f"t{n // 2}" for n in range(7, -1, -1)]
    assert [one.code for one in entries(storage, "findings")] == [f"code-{n}" for n in (3, 2, 1, 0)]
    assert [one.messages for one in entries(storage, "samples")] == [3, 2, 1, 0]
    assert [one.id for one in entries(storage, "events", "since:60h type:received", now)] == ["t3", "t2"]
    assert [one.messages for one in entries(storage, "samples", "until:60h", now)] == [1, 0]


def test_findings_come_by_when_they_began_however_they_were_written(storage: Storage) -> None:
    """One that a later monitor finds may have begun before what an earlier one found; and one that lasts is
    told by the day in which it ended, and not before what began meanwhile."""
    first = time.time() - 3 * DAY
    clock, wanted = [first], [f"{day}-{name}" for day in (2, 1, 0) for name in ("late", "early")]
    monitor = Monitor(storage, lambda: clock[0]).start()
    monitor.recorder.note(FindingBegan("lasts", "", "warning", "t", "", first - 50))
    for day in range(3):
        clock[0] = at = first + day * DAY
        for code, began in ((f"{day}-late", at - 1), (f"{day}-early", at - 3)):
            monitor.recorder.note(FindingBegan(code, "", "warning", "t", "", began))
            monitor.recorder.note(FindingEnded(at, code, ""))
        monitor.hear(received(at - T0, f"t{day}"))
        assert monitor.wait(lambda: not monitor.recorder.backlog.notes.count)
    monitor.stop()
    told = entries(storage, "findings")
    assert [one.code for one in told] == [*wanted, "lasts"]
    assert told[-1].ended == pytest.approx(clock[0], abs=1)


def test_what_is_damaged_is_told_and_the_rest_is_there(tmp_path: Any) -> None:
    files = files_in(tmp_path)
    recorded(files, [received(0)], [received(1, "t2")])
    monitor = Monitor(files).start()
    monitor.hear(received(2, "t3"))
    monitor.recorder.note(Sample(T0, '{"celery":[1,', None))
    monitor.recorder.note(Sample(T0 + 10, '{"celery":[1,2,3]}', None))
    monitor.stop()
    [path] = files.all()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE events SET body = x'00ff' WHERE n = 1")
    database.close()
    (files.directory / "2099-01-01-000.sqlite3").write_bytes(b"no database at all" * 99)
    for kind, bad in (("events", "1 batches of events"), ("samples", "1 samples")):
        told = pages(Local(files), kind)  # type: ignore[arg-type]
        unread = [each for page in told for each in page.unread]
        assert len(unread) == 2 and "2099-01-01-000" in unread[0] and bad in unread[1]
        assert told[-1].read and [one for page in told for one in page.entries]


def test_a_day_that_goes_while_it_is_asked_for_is_told(storage: Storage) -> None:
    recorded(storage, [received(0)])
    if isinstance(storage, Local):
        monitor = Monitor(storage, clock=lambda: T0 + DAY).start()
        monitor.hear(received(DAY, "t2"))
        monitor.stop()
    asked = asking.ask(storage, RecordedQuery(kind="events"), T0)
    found = [next(asked)]
    if isinstance(storage, Local):
        storage.files.all()[0].unlink()
    else:
        assert isinstance(storage, Shared)
        connection = connect(storage.address, WRITES)
        schema = storage.address.schema
        for day in tables.days(connection, schema):
            connection.execute(f"DROP TABLE {schema}.tasks_{day:%Y%m%d}, {schema}.events_{day:%Y%m%d}")
        connection.close()
    found += asked
    assert "which was removed meanwhile" in found[-1].unread[-1]


def test_who_has_enough_leaves_nothing_open(shared: Callable[..., Shared]) -> None:
    storage = shared()
    recorded(storage, [received(0), succeeded(1)])
    asked = asking.ask(storage, RecordedQuery(kind="events"), T0)
    assert next(asked).entries and len(storage._connections) == 1
    asked.close()
    assert len(storage._connections) == 0


def test_who_may_only_read_can_ask_for_all_of_it(shared: Callable[..., Shared]) -> None:
    """Ids that are no UUIDs are looked for by a function of the schema."""
    storage = shared()
    recorded(storage, [received(0, "order-1"), received(1, WHOLE)])
    schema, reader = storage.address.schema, f"r_{storage.address.schema}"
    connection = connect(storage.address, WRITES)
    try:
        connection.execute(f"CREATE ROLE {reader}")
        connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {reader}")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}")
    finally:
        connection.close()
    url = f"{storage.address.url}?options=-crole%3D{reader}"
    told = Shared(storage.address._replace(url=url))
    assert [one.id for one in entries(told, "events")] == [WHOLE, "order-1"]


async def test_questions_that_nobody_goes_on_with_are_let_go(shared: Callable[..., Shared]) -> None:
    storage = shared()
    recorded(storage, [received(0), succeeded(1)])
    questions = Questions(storage)
    query = RecordedQuery(kind="events")
    first = await questions.page(query, T0)
    for _ in range(KEPT):
        last = await questions.page(query, T0)
    assert len(storage._connections) == KEPT
    with pytest.raises(NothingFound, match="let go"):
        await questions.page(RecordedQuery(kind="events", after=first.next or ""), T0)
    follows = await questions.page(RecordedQuery(kind="events", after=last.next or ""), T0)
    assert not follows.entries and len(last.entries) == 2
    enough = await questions.page(RecordedQuery(kind="events", limit=1), T0)
    assert len(enough.entries) == 1 and enough.next is None
    questions.close()
    assert len(storage._connections) == 0
