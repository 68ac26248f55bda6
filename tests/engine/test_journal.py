"""What a killed engine leaves to the one that takes its place."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from lazycelery.engine import journal as module
from lazycelery.engine.client import spawn
from lazycelery.engine.journal import Journal
from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from tests.engine.test_contract import state_of, until
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send


def written(path: Path, *batches: list[Event]) -> Journal:
    journal = Journal(path, Redactor())
    journal.open()
    for batch in batches:
        journal.write(batch)
    return journal


def ids(journal: Journal) -> list[str | None]:
    return [event.uuid for batch in journal.read() for event in batch]


def test_what_was_written_is_read_in_order_also_by_another(tmp_path: Path) -> None:
    path = tmp_path / "j" / "one.mp"
    written(path, [Event(type="task-sent", uuid="a")], [Event(type="task-sent", uuid="b")])
    again = written(path, [Event(type="task-sent", uuid="c")])
    assert ids(again) == ["a", "b", "c"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_batch_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "j" / "one.mp"
    journal = written(path, [Event(type="task-sent", uuid="a")], [Event(type="task-sent", uuid="b")])
    os.truncate(path, path.stat().st_size - 3)
    assert ids(journal) == ["a"]


def test_it_stays_bounded_and_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HALF", 2000)
    path = tmp_path / "j" / "one.mp"
    journal = written(path, *([Event(type="task-sent", uuid=f"t{number}")] for number in range(100)))
    kept = ids(journal)
    assert kept[-1] == "t99" and len(kept) < 40
    assert sum(file.stat().st_size for file in path.parent.iterdir()) < 6000


def test_a_secret_is_not_written_and_what_stands_for_it_looks_cut(tmp_path: Path) -> None:
    path = tmp_path / "j" / "one.mp"
    journal = written(
        path, [Event(type="task-sent", uuid="a", kwargs="{'password': 'hunter2'}", args="(1,)")]
    )
    assert b"hunter2" not in path.read_bytes()
    [[event]] = journal.read()
    assert (event.kwargs or "").endswith("...") and event.args == "(1,)"


def test_the_end_in_good_order_leaves_nothing(tmp_path: Path) -> None:
    journal = written(tmp_path / "j" / "one.mp", [Event(type="task-sent", uuid="a")])
    journal.close()
    assert list((tmp_path / "j").iterdir()) == []


def test_a_directory_that_cannot_be_had_ends_the_journal_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = written(tmp_path / "file" / "one.mp", [Event(type="task-sent", uuid="a")])
    assert ids(journal) == []


@pytest.mark.broker
async def test_a_killed_engine_is_followed_by_one_that_knows_what_it_knew(
    broker: RedisServer, worker: Callable[..., CeleryWorker], tmp_path: Path
) -> None:
    worker("w1")
    profile = Profile(broker=broker.url, journal=str(tmp_path / "j" / "one.mp"))
    process = spawn()
    client = await process.connect(profile)
    await client.api.ready(10)
    failed = send(broker.url, "shop.charge", 5)

    async def seen() -> bool:
        return await state_of(client.api, failed) == "failure"

    assert await until(seen)
    os.kill(process.pid, signal.SIGKILL)
    await client.close()
    broker.client().delete(f"celery-task-meta-{failed}")  # Nobody else remembers it.
    again = await spawn().connect(profile)
    await again.api.ready(10)
    task = await again.api.task(failed, fetch=False)
    assert (task.state, task.name) == ("failure", "shop.charge")
    assert "card declined" in (task.traceback or "")
    await again.close()
    assert list((tmp_path / "j").iterdir()) == []
