"""Which tasks a task sent: wherever in the history they are, however they are asked for."""

from __future__ import annotations

import asyncio
import json
import uuid
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lazycelery.cli.output import to_json, to_line
from lazycelery.engine.memory import Memory, files_of
from lazycelery.engine.veil import Veil
from lazycelery.model.history import HistoryQuery
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import REDACTED, Redactor
from lazycelery.model.task import Attempt, Task
from lazycelery.store.history import kinship
from lazycelery.store.history.kinship import Kinship
from lazycelery.store.history.packed_ids import pack, unpack
from lazycelery.store.history.search import search
from lazycelery.store.history.storage import Storage
from lazycelery.store.store import Store
from tests.history.keeping import Monitor, files_in, found, ids, recorded
from tests.store.build import T0, failed, received, started, succeeded

DAY = 90_000


@pytest.fixture
def family(storage: Storage) -> Storage:
    """A task that lasts over midnight, with children of both days and 600 others between; one failed."""
    now = [T0]
    monitor = Monitor(storage, lambda: now[0]).start()
    monitor.hear(received(0, "long"), started(0.1, "long"))
    monitor.hear(received(1, "c1", parent_id="long"), succeeded(2, "c1"))
    monitor.hear(*(received(3 + n / 100, f"t{n}", parent_id="none") for n in range(600)))
    monitor.hear(received(20, "c2", parent_id="long"), failed(21, "c2"))
    assert monitor.wait(lambda: len(found(storage, limit=1000).tasks) == 603)
    now[0] = T0 + DAY
    monitor.hear(received(DAY, "c3", parent_id="long"), received(DAY + 1, "g", parent_id="c3"))
    monitor.hear(succeeded(DAY + 5, "long"))
    monitor.stop()
    return storage


@pytest.mark.parametrize("size", [7, 50, 550, 1000])
@pytest.mark.parametrize("filter", ["", "state:success", "id:long,c3"])
def test_children_are_those_of_all_pages_parts_and_states(family: Storage, size: int, filter: str) -> None:
    told, after, own = {}, "", Kinship()
    while True:
        query = HistoryQuery(filter=filter, limit=size, after=after)
        page = search(family, query, T0 + DAY, kinship=own)
        assert not page.unread
        told.update({task.id: task.children for task in page.tasks})
        if page.next is None:
            break
        after = page.next
    assert told["long"] == ["c1", "c2", "c3"]
    assert all(told[id] == (["g"] if id == "c3" else []) for id in told if id != "long")
    assert "c3" in told or filter == "state:success"


def test_one_that_goes_on_reads_each_part_once(family: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinship, "AT_ONCE", 100)
    read = []
    one = Kinship._all
    monkeypatch.setattr(
        Kinship, "_all", lambda self, part, go_on: (read.append(part.name), one(self, part, go_on))[1]
    )
    own, after = Kinship(), ""
    for _ in range(4):
        page = search(family, HistoryQuery(limit=100, after=after), T0 + DAY, kinship=own)
        after = page.next or ""
    assert len(read) == len(set(read)) >= 2


@pytest.mark.parametrize(("size", "at_once"), [(50, 1), (50, 2), (1000, 2)])
def test_a_family_that_is_told_in_part_says_so(
    family: Storage, monkeypatch: pytest.MonkeyPatch, size: int, at_once: int
) -> None:
    """The first ones, by few as by many; and no more than some of them are held at once."""
    monkeypatch.setattr(kinship, "MAX_CHILDREN", 2)
    monkeypatch.setattr(kinship, "TOLD", 3)
    monkeypatch.setattr(kinship, "AT_ONCE", at_once)
    monkeypatch.setattr(kinship, "FEW", min(kinship.FEW, size))
    page = search(family, HistoryQuery(filter="-id:t*", limit=size), T0 + DAY)
    [long] = [task for task in page.tasks if task.id == "long"]
    assert long.children == ["c1", "c2"] and "children" in long.truncated
    assert all("children" not in task.truncated for task in page.tasks if task is not long)


def test_what_is_known_of_children_is_bounded(family: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half as many of a part, all of them of no more parts than there is room for; who has others says so."""
    monkeypatch.setattr(kinship, "AT_ONCE", 100)
    monkeypatch.setattr(kinship, "MOST", 300)
    monkeypatch.setattr(kinship, "FEW", 50)
    told, after, own = {}, "", Kinship()
    while True:
        page = search(family, HistoryQuery(limit=100, after=after), T0 + DAY, kinship=own)
        assert not page.unread and sum(len(known.ends) for known in own._known.values()) <= 300
        told.update({task.id: task for task in page.tasks})
        after = page.next or ""
        if not after:
            break
    # `none` is no task; of 602 children of the first day 150 are known, and c2 is none of them.
    assert told["long"].children == ["c1", "c3"] and told["long"].truncated == ["children"]
    assert told["c3"].children == ["g"] and not told["c3"].truncated and not told["c2"].truncated


def test_newer_parts_make_room_for_older_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinship, "MOST", 4)
    own = Kinship()
    parts = [_Part(f"2026-11-{day}", [(1, "root", f"a{day}"), (2, f"p{day}", "x")]) for day in (27, 26, 25)]
    storage: Any = _Parts(parts)
    task = Task(id="root"), Task(id="p27"), Task(id="p25"), Task(id="other")
    own.put(storage, task, "2026-11-26", lambda: True, [], True)
    assert task[0].children == ["a25", "a26"] and task[2].children == ["x"]
    assert [one.truncated for one in task] == [["children"], ["children"], [], []]
    own.put(storage, [Task(id="y")], "2026-11-26", lambda: True, [], True)
    assert [part.read for part in parts] == [1, 1, 1]


def test_ids_of_any_kind_come_back_as_they_were_and_uuids_take_sixteen_bytes() -> None:
    uuids = [str(uuid.UUID(int=number << 70 | number)) for number in range(50)]
    odd = [
        "",
        "a",
        "x" * 15,
        "x" * 16,
        "x" * 17,
        "é" * 8,
        "\0" * 16,
        "x" * 15 + "\0",
        "order-4711",
        "x" * 300,
    ]
    odd += [
        uuids[1].upper(),
        uuids[1].replace("-", ""),
        uuids[1][1:] + " ",
        "-" * 36,
        uuids[1].replace("0", "g"),
    ]
    odd += [f" {uuids[1][2:]} ", "0-" + uuids[1][2:], "é" + uuids[1][1:], "{" + uuids[1] + "}"]
    for told in (uuids, odd, [*uuids, *odd], []):
        packed, lengths = pack(told)
        ends = [0, *lengths.cumsum().tolist()]
        assert [unpack(packed[start:end]) for start, end in pairwise(ends)] == told
    assert len(pack(uuids)[0]) == 16 * len(uuids)
    own, part = Kinship(), _Part("2026-11-26", [(row, "root", id) for row, id in enumerate(uuids, 1)])
    storage: Any = _Parts([part])
    own.put(storage, [root := Task(id="root")], part.name, lambda: True, [], True)
    [known] = own._known.values()
    assert root.children == uuids and len(known.ids) == 16 * len(uuids) and known.ends.itemsize == 4


def test_a_part_that_was_read_in_part_is_not_taken_for_a_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinship, "AT_ONCE", 1)
    own, asked = Kinship(), iter([True, True, False, False])
    part = _Part("2026-11-26", [(1, "root", "a"), (2, "root", "b")])
    storage: Any = _Parts([part])
    own.put(storage, [Task(id="root")], part.name, lambda: next(asked, False), [], True)
    again = Task(id="root")
    own.put(storage, [again], part.name, lambda: True, [], True)
    assert again.children == ["a", "b"]


async def test_an_engine_keeps_nothing_of_it_after_the_last_page(tmp_path: Path) -> None:
    """Nor of a question that was broken off."""
    profile = Profile(broker="redis://db/0", history_dir=str(tmp_path))
    recorded(files_of(profile), [received(n, f"t{n}", parent_id="t0") for n in range(5)])
    memory = Memory(profile, Store(100), Redactor(), lambda: T0, lambda: None)
    known, after = [], ""
    for _ in range(3):
        page = await memory.ask(HistoryQuery(limit=2, after=after))
        known.append(len(memory._kinship._known))
        after = page.next or ""
    assert (known, after) == ([0, 1, 0], "")
    page = await memory.ask(HistoryQuery(limit=2))
    await memory.ask(HistoryQuery(limit=2, after=page.next or ""))
    assert memory._kinship._known
    asking = asyncio.ensure_future(memory.ask(HistoryQuery(limit=2, after=page.next or "")))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not memory._kinship._known


class _Part:
    def __init__(self, name: str, rows: list[tuple[int, str, str]]) -> None:
        self.name, self._rows, self.read = name, rows, 0

    def while_wanted(self, go_on: object) -> None:
        pass

    def children(self, parents: object, after: int, limit: int) -> list[tuple[int, str, str]]:
        self.read += not after
        return [row for row in self._rows if row[0] > after][:limit]


class _Parts:
    def __init__(self, parts: list[_Part]) -> None:
        self.parts = parts

    def opened(self, unread: list[str]) -> list[_Part]:
        return self.parts


def test_a_file_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    recorded(files, [received(0, "t1"), succeeded(1, "t1")])
    (tmp_path / "cluster" / "2000-01-01-000.sqlite3").write_bytes(b"no database" * 500)
    page = found(files)
    assert ids(page) == ["t1"] and len(page.unread) == 1


def test_a_page_of_large_texts_is_a_shorter_one(family: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by what the texts take, and nothing is left out."""
    monkeypatch.setattr("lazycelery.store.history.search.MOST_TEXT", 1_000)
    told, pages, after = [], 0, ""
    while True:
        page = search(family, HistoryQuery(limit=1_000, after=after, children=False), T0 + DAY)
        told += [task.id for task in page.tasks]
        pages += 1
        if page.next is None:
            break
        after = page.next
    assert len(told) == len(set(told)) == 605 and 5 <= pages < 60


def test_nothing_is_read_for_who_does_not_show_them(family: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kinship, "put", None)
    assert search(family, HistoryQuery(children=False), T0 + DAY).tasks


def test_secrets_are_taken_out_of_many_tasks_wherever_they_stand() -> None:
    def task(number: int) -> Task:
        return Task(id=f"t{number}", args="(1,)", attempts=[Attempt(number=0)])

    tasks = [task(number) for number in range(200)]
    tasks[7].kwargs = "{'password': 'hunter2'}"
    tasks[70].args = {"token": "hunter2"}
    tasks[71].result = ["fine"]
    tasks[130].attempts[0].traceback = "url = redis://:hunter2@db"
    tasks[199].error = "Bearer hunter2hunter2"
    Veil(Redactor()).tasks(tasks)
    assert "hunter2" not in "".join(map(to_line, tasks)) and tasks[71].result == ["fine"]
    assert tasks[70].args == {"token": REDACTED}
    own = [task(number) for number in range(100)]
    own[50].args = "order=4711"
    Veil(Redactor(["order"])).tasks(own)
    assert "4711" not in own[50].args


@pytest.mark.parametrize(
    "own",
    [
        *({}, {"args": "(1,)", "result": "'é 😀'"}, {"error": "\ud800"}, {"args": [1, float("nan")]}),
        *({"result": 2**70}, {"runtime": float("inf")}, {"kwargs": {"a": "é"}}, {"sent": 1790000000.1234567}),
        *({"error": 'a"\\\n\x00\x1f\x7f'}, {"result": True}, {"args": "</script>", "traceback": "\t\u2028"}),
    ],
)
def test_a_line_says_what_json_says(own: dict[str, object]) -> None:
    task = Task(id="t", attempts=[Attempt(number=0)], **own)  # type: ignore[arg-type]
    line = to_line(task)
    assert line.isascii() and "\n" not in line
    assert json.loads(line) == json.loads(to_json(task)) and list(json.loads(line)) == list(
        json.loads(to_json(task))
    )
