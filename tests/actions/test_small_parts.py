"""The small parts of the actions, one by one: each is named here; real fleets show their work together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lazycelery.actions import arrival, aside, bulk, canvas, chord, consumers, crew, cut_off, journal
from lazycelery.actions.backup import BackupWriter, Line
from lazycelery.actions.booking import Book
from lazycelery.actions.bulk import Told
from lazycelery.actions.course import Course
from lazycelery.actions.following import follows
from lazycelery.actions.journal import Item, Journal
from lazycelery.actions.recovery import Evidence
from lazycelery.actions.saving import header
from lazycelery.errors import LazyCeleryError, UsageError
from lazycelery.model.action import Order
from lazycelery.model.canvas import Counter, Part
from lazycelery.model.message import Message, StoredMessage
from lazycelery.model.reports import ActiveQueue, QueueReport, WorkerReport
from lazycelery.model.task import Task
from lazycelery.sources.protocols.queues import Found
from lazycelery.sources.protocols.sifting import HALTED, Shifted
from tests.actions.fakes import Room, raw


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def items(number: int) -> list[Item]:
    return [Item(n=n, target=f"t{n}", mark=b"%d" % n) for n in range(number)]


# ---- course, bulk


async def test_a_course_sends_small_pages_at_a_slow_rate_and_waits_no_more_when_it_is_to_stop() -> None:
    assert Course(9).page(16) == 16 and Course(9, 20.0).page(16) == 5 and Course(9, 0.5).page(16) == 1
    began = time.monotonic()
    await Course(9, 20.0).pace(1)
    assert time.monotonic() - began > 0.04
    course = Course(9, 0.01)  # A hundred seconds between two.
    waiting = asyncio.create_task(course.pace(1))
    await asyncio.sleep(0.01)
    assert not waiting.done() and not course.halting
    course.halt()
    await asyncio.wait_for(waiting, 1)
    assert course.halting


class Pages:
    """Sends pages of two; one of them with an end of its own."""

    page = 2

    def __init__(self, *told: Any, surprise: str = "") -> None:
        self.told, self.sent, self._surprise = list(told), list[list[str]](), surprise

    async def surprise(self, page: Sequence[Item]) -> str:
        return self._surprise if self.sent else ""

    async def send(self, page: Sequence[Item]) -> Told:
        self.sent.append([item.target for item in page])
        told = self.told.pop(0) if self.told else None
        if isinstance(told, Exception):
            raise told
        return told or Told(done=list(page))


async def test_many_go_page_by_page_until_the_first_surprise() -> None:
    pages, course = Pages(surprise="it runs again"), Course(6)
    passed = await bulk.go(items(6), pages, course, None)
    assert (len(passed.done), len(passed.waiting), passed.why) == (2, 4, "it runs again")
    assert course.done == 2 and pages.sent == [["t0", "t1"]]


async def test_whoever_is_told_neither_done_nor_waiting_is_in_doubt() -> None:
    every = items(4)
    passed = await bulk.go(every, Pages(Told(done=every[:1])), Course(4), None)
    assert (passed.doubtful, passed.waiting, passed.why) == ([every[1]], every[2:], "an answer was lost")


async def test_an_error_is_raised_only_when_certainly_nothing_was_done() -> None:
    gone = LazyCeleryError("The broker is gone.", nothing_done=True)
    with pytest.raises(LazyCeleryError, match="is gone"):
        await bulk.go(items(4), Pages(gone), Course(4), None)
    later = await bulk.go(items(4), Pages(None, gone), Course(4), None)
    assert (len(later.done), len(later.waiting), len(later.doubtful)) == (2, 2, 0)
    unsure = await bulk.go(items(4), Pages(LazyCeleryError("No answer.")), Course(4), None)
    assert (len(unsure.doubtful), len(unsure.waiting), unsure.why) == (2, 2, "No answer.")


async def test_one_that_is_to_stop_sends_nothing_more() -> None:
    course = Course(4)
    course.halt()
    passed = await bulk.go(items(4), pages := Pages(), course, None)
    assert (passed.why, len(passed.waiting), pages.sent) == (HALTED, 4, [])


def test_rates_and_tags_that_are_none_are_refused() -> None:
    for rate in (True, 0, -1, "5", 1e9):
        with pytest.raises(UsageError, match="is no rate"):
            bulk.wanted_rate(Order(action="retry", params={"rate": rate}))
    assert bulk.wanted_rate(Order(action="retry", params={"rate": 5})) == 5.0
    with pytest.raises(UsageError, match="is no tag"):
        bulk.wanted_tag(Order(action="retry", params={"tag": "a b"}))
    assert bulk.how_long(601, 1.0).startswith("At 1 a second this takes about 10 min")


# ---- booking


def test_a_book_writes_down_what_is_about_to_go_and_what_became_of_it(room: Room, tmp_path: Path) -> None:
    context = room.actions._context
    messages = [StoredMessage(queue="q", priority=0, raw=raw(f"t{n}"), position=n) for n in range(3)]
    every = [
        Item(n=n, target=f"t{n}", queue="to", mark=context.codec.identity(each.raw))
        for n, each in enumerate(messages)
    ]
    head = bulk.header(context, Order(action="move"), "abc", "Move", 3, Course(3), "tag")
    written = Journal.create(head, every)
    book = Book(context, BackupWriter(tmp_path / "b", header(context, "q", "move", "to")), written, Course(3))
    book.save(messages[:2])
    assert [item.state for item in every] == ["doubt", "doubt", "waiting"]
    book.settled([True, False])
    assert [item.state for item in every] == ["done", "waiting", "waiting"]
    book.end(Shifted(total=3, looked=3, rejected=1))
    # The third was not found: a worker took it. The second was refused, and may be tried again.
    assert [item.state for item in every] == ["done", "waiting", "dropped"] and book.left
    told = {each.target: each.text for each in book.outcomes("moved")}
    assert told["t0"] == "moved to to" and told["t2"] == "no longer there: a worker took it"
    assert "not taken by its target" in told["t1"]
    written.close()


# ---- cut_off


def cut(room: Room, whole: bool, action: str = "move") -> str:
    context = room.actions._context
    path = Path(str(context.profile.backup_dir)) / f"{action}-{whole}.ndjson"
    one = BackupWriter(path, header(context, "q", action, "to", whole=whole))
    one.add([Line(queue="q", priority=0, position=n, raw=raw(f"t{n}")) for n in range(3)])
    one.settle([True, True, True])
    one.add([Line(queue="q", priority=0, position=3, raw=raw("t3"))])
    return str(one.keep())


def test_what_was_cut_off_of_a_whole_queue_can_be_gone_on_with(room: Room, tmp_path: Path) -> None:
    room.profile.backup_dir = str(tmp_path / "backups")
    context = room.actions._context
    some, whole = cut(room, False), cut(room, True)
    found = {each.path: each for each in cut_off.find(context.profile, context.broker)}
    assert set(found) == {some, whole}
    assert "plan resume" in found[whole].hint and "plan resume" not in found[some].hint
    (one,) = cut_off.bulks(context.profile, context.broker)
    assert (one.title, one.state, one.path) == ("Move all of q to to", "cut off", whole)
    told = cut_off.bulk(context.profile, context.broker, one.id[:4])
    assert told is not None and (told.total, told.done, told.doubtful) == (4, 3, 1)
    assert cut_off.of(context.profile, context.broker, "") is None
    assert journal.files() == []


# ---- canvas, chord, following


def signature(id: str, name: str = "shop.next", **options: Any) -> dict[str, Any]:
    return {"task": name, "args": [], "kwargs": {}, "options": {"task_id": id, **options}}


CHAIN = Message(position=0, id="a", embed={"chain": [signature("c"), signature("b", group_id="g")]})


def test_what_follows_a_step_is_known_from_a_message_before_it() -> None:
    embed, headers = follows({"a": CHAIN}, "b")
    assert embed is not None and [each["options"]["task_id"] for each in embed["chain"]] == ["c"]
    assert headers == {"group": "g"}
    assert follows({"a": CHAIN}, "c")[0] == {
        "callbacks": None,
        "errbacks": None,
        "chain": None,
        "chord": None,
    }
    assert follows({"a": CHAIN}, "x") == (None, {})


def test_a_canvas_does_not_call_unknown_what_a_message_before_it_tells() -> None:
    def member(id: str) -> Evidence:
        return Evidence(id=id, task=Task(id=id, name="shop.next", state="failure", worker="w1@h"))

    known = canvas.Canvas(members={"b": member("b")}, messages={"a": CHAIN})
    assert known.unknown() == [canvas.NEVER_TOLD]
    blind = canvas.Canvas(members={"x": member("x")}, messages={"a": CHAIN})
    assert blind.unknown()[0] == "What follows shop.next[x] is not known: no message of it was seen."


def test_a_chord_is_sent_anew_only_when_all_of_its_header_has_returned() -> None:
    task = Task(id="m", name="shop.add", state="failure", worker="w1@h", group_id="g")
    one = canvas.Canvas(members={"m": Evidence(id="m", task=task)})
    slot = chord.slot_of(one, "m", {"chord": signature("body")})
    assert slot is not None and (slot.group, slot.counted) == ("g", "m")
    assert chord.slot_of(one, "m", {"chord": None}) is None
    parts = [Part(id="n", index=0, status="SUCCESS", value=1, exact=True)]
    waiting = Counter(group="g", size=2, parts=parts)
    assert chord.lost(slot, waiting) and not chord.lost(slot, None)
    assert "waits for 1 member of 2" in chord.problem(one, slot, waiting)
    assert chord.problem(one, slot, None) == chord.UNCOUNTED
    assert "too much to read" in chord.problem(one, slot, Counter(group="g", parts=parts, whole=False))


# ---- arrival, aside, consumers, crew


def test_a_search_that_ended_early_says_how_far_it_went() -> None:
    found = Found()
    assert arrival.cut_off(found) == "" == arrival.cut_off({})
    found.cut = 10_000
    assert arrival.cut_off(found) == "searched the first 10,000 waiting messages"


async def test_tasks_are_set_aside_as_messages_that_restore_reads(room: Room, tmp_path: Path) -> None:
    room.store.add(id="t1-long-id", state="failure", queue="default")
    room.store.raw["t1-long-id"] = StoredMessage(queue="default", priority=3, raw=raw("t1-long-id"))
    file = tmp_path / "aside.ndjson"
    order = Order(action="export", targets=["t1-long-id"], params={"tasks": True, "file": str(file)})
    draft = await aside.draft(room.actions._context, order)
    assert (draft.count, draft.harmless, draft.backup) == (1, True, str(file))
    outcome = await draft.run()
    assert outcome.done == 1 and file.exists() and f"restore {file}" in str(outcome.undo)


def test_a_queue_that_is_there_is_not_declared_again_where_that_may_differ() -> None:
    there = QueueReport(name="q", at=0.0, messages=3, type="quorum")
    assert consumers.how_declared("q", None, there) == {
        "queue": "q",
        "queue_arguments": {"x-queue-type": "quorum"},
        "no_declare": True,
    }
    listed = QueueReport(name="q", at=0.0, messages=3, type="list", bound=True)
    assert consumers.how_declared("q", ActiveQueue(name="q", exchange="x"), listed) == {
        "queue": "q",
        "exchange": "x",
    }
    assert consumers.kind_of(None, QueueReport(name="q", at=0.0, messages=None)) == "new"
    report = WorkerReport(worker="w1@h", at=0.0, queues=[ActiveQueue(name="q")])
    assert consumers.declared("q", [report]) is not None and consumers.declared("x", [report]) is None


def test_workers_are_named_wholly_or_by_half(room: Room) -> None:
    for name in ("w1@a", "w1@b", "w2@b"):
        room.store.add_worker(name)
    context = room.actions._context
    assert [each.name for each in crew.named(context, ["w2", "w2@b"], "")] == ["w2@b"]
    with pytest.raises(UsageError, match="w1 fits 2 workers"):
        crew.named(context, ["w1"], "")
    with pytest.raises(LazyCeleryError, match="No worker is called unlike") as unseen:
        crew.named(context, ["unlike"], "")
    assert unseen.value.hint == crew.UNSEEN
    assert crew.by_value({"w1@a": 2, "w2@b": 4, "w1@b": 2}) == [(2, ["w1@a", "w1@b"]), (4, ["w2@b"])]
    assert crew.at(["a", "b", "c", "d"]) == "4 workers"
