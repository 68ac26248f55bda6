"""What is said and left behind where an action cannot be done: nothing is called done, nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lazycelery.actions import aside, canvas, chord, cut_off, delete, doubt, leftovers, saving
from lazycelery.actions.backup import BackupFile, BackupWriter, Line
from lazycelery.actions.chord import Slot
from lazycelery.actions.files import claim
from lazycelery.actions.recovery import Evidence
from lazycelery.errors import ConnectionProblem, LazyCeleryError, Refused, UsageError
from lazycelery.model.action import Order
from lazycelery.model.canvas import Counter, Part, Step
from lazycelery.model.message import Message, StoredMessage
from lazycelery.model.reports import TaskLimits
from lazycelery.model.task import Task
from tests.actions.fakes import FakeQueues, Room, raw
from tests.actions.test_workers import crew, do, plan

AWAY = ConnectionProblem("The broker went away.")
NO = Refused("The broker refuses it.", nothing_done=True)


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


# ---- answers that are lost

SIZE = "lazycelery worker pool size 4 w1@a w2@a --allow pool"
LOST_ANSWERS = {
    "grow": ("pool", ["w1@a", "w2@a"], {"do": "grow", "n": 3}, SIZE),
    "size": ("pool", ["w1@a", "w2@a"], {"do": "size", "n": 1}, SIZE),
    "range": (
        "pool",
        ["w3@a"],
        {"do": "autoscale", "max": 8, "min": 2},
        "lazycelery worker autoscale 4 1 w3@a --allow pool",
    ),
    "add": (
        "consumers",
        ["mail"],
        {"do": "add", "workers": ["w1@a"]},
        "lazycelery worker cancel mail w1@a --allow consumers",
    ),
    "cancel": (
        "consumers",
        ["default"],
        {"do": "cancel", "workers": ["w1@a"]},
        "lazycelery worker consume default w1@a --allow consumers",
    ),
    "hold": (
        "consumers",
        ["default"],
        {"do": "hold"},
        "lazycelery worker resume default --allow consumers",
    ),
}


@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("kind", LOST_ANSWERS)
async def test_what_may_have_been_done_can_be_taken_back(
    room: Room, kind: str, heard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers, or they say yes, and then cannot be asked: each may have done it."""
    crew(room, "w1@a", "w2@a", "w3@a")
    scales = room.remote.says["w3@a"].stats
    assert scales is not None
    scales.autoscaler = {"max": 4, "min": 1, "current": 2}
    action, targets, params, command = LOST_ANSWERS[kind]
    prepared = await plan(room, action, *targets, **params)
    if not heard:
        room.remote.answers = dict.fromkeys(room.remote.says)

    async def silent(*args: Any, **options: Any) -> Any:
        return {}

    look = room.remote.look
    monkeypatch.setattr(room.remote, "look", silent)
    outcome = await room.actions.act(prepared.id, prepared.word)
    assert (outcome.done, outcome.failed, outcome.unknown) == (0, 0, prepared.count)
    assert outcome.undo == command and outcome.back is not None
    assert outcome.proof.startswith("perhaps ") or " at 0 of " in outcome.proof
    # Who did not do it is left alone: the way back tells the old values, and looks first.
    monkeypatch.setattr(room.remote, "look", look)
    told = len(room.remote.calls)
    back = await room.actions.plan(outcome.back)
    if kind == "hold":
        assert all("consumes it already" in item.text for item in back.items)
        await room.actions.act(back.id, back.word)
        room.now += 10
        assert await room.actions.held() == {}
    else:
        assert back.count == 0 and back.refused, back
    assert len(room.remote.calls) == told


async def test_a_resume_whose_answers_are_lost_can_be_held_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew(room, "w1@a")
    room.remote.effects["cancel_consumer"] = lambda report, told: setattr(report, "queues", [])
    await do(room, "consumers", "default", do="hold")
    prepared = await plan(room, "consumers", "default", do="resume")
    room.remote.answers = {"w1@a": None}

    async def silent(*args: Any, **options: Any) -> Any:
        return {}

    monkeypatch.setattr(room.remote, "look", silent)
    outcome = await room.actions.act(prepared.id, prepared.word)
    assert (outcome.done, outcome.failed, outcome.unknown) == (0, 0, 1)
    assert outcome.undo == "lazycelery worker hold default w1@a --allow consumers"
    room.now += 10
    assert list(await room.actions.held()) == ["default"], "it is not known that it is over"


async def test_some_done_and_some_in_doubt_get_back_what_each_had(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew(room, "w1@a", "w2@a")
    prepared = await plan(room, "pool", "w1@a", "w2@a", do="grow", n=3)

    def grown(report: Any, told: Any) -> None:
        report.stats.concurrency += told["n"]

    async def only_one(workers: Sequence[str], *args: Any, **options: Any) -> Any:
        return {name: room.remote.says[name] for name in workers if name == "w1@a"}

    monkeypatch.setattr(room.remote, "look", only_one)
    room.remote.effects["pool_grow"] = grown
    room.remote.answers = {"w2@a": None}
    outcome = await room.actions.act(prepared.id, prepared.word)
    assert (outcome.done, outcome.failed, outcome.unknown) == (1, 0, 1)
    assert outcome.undo == SIZE, "to shrink by 3 would be wrong where it did not grow"


async def test_a_pool_gets_back_its_size_and_not_a_step(room: Room) -> None:
    """A worker that restarted meanwhile has it already, and a second undo has nothing to do."""
    crew(room, "w1@a", "w2@a")

    def change(by: int) -> Any:
        def effect(report: Any, told: Any) -> None:
            report.stats.concurrency += by * told["n"]

        return effect

    room.remote.effects = {"pool_grow": change(1), "pool_shrink": change(-1)}
    outcome = await do(room, "pool", "w1@a", "w2@a", do="grow", n=3)
    assert outcome.undo == SIZE and outcome.back is not None
    restarted = room.remote.says["w1@a"].stats
    assert restarted is not None
    restarted.concurrency = 4
    back = await room.actions.plan(outcome.back)
    assert [(item.target, item.refused) for item in back.items] == [
        ("w1@a", "it has 4 processes already"),
        ("w2@a", None),
    ]
    await room.actions.act(back.id, back.word)
    assert all(said.stats is not None and said.stats.concurrency == 4 for said in room.remote.says.values())
    assert (await room.actions.plan(outcome.back)).count == 0


async def test_a_hold_that_nobody_was_told_of_is_not_noted(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew(room, "w1@a")
    prepared = await plan(room, "consumers", "default", do="hold")

    async def refused(*args: Any, **options: Any) -> Any:
        raise NO

    async def silent(*args: Any, **options: Any) -> Any:
        return {}

    monkeypatch.setattr(room.remote, "tell", refused)
    monkeypatch.setattr(room.remote, "look", silent)
    outcome = await room.actions.act(prepared.id, prepared.word)
    assert (outcome.failed, outcome.unknown, outcome.undo, await room.actions.held()) == (1, 0, None, {})
    assert outcome.proof.startswith("not default held: w1@a: it could not be sent")


@pytest.mark.parametrize("lost", ["nobody answers any more", "its queues are not told"])
async def test_what_a_worker_shows_before_it_falls_silent_is_no_proof_that_it_did_nothing(
    room: Room, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said yes: a hold that it carries out a moment later must stay in the list, and can be undone."""
    [said] = crew(room, "w1@a")
    prepared = await plan(room, "consumers", "default", do="hold")
    look, looks = room.remote.look, 0

    async def once(*args: Any, **options: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks > 1 and lost.startswith("its"):
            said.queues = None
        return await look(*args, **options) if looks == 1 or said.queues is None else {}

    monkeypatch.setattr(room.remote, "look", once)
    outcome = await room.actions.act(prepared.id, prepared.word)
    assert looks > 1 and (outcome.done, outcome.failed, outcome.unknown) == (0, 0, 1)
    assert outcome.proof.startswith("perhaps default held: w1@a: it answered")
    assert outcome.undo is not None and list(await room.actions.held()) == ["default"]


async def test_to_undo_a_hold_leaves_one_at_other_workers_that_was_there_before(room: Room) -> None:
    crew(room, "w1@a", "w2@a")
    room.remote.effects["cancel_consumer"] = lambda report, told: setattr(report, "queues", [])
    first = await do(room, "consumers", "default", do="hold", workers=["w1@a"])
    assert first.undo == "lazycelery worker resume default --allow consumers"
    second = await do(room, "consumers", "default", do="hold", workers=["w2@a"])
    assert second.undo == "lazycelery worker resume default w2@a --allow consumers"
    assert second.back is not None
    assert [item.target for item in (await room.actions.plan(second.back)).items] == ["w2@a"]


# ---- limits


async def test_each_worker_that_gets_no_limit_is_told_why(room: Room) -> None:
    crew(room, "same@a", "stranger@a", "mute@a", "other@a")
    room.store.add_worker("gone@a", state="offline")
    room.remote.limited = {
        "same@a": {"shop.add": TaskLimits(rate="5.0/s")},
        "stranger@a": {"shop.addd": TaskLimits()},
        "other@a": {"shop.add": TaskLimits(rate="odd")},
    }
    names = ["same@a", "stranger@a", "mute@a", "other@a", "gone@a"]
    prepared = await plan(room, "limits", *names, do="rate", task="shop.add", rate="5")
    why = {item.target: item.refused for item in prepared.items}
    assert why["same@a"] == "it is 5.0/s already" and why["other@a"] is None
    assert why["stranger@a"] == "it does not know shop.add. Did you mean shop.addd?"
    assert why["mute@a"] and why["gone@a"] and prepared.count == 1
    await room.actions.act(prepared.id, prepared.word)
    assert [workers for command, (_, workers) in room.remote.calls if command == "rate_limit"] == [
        ["other@a"]
    ]


async def test_a_soft_limit_over_the_hard_one_and_a_limit_of_nothing_are_refused(room: Room) -> None:
    crew(room, "w1@a")
    room.remote.limited = {"w1@a": {"shop.add": TaskLimits(hard=30.0)}}
    [item] = (await plan(room, "limits", "w1@a", do="time", task="shop.add", soft="30")).items
    assert item.refused == "the soft limit (30 s) must be under the hard one (30 s)"
    for params in ({"do": "size"}, {"do": "rate"}, {"do": "time", "task": "shop.add"}):
        with pytest.raises(UsageError, match="Which"):
            await plan(room, "limits", "w1@a", **params)
    with pytest.raises(LazyCeleryError, match=r"No worker knows a task shop\.ad"):
        await plan(room, "limits", do="rate", task="shop.ad", rate="1/s")
    with pytest.raises(UsageError, match="limits of its own"):
        await plan(room, "limits", "w1@a", do="rate", task="shop.add", each={"w1@a": "5/s"})


async def test_an_ok_without_the_limit_is_a_failure_and_names_what_it_has(room: Room) -> None:
    crew(room, "w1@a")
    room.remote.limited = {"w1@a": {"shop.add": TaskLimits(rate="1/s")}}
    outcome = await do(room, "limits", "w1@a", do="rate", task="shop.add", rate="5/s")
    assert (outcome.done, outcome.failed, outcome.unknown) == (0, 1, 0)
    assert outcome.items[0].text.endswith("; it has 1/s")
    assert outcome.undo is None and outcome.back is None


async def test_a_limit_that_cannot_be_read_back_is_not_known_and_can_be_taken_back(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew(room, "w1@a", "w2@a")
    room.remote.limited = {
        "w1@a": {"shop.add": TaskLimits(soft=5.0)},
        "w2@a": {"shop.add": TaskLimits(soft=9.5, hard=20.0)},
    }
    prepared = await plan(room, "limits", "w1@a", "w2@a", do="time", task="shop.add", hard="60")

    async def lost(*args: Any, **options: Any) -> Any:
        raise AWAY

    read, room.remote.limits = room.remote.limits, lost  # type: ignore[method-assign]
    outcome = await room.actions.act(prepared.id, prepared.word)
    assert (outcome.done, outcome.failed, outcome.unknown) == (0, 0, 2)
    assert all("it cannot be read back now" in item.text for item in outcome.items)
    assert outcome.undo == (
        "lazycelery worker time-limit shop.add w1@a --soft 5 --hard none --allow limits && "
        "lazycelery worker time-limit shop.add w2@a --soft 9.5 --hard 20 --allow limits"
    )
    assert outcome.back is not None
    room.remote.limits = read  # type: ignore[method-assign]
    room.remote.limited = {name: {"shop.add": TaskLimits(soft=5.0, hard=60.0)} for name in ("w1@a", "w2@a")}
    back = await room.actions.plan(outcome.back)
    assert back.title == "Set the time limits of shop.add, to each its own, at w1@a and w2@a"
    await room.actions.act(back.id, back.word)
    told = {
        workers[0]: told for command, (told, workers) in room.remote.calls[-2:] if command == "time_limit"
    }
    assert told == {
        "w1@a": {"task_name": "shop.add", "soft": 5.0, "hard": None},
        "w2@a": {"task_name": "shop.add", "soft": 9.5, "hard": 20.0},
    }


# ---- leftovers, doubt


class Leftovers(FakeQueues):
    """A purge left messages aside under two keys; what a key gives is a number, or an error."""

    def __init__(self, **gives: Any) -> None:
        super().__init__()
        self.gives = gives

    async def leftovers(self) -> list[str]:
        return list(self.gives)

    def left_of(self, key: str, queue: str) -> bool:
        return True

    async def recover(self, key: str) -> int:
        if isinstance(told := self.gives[key], Exception):
            raise told
        return int(told)


def part(room: Room, *ids: str, action: str = "purge", queue: str = "q", **own: Any) -> Path:
    context = room.actions._context
    path = saving.backup_path(context, Order(action="purge"), queue)
    writer = BackupWriter(path, saving.header(context, queue, action, **own))
    if ids:
        writer.add([Line(queue=queue, priority=0, position=n, raw=raw(id)) for n, id in enumerate(ids)])
    room.now += 1  # The next one has another name.
    return writer.keep()


@pytest.mark.parametrize(
    ("second", "failed", "unknown", "said"),
    [
        (NO, 1, 0, "The broker refuses it."),
        (AWAY, 0, 1, "whether they were put back is not known: The broker went away."),
        (1, 0, 0, "holds 4: compare before restoring the others from it"),
    ],
    ids=["refused", "lost", "taken"],
)
async def test_leftovers_that_do_not_all_come_back_leave_the_backup_as_it_is(
    room: Room, second: Any, failed: int, unknown: int, said: str
) -> None:
    path = part(room, *"abcd")
    room.actions._context.queues = Leftovers(one=2, two=second)  # type: ignore[assignment]
    keys = await leftovers.left_aside(room.actions._context, "q")
    outcome = await leftovers.give_back(room.actions._context, keys, BackupFile(path))
    assert (outcome.failed, outcome.unknown, path.exists()) == (failed, unknown, True)
    assert said in outcome.proof and outcome.done == 2 + (second if isinstance(second, int) else 0)


async def test_leftovers_that_all_come_back_settle_the_backup(room: Room) -> None:
    path = part(room, *"abcd")
    room.actions._context.queues = Leftovers(one=2, two=2)  # type: ignore[assignment]
    outcome = await leftovers.give_back(room.actions._context, ["one", "two"], BackupFile(path))
    assert (outcome.done, outcome.failed, outcome.unknown) == (4, 0, 0) and not path.exists()


async def test_a_broker_whose_messages_cannot_be_looked_at_leaves_out_none(room: Room) -> None:
    file = BackupFile(part(room, *"ab"))
    assert await doubt.leave_out_waiting(room.actions._context, file) == 0 and file.total == 2


# ---- cut_off


def test_only_sound_parts_of_this_broker_that_nobody_writes_were_cut_off(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = room.actions._context
    good, written = part(room, "a", whole=True), part(room, "a")
    part(room, "a", action="export")
    part(room, action="move", to="x")  # It had taken nothing yet.
    purge = part(room)
    broken = part(room, "a")
    broken.write_bytes(b"{not json\n")
    directory = part(room, "a").parent
    (directory / "none.ndjson.part").mkdir()

    def found(broker: str = context.broker) -> set[str]:
        return {Path(each.path).name for each in cut_off.find(context.profile, broker)}

    everything = found()
    assert {good.name, written.name, purge.name} < everything and len(everything) == 4
    with written.open("rb") as file:
        claim(file.fileno())
        assert written.name not in found()
    assert found("redis://elsewhere:6379/0") == set()
    assert cut_off.bulk(context.profile, context.broker, "no such") is None

    def refused(*args: Any) -> Any:
        raise PermissionError(13, "no")

    monkeypatch.setattr(Path, "glob", refused)
    assert found() == set()


def test_a_part_that_cannot_be_renamed_stays_where_it_is(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    first = part(room, "a")
    assert cut_off.mended(first.with_suffix("")) == first.with_suffix("")  # A whole backup.
    taken = first.with_name(first.name.removesuffix(".part") + cut_off.MENDED)
    taken.write_text("another one")
    assert cut_off.mended(first) == first and taken.read_text() == "another one"
    taken.unlink()

    def refused(*args: Any) -> Any:
        raise OSError(30, "read-only")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refused)
        assert cut_off.mended(first) == first and first.exists()
    assert cut_off.mended(first) == taken


# ---- aside, delete


async def test_a_disk_that_fails_while_tasks_are_set_aside_leaves_no_file(
    room: Room, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    room.store.add(id="t1", state="failure", queue="default")
    room.store.raw["t1"] = StoredMessage(queue="default", priority=0, raw=raw("t1"))
    order = Order(
        action="export", targets=["t1"], params={"tasks": True, "file": str(tmp_path / "own.ndjson")}
    )
    draft = await aside.draft(room.actions._context, order)

    def full(self: BackupWriter, lines: Sequence[Line]) -> None:
        raise Refused("The backup cannot be written: the disk is full.", nothing_done=True)

    monkeypatch.setattr(BackupWriter, "add", full)
    with pytest.raises(Refused, match="disk is full"):
        await draft.run()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("own")]


@pytest.mark.parametrize(
    ("targets", "filter"), [([], "name:x"), (["a", "b"], "name:x"), (["a"], None), (["a"], "")]
)
async def test_a_deletion_names_one_queue_and_what_is_meant(
    room: Room, targets: list[str], filter: str | None
) -> None:
    with pytest.raises(UsageError, match="one queue and a filter"):
        await delete.draft(room.actions._context, Order(action="delete", targets=targets, filter=filter))


# ---- chord


def head(*parts: Part, size: int | None = None, **own: Any) -> Counter:
    return Counter(group="g", size=size, parts=list(parts), **own)


def returned(id: str, index: int | None, status: str = "SUCCESS", exact: bool = True) -> Part:
    return Part(id=id, index=index, status=status, value=1, exact=exact)


FAILED = returned("m", 0, "FAILURE")
BODY = {"task": "shop.sum", "options": {"task_id": "body"}}


@pytest.mark.parametrize(
    ("counter", "body", "said"),
    [
        (head(FAILED, saved=True), BODY, "groups or chords in its header"),
        (head(returned("m", None, "FAILURE")), BODY, "has no order"),
        (head(returned("n", 0)), BODY, "has not counted its failure"),
        (head(FAILED, returned("n", 2)), BODY, "places of its chord's header are not all there"),
        (head(FAILED, returned("n", 1, exact=False)), BODY, "the result of n cannot be passed on as it was"),
        (head(FAILED, returned("n", 1)), {"task": "shop.sum", "options": {}}, "body has no id"),
        (head(FAILED, returned("n", 1)), BODY, "body is running already"),
    ],
    ids=["nested", "order", "uncounted", "places", "blurred", "body", "runs"],
)
def test_a_chord_is_not_sent_anew_while_anything_of_it_is_in_doubt(
    counter: Counter, body: dict[str, Any], said: str
) -> None:
    runs = Task(id="body", name="shop.sum", state="started", worker="w1@h")
    one = canvas.Canvas(members={"body": Evidence(id="body", task=runs)})
    assert said in chord.problem(one, Slot(group="g", counted="m", body=body), counter)


def test_a_chord_with_another_failed_member_that_nobody_saw_is_not_put_together() -> None:
    slots = {"m": Slot(group="g", counted="m", body=BODY)}
    message = Message(
        position=0, id="m", task="shop.add", args=[1], kwargs={}, priority=3, headers={"timelimit": [9, None]}
    )
    signatures = {"m": chord.signature_of(message, "default", "m")}
    told = chord.rebuild(slots, head(FAILED, returned("other", 1, "FAILURE")), signatures, "root")
    assert told == "another member of its chord failed too, and of other no message was seen"
    options = signatures["m"]["options"]
    assert (options["time_limit"], options["priority"], "soft_time_limit" in options) == (9, 3, False)
    made = chord.rebuild(slots, head(FAILED, returned("n", 1)), signatures, "root")
    assert isinstance(made, chord.Rebuilt) and (made.kept, made.again, made.body_id) == (1, ["m"], "body")


# ---- canvas


async def test_a_canvas_says_what_it_could_not_ask(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.store.add(id="m", state="failure", group_id="g", worker="w1@a")

    class Counting:
        async def counters(self, groups: Sequence[str]) -> dict[str, Counter]:
            raise ConnectionProblem("The result backend went away.")

    def unread(*args: Any) -> Any:
        raise Refused("The audit log cannot be read.")

    context = room.actions._context
    monkeypatch.setattr(context.results, "counters", Counting().counters, raising=False)
    monkeypatch.setattr(context.audit, "entries", unread)
    found = await canvas.find(context, Order(action="retry", targets=["m"]))
    assert "How far its chords are was not asked: The result backend went away." in found.warnings
    assert (
        "Whether steps were sent again in other sessions is not known: The audit log cannot be read."
        in found.warnings
    )
    assert "How many members group g has is not known: 1 were seen." in found.unknown()
    for order in (Order(action="retry", targets=["m", "n"]), Order(action="retry", filter="state:failure")):
        with pytest.raises(UsageError, match="one of its tasks"):
            await canvas.find(context, order)


def test_a_canvas_tells_messages_that_cannot_be_read_copies_and_that_there_is_more() -> None:
    def member(id: str, *marks: str) -> Evidence:
        return Evidence(
            id=id, task=Task(id=id, name="shop.add", state="failure", worker="w1@h", marks=list(marks))
        )

    shut = Message(position=0, id="a", decoded=False, problem="It is a pickle.")
    one = canvas.Canvas(
        members={"a": member("a"), "b": member("b", "retry-of a")},
        messages={"a": shut, "b": Message(position=0, id="b")},
        embedded={"c": Step(id="c", name="shop.next", kind="next", holder="a")},
        cut=True,
    )
    assert one.again() == {"a": "b"}
    assert [line.note for line in one.lines()] == ["sent again as b", "", "next"]
    said = one.unknown()
    assert "What follows shop.add[a] is not known: its message cannot be read (It is a pickle)." in said
    assert "More than 1,000 belong to it: the others are not here." in said
