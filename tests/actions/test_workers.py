"""Changes at workers: what is refused, asked and said. Effects are tested on real workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lazycelery.errors import ConnectionProblem, LazyCeleryError, NothingFound, Refused, UsageError
from lazycelery.model.action import Order, Outcome, Plan
from lazycelery.model.reports import (
    ActiveQueue,
    QueueReport,
    TaskLimits,
    TaskReport,
    WorkerReport,
    WorkerStats,
)
from lazycelery.sources.control import COMMANDS, Control
from lazycelery.sources.protocols.mailbox import Replies
from tests.actions.fakes import Room

W = ("w1@a", "w2@a", "w3@a", "w4@a")


def report(room: Room, name: str, **stats: Any) -> WorkerReport:
    """What a worker says of itself: prefork with four processes, idle, consuming `default`."""
    given = {
        "pool": "prefork",
        "concurrency": 4,
        "processes": [1, 2, 3, 4],
        "pid": 10,
        "uptime": 100.0,
        **stats,
    }
    said = WorkerReport(
        worker=name,
        at=room.now,
        ping=True,
        stats=WorkerStats(worker=name, **given),
        queues=[ActiveQueue(name="default")],
        active=[],
        reserved=[],
        conf={},
    )
    room.remote.says[name] = said
    return said


def crew(room: Room, *names: str, **stats: Any) -> list[WorkerReport]:
    for name in names:
        room.store.add_worker(name, pool=stats.get("pool", "prefork"))
    return [report(room, name, **stats) for name in names]


def busy(said: WorkerReport, number: int) -> None:
    said.active = [
        TaskReport(id=f"t{n}", phase="active", worker=said.worker, name="shop.charge") for n in range(number)
    ]


async def plan(room: Room, action: Any, *targets: str, **params: Any) -> Plan:
    return await room.actions.plan(Order(action=action, targets=list(targets), params=params))


async def do(room: Room, action: Any, *targets: str, **params: Any) -> Outcome:
    prepared = await plan(room, action, *targets, **params)
    assert prepared.refused is None, prepared.items
    return await room.actions.act(prepared.id, prepared.word)


# ---- names


async def test_half_a_name_will_do_when_it_fits_one(room: Room) -> None:
    crew(room, "w1@a", "celery@web-1", "celery@web-2")
    assert (await plan(room, "pool", "web-1", do="grow", n=1)).items[0].target == "celery@web-1"
    with pytest.raises(UsageError, match="celery fits 2 workers"):
        await plan(room, "pool", "celery", do="grow", n=1)
    with pytest.raises(NothingFound, match=r"No worker is called w9@a\. Did you mean w1@a"):
        await plan(room, "pool", "w9@a", do="grow", n=1)


@pytest.mark.parametrize(
    ("action", "params", "what"),
    [
        ("pool", {"do": "grow", "n": 1}, "No workers are called w8@a and nobody@x."),
        (
            "limits",
            {"do": "rate", "task": "shop.add", "rate": "1/s"},
            "No workers are called w8@a and nobody@x.",
        ),
        ("shutdown", {}, "No workers are called w8@a and nobody@x."),
        ("events", {"on": True}, "No worker called w8@a and nobody@x is online."),
    ],
)
async def test_one_unknown_name_among_several_keeps_all_of_it_from_being_done(
    room: Room, action: str, params: dict[str, Any], what: str
) -> None:
    crew(room, "w1@a", "w2@b")
    with pytest.raises(NothingFound) as refused:
        await plan(room, action, "w1@a", "w8@a", "nobody@x", "w2@b", **params)
    assert refused.value.title == what and refused.value.exit_code == 1
    assert "Did you mean w1@a?" in refused.value.hint and "to the others either." in refused.value.hint
    assert room.remote.calls == []


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("pool", {"do": "grow", "n": 1}),
        ("pool", {"do": "restart"}),
        ("pool", {"do": "autoscale", "max": 2, "min": 1}),
        ("shutdown", {}),
    ],
)
async def test_what_ends_processes_is_never_for_all(room: Room, action: str, params: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="Which workers"):
        await plan(room, action, **params)


async def test_nothing_is_ever_broadcast_and_election_is_no_command() -> None:
    control = Control(None)  # type: ignore[arg-type]
    assert "election" not in COMMANDS and "shutdown" not in COMMANDS
    for command in ("election", "shutdown"):
        with pytest.raises(UsageError, match="no command that workers are told"):
            await control.tell(command, {}, ["w1@a"])  # type: ignore[arg-type]
    for work in (control.tell("pool_grow", {"n": 1}, []), control.shut_down([])):
        with pytest.raises(UsageError, match="No worker is named"):
            await work


async def test_who_came_a_moment_ago_is_asked_again_until_it_listens(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew(room, "w1@a", "w2@a", "w3@a")
    later = room.remote.says.pop("w1@a")
    room.remote.says.pop("w3@a")
    monkeypatch.setattr("lazycelery.actions.crew.PACE", 0.01)
    monkeypatch.setattr("lazycelery.actions.crew.ARRIVAL", 0.3)
    asyncio.get_running_loop().call_later(0.05, room.remote.says.update, {"w1@a": later})
    room.store.young_workers = {"w1@a", "w3@a"}
    refused = {
        item.target: item.refused or ""
        for item in (await plan(room, "pool", "w1@a", "w2@a", "w3@a", do="grow", n=1)).items
    }
    assert refused["w1@a"] == refused["w2@a"] == "" and "does not answer" in refused["w3@a"]
    room.remote.says.pop("w1@a")
    room.store.young_workers = set()  # Its time is over: once is enough.
    asyncio.get_running_loop().call_later(0.05, room.remote.says.update, {"w1@a": later})
    assert "does not answer" in ((await plan(room, "pool", "w1@a", do="grow", n=1)).refused or "")


async def test_who_began_to_listen_while_it_was_asked_is_asked_once_more(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew(room, "w1@a")
    later = room.remote.says.pop("w1@a")
    monkeypatch.setattr("lazycelery.actions.crew.PACE", 0.05)
    room.store.young_workers = {"w1@a"}

    look = room.remote.look

    async def too_early(*args: Any, **options: Any) -> Any:
        told = await look(*args, **options)
        room.remote.says["w1@a"] = later  # Somebody else is answered meanwhile.
        room.store.young_workers = set()
        return told

    monkeypatch.setattr(room.remote, "look", too_early)
    assert (await plan(room, "pool", "w1@a", do="grow", n=1)).refused is None


# ---- pool


async def test_busy_processes_are_not_promised_away(room: Room) -> None:
    (said,) = crew(room, "w1@a")
    busy(said, 3)
    refused = (await plan(room, "pool", "w1@a", do="shrink", n=2)).refused
    assert refused == "3 of its 4 processes are busy: at most 1 can be taken away now"
    assert (await plan(room, "pool", "w1@a", do="shrink", n=1)).refused is None


@pytest.mark.parametrize(
    ("stats", "why"),
    [
        ({"pool": "threads"}, "its pool of threads keeps the size it was started with (-c)"),
        ({"pool": "solo"}, "a solo pool has one place, and that is the worker itself"),
        ({"autoscaler": {"max": 4, "min": 1}}, "it scales by itself (1 to 4): change that range instead"),
        ({"concurrency": None, "processes": []}, "it does not tell its size"),
    ],
)
async def test_a_pool_that_cannot_grow_says_so_before(room: Room, stats: dict[str, Any], why: str) -> None:
    crew(room, "w1@a", **stats)
    assert (await plan(room, "pool", "w1@a", do="grow", n=1)).refused == why
    assert room.remote.calls == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ('ValueError("Can\'t shrink pool. All processes busy!")', "all its processes are busy"),
        ("KeyError('pool_grow')", "it has no command pool_grow"),
        ("AttributeError(\"'TaskPool' object has no attribute 'grow'\")", "its kind of pool cannot grow"),
    ],
)
async def test_an_error_of_celery_is_told_in_words(room: Room, error: str, words: str) -> None:
    crew(room, "w1@a")
    room.remote.answers = {"w1@a": {"error": error}}
    outcome = await do(room, "pool", "w1@a", do="grow", n=1)
    assert (outcome.done, outcome.failed) == (0, 1)
    assert words in outcome.items[0].text and "Error" not in outcome.items[0].text


async def test_an_ok_without_its_effect_is_no_success(room: Room) -> None:
    crew(room, "w1@a")
    outcome = await do(room, "pool", "w1@a", do="grow", n=1)
    assert (outcome.done, outcome.failed, outcome.undo) == (0, 1, None)
    assert outcome.items[0].text == "it answered 'as you say', but it has 4 processes"


async def test_silence_with_the_effect_is_a_success_and_without_a_sign_unknown(room: Room) -> None:
    first, second = crew(room, "w1@a", "w2@a")

    def grow(said: WorkerReport, arguments: Mapping[str, Any]) -> None:
        if said is first and said.stats is not None:
            said.stats.concurrency = 5
        else:
            room.remote.says.pop(second.worker, None)

    room.remote.effects["pool_grow"] = grow
    room.remote.answers = {"w1@a": None, "w2@a": None}
    outcome = await do(room, "pool", "w1@a", "w2@a", do="grow", n=1)
    assert (outcome.done, outcome.failed, outcome.unknown) == (1, 0, 1)
    assert outcome.items[1].text == "it did not answer; it may still do it later"


async def test_a_range_is_put_back_by_its_undo(room: Room) -> None:
    crew(room, "w1@a", autoscaler={"max": 4, "min": 1})

    def scale(said: WorkerReport, arguments: Mapping[str, Any]) -> None:
        assert said.stats is not None
        said.stats.autoscaler = dict(arguments)

    room.remote.effects["autoscale"] = scale
    outcome = await do(room, "pool", "w1@a", do="autoscale", max=8, min=2)
    assert outcome.undo == "lazycelery worker autoscale 4 1 w1@a --allow pool"
    with pytest.raises(UsageError, match="Swap the two"):
        await plan(room, "pool", "w1@a", do="autoscale", max=1, min=2)


async def test_each_worker_gets_its_own_size_back(room: Room) -> None:
    crew(room, "w1@a")
    crew(room, "w2@a", concurrency=6, processes=[1, 2, 3, 4, 5, 6])

    def resize(by: int) -> Callable[[WorkerReport, Mapping[str, Any]], None]:
        def change(said: WorkerReport, arguments: Mapping[str, Any]) -> None:
            assert said.stats is not None and said.stats.concurrency is not None
            said.stats.concurrency += by * arguments["n"]

        return change

    room.remote.effects |= {"pool_grow": resize(1), "pool_shrink": resize(-1)}
    outcome = await do(room, "pool", "w1@a", "w2@a", do="size", n=5)
    assert outcome.undo == (
        "lazycelery worker pool size 4 w1@a --allow pool && lazycelery worker pool size 6 w2@a --allow pool"
    )
    assert outcome.back is not None
    back = await room.actions.plan(outcome.back)
    assert back.title == "Set the pool of w1@a and w2@a to 4 and 6"
    assert (await room.actions.act(back.id, back.word)).done == 2
    assert [room.remote.says[name].stats.concurrency for name in ("w1@a", "w2@a")] == [4, 6]  # type: ignore[union-attr]


async def test_each_worker_gets_its_own_range_back(room: Room) -> None:
    crew(room, "w1@a", autoscaler={"max": 4, "min": 1})
    crew(room, "w2@a", autoscaler={"max": 9, "min": 3})

    def scale(said: WorkerReport, arguments: Mapping[str, Any]) -> None:
        assert said.stats is not None
        said.stats.autoscaler = dict(arguments)

    room.remote.effects["autoscale"] = scale
    outcome = await do(room, "pool", "w1@a", "w2@a", do="autoscale", max=8, min=2)
    assert outcome.back is not None and outcome.undo is not None and outcome.undo.count("autoscale") == 2
    back = await room.actions.plan(outcome.back)
    await room.actions.act(back.id, back.word)
    ranges = [room.remote.says[name].stats.autoscaler for name in ("w1@a", "w2@a")]  # type: ignore[union-attr]
    assert ranges == [{"max": 4, "min": 1}, {"max": 9, "min": 3}]


# ---- how it is confirmed


async def test_half_of_all_workers_take_a_second_look(room: Room) -> None:
    crew(room, *W)
    one = await plan(room, "pool", *W[:1], do="grow", n=1)
    two = await plan(room, "pool", *W[:2], do="grow", n=1)
    assert (one.level, two.level, two.word) == ("letter", "typed", "2")
    with pytest.raises(Refused, match="Not confirmed"):
        await room.actions.act(two.id)
    assert room.remote.calls == []


async def test_production_asks_for_the_name_and_read_only_refuses(tmp_path: Path) -> None:
    room = Room(tmp_path, production=True, allow=["pool"])
    crew(room, "w1@a")
    prepared = await plan(room, "pool", "w1@a", do="grow", n=1)
    assert (prepared.level, prepared.word) == ("typed", "w1@a")
    with pytest.raises(Refused, match="Type w1@a"):
        await room.actions.act(prepared.id, "w2@a")
    room.guard.lock()
    with pytest.raises(Refused, match="Read-only"):
        await room.actions.act(prepared.id, "w1@a")
    assert [entry.outcome for entry in room.audit.entries()] == ["refused", "refused"]
    assert room.remote.calls == []


@pytest.mark.parametrize(
    ("action", "targets", "params"),
    [
        ("pool", ["w1@a"], {"do": "grow", "n": 1}),
        ("consumers", ["default"], {"do": "hold"}),
        ("limits", [], {"do": "rate", "task": "shop.add", "rate": "1/s"}),
        ("shutdown", ["w1@a"], {}),
    ],
)
async def test_each_has_its_own_permission(
    tmp_path: Path, action: str, targets: list[str], params: dict[str, Any]
) -> None:
    room = Room(tmp_path, allow=["retry"])
    crew(room, "w1@a")
    room.remote.limited = {"w1@a": {"shop.add": TaskLimits()}}
    prepared = await plan(room, action, *targets, **params)
    assert (prepared.refused or "").startswith(f"Not permitted: {action}.")
    with pytest.raises(Refused, match=f"Not permitted: {action}"):
        await room.actions.act(prepared.id, prepared.word)
    assert room.remote.calls == []


# ---- consumers


def consumers_change(said: WorkerReport, arguments: Mapping[str, Any]) -> None:
    said.queues = [*(said.queues or []), ActiveQueue(name=arguments["queue"])]


def consumers_end(said: WorkerReport, arguments: Mapping[str, Any]) -> None:
    said.queues = [queue for queue in said.queues or [] if queue.name != arguments["queue"]]


@pytest.fixture
def lively(room: Room) -> Room:
    """Workers that do what they are told about queues."""
    room.remote.effects = {"add_consumer": consumers_change, "cancel_consumer": consumers_end}
    return room


def broker_has(room: Room, monkeypatch: pytest.MonkeyPatch, kind: str | None) -> None:
    async def probe(names: list[str]) -> list[QueueReport]:
        return [QueueReport(name=name, at=0, type=kind, messages=3) for name in names]

    monkeypatch.setattr(room.queues, "probe", probe)


@pytest.mark.parametrize(("kind", "declared"), [("classic", True), ("stream", True), ("list", None)])
async def test_a_queue_that_is_there_is_not_declared_otherwise(
    lively: Room, monkeypatch: pytest.MonkeyPatch, kind: str, declared: bool | None
) -> None:
    crew(lively, "w1@a")
    broker_has(lively, monkeypatch, kind)
    await do(lively, "consumers", "orders", do="add", workers=["w1@a"])
    ((_, (arguments, _)),) = lively.remote.calls
    assert arguments.get("no_declare") is declared


async def test_a_quorum_queue_goes_only_to_those_that_know_such(
    lively: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = crew(lively, "w1@a", "w2@a")
    assert first.queues is not None
    second.queues = [ActiveQueue(name="quick", arguments={"x-queue-type": "quorum"})]
    broker_has(lively, monkeypatch, "quorum")
    prepared = await plan(lively, "consumers", "orders", do="add", workers=["w1@a", "w2@a"])
    assert [item.refused is None for item in prepared.items] == [False, True]
    await lively.actions.act(prepared.id, prepared.word)
    ((_, (arguments, workers)),) = lively.remote.calls
    assert workers == ["w2@a"] and arguments["queue_arguments"] == {"x-queue-type": "quorum"}


@pytest.mark.parametrize(("other", "back"), [("classic", False), ("quorum", True)])
async def test_the_last_quorum_queue_of_a_worker_is_let_go_for_good(
    lively: Room, other: str, back: bool
) -> None:
    """It could be told to consume it again, and would not survive that: no undo is offered."""
    (first,) = crew(lively, "w1@a")
    first.queues = [
        ActiveQueue(name="quick", arguments={"x-queue-type": "quorum"}),
        ActiveQueue(name="orders", arguments={"x-queue-type": other}),
    ]
    prepared = await plan(lively, "consumers", "quick", do="cancel", workers=["w1@a"])
    assert any("only a restart" in warning for warning in prepared.warnings) is not back, prepared.warnings
    outcome = await lively.actions.act(prepared.id, prepared.word)
    assert outcome.done == 1 and (outcome.back is not None) is back and (outcome.undo is not None) is back


async def test_a_queue_of_an_unknown_kind_is_refused_where_it_matters(
    lively: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew(lively, "w1@a")
    broker_has(lively, monkeypatch, None)
    lively.queues.free_looks = False
    prepared = await plan(lively, "consumers", "orders", do="add", workers=["w1@a"])
    assert "does not tell what kind of queue orders is" in (prepared.refused or "")


async def test_the_declaration_of_another_worker_is_copied(lively: Room) -> None:
    first, _ = crew(lively, "w1@a", "w2@a")
    first.queues = [
        ActiveQueue(
            name="orders",
            exchange="shop",
            exchange_type="topic",
            routing_key="o.#",
            arguments={"x-max-priority": 9},
        )
    ]
    await do(lively, "consumers", "orders", do="add", workers=["w2@a"])
    ((_, (arguments, workers)),) = lively.remote.calls
    assert workers == ["w2@a"]
    assert arguments == {
        "queue": "orders",
        "exchange": "shop",
        "exchange_type": "topic",
        "routing_key": "o.#",
        "queue_arguments": {"x-max-priority": 9},
    }


async def test_a_cancel_tells_who_is_left_without_work_or_consumer(lively: Room) -> None:
    crew(lively, "w1@a", "w2@a")
    one = await plan(lively, "consumers", "default", do="cancel", workers=["w1@a"])
    assert "w1@a does nothing else: default is the only queue there." in one.warnings
    assert not any("Nobody else" in warning for warning in one.warnings)
    both = await plan(lively, "consumers", "default", do="cancel", workers=["w1@a", "w2@a"])
    assert "Nobody else consumes default: its messages will wait." in both.warnings


async def test_a_worker_that_restarted_since_the_hold_is_said_to(lively: Room) -> None:
    first, second = crew(lively, "w1@a", "w2@a")
    await do(lively, "consumers", "default", do="hold")
    lively.now += 600
    assert first.stats is not None and second.stats is not None
    first.at = second.at = lively.now
    second.stats.uptime = 700.0
    first.stats.uptime, first.stats.pid = 30.0, 99
    first.queues = [ActiveQueue(name="default")]
    prepared = await plan(lively, "consumers", "default", do="resume")
    assert "consumes it already (restarted since, at " in prepared.items[0].text
    assert prepared.items[1].text == "consume default again"
    outcome = await lively.actions.act(prepared.id, prepared.word)
    assert (outcome.done, outcome.failed) == (2, 0)
    assert "already (restarted since" in outcome.items[1].text
    assert [call for call, _ in lively.remote.calls].count("add_consumer") == 1


async def test_a_worker_that_is_gone_keeps_its_place_until_it_is_forgotten(lively: Room) -> None:
    crew(lively, "w1@a", "w2@a")
    await do(lively, "consumers", "default", do="hold")
    lively.store.known_workers["w2@a"].worker.state = "offline"
    prepared = await plan(lively, "consumers", "default", do="resume")
    assert any("w2@a cannot be told: the hold is kept for it" in warning for warning in prepared.warnings)
    await lively.actions.act(prepared.id, prepared.word)
    lively.now += 10
    lively.actions._held_at = 0
    assert list((await lively.actions.held())["default"].workers) == ["w2@a"]
    refused = await plan(lively, "consumers", "default", do="resume")
    assert refused.refused == "it is gone" and "--forget" in refused.hint
    await do(lively, "consumers", "default", do="resume", forget=True)
    with pytest.raises(NothingFound, match="default is not held"):
        await plan(lively, "consumers", "default", do="resume")


async def test_nothing_is_held_when_it_cannot_be_noted(lively: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    crew(lively, "w1@a")
    prepared = await plan(lively, "consumers", "default", do="hold")
    lively.actions._holds.path.parent.mkdir(parents=True)
    lively.actions._holds.path.mkdir()
    with pytest.raises(Refused, match="list of held queues"):
        await lively.actions.act(prepared.id, prepared.word)
    assert lively.remote.calls == []


async def test_a_worker_that_goes_on_consuming_is_not_noted_as_held(room: Room) -> None:
    crew(room, "w1@a")
    outcome = await do(room, "consumers", "default", do="hold")
    assert (outcome.failed, await room.actions.held()) == (1, {})
    assert "but it still consumes default" in outcome.proof


# ---- limits


async def test_a_rate_tells_what_all_of_them_do_together(room: Room) -> None:
    crew(room, *W)
    room.remote.limited = {name: {"shop.add": TaskLimits(rate="5/m")} for name in W}
    prepared = await plan(room, "limits", do="rate", task="shop.add", rate="10/m")
    assert prepared.title == "Limit shop.add to 10/m at 4 workers"
    assert "The rate is each worker's own: 4 of them do 40/m together." in prepared.warnings
    assert prepared.items[0].text == "shop.add: 5/m → 10/m"


async def test_limits_wait_for_who_just_came_and_say_who_did_not_tell_its_tasks(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew(room, "w1@a", "w2@a", "w3@a")
    own = {"shop.add": TaskLimits()}
    room.remote.limited = {"w1@a": {"shop.nap": TaskLimits()}}
    monkeypatch.setattr("lazycelery.actions.crew.PACE", 0.01)
    monkeypatch.setattr("lazycelery.actions.crew.ARRIVAL", 0.2)
    room.store.young_workers = {"w2@a"}
    with pytest.raises(NothingFound, match=r"No worker that answered knows a task shop\.add") as found:
        await plan(room, "limits", do="rate", task="shop.add", rate="1/s")
    assert "w2@a: it has just come and does not answer yet: try again in some seconds" in found.value.hint
    assert "w3@a: it does not answer (its pool is busy" in found.value.hint
    asyncio.get_running_loop().call_later(0.05, room.remote.limited.update, {"w2@a": own})
    prepared = await plan(room, "limits", "w2@a", do="rate", task="shop.add", rate="1/s")
    assert prepared.refused is None and prepared.items[0].text == "shop.add: no rate limit → 1/s"


@pytest.mark.parametrize("rate", ["", "fast", "10/d", "-1", "1e9", "10 per m"])
async def test_a_wrong_rate_is_told(room: Room, rate: str) -> None:
    with pytest.raises(UsageError, match="is no rate"):
        await plan(room, "limits", do="rate", task="shop.add", rate=rate)


@pytest.mark.parametrize("seconds", ["-1", "0.0", "soon", "nan", "1e12"])
async def test_a_wrong_time_is_told(room: Room, seconds: str) -> None:
    with pytest.raises(UsageError, match="are no seconds"):
        await plan(room, "limits", do="time", task="shop.add", hard=seconds)


async def test_a_pool_that_knows_no_time_limits_is_named(room: Room) -> None:
    crew(room, "w1@a", pool="threads")
    room.remote.limited = {"w1@a": {"shop.add": TaskLimits()}}
    warnings = (await plan(room, "limits", do="time", task="shop.add", hard="9")).warnings
    assert "w1@a: pools of threads and solo pools end no task at its time limit." in warnings


# ---- shutdown


def gone(room: Room, name: str, goodbye: bool = True) -> None:
    room.remote.says.pop(name, None)
    if goodbye:
        worker = room.store.known_workers[name].worker
        worker.state, worker.stopped = "offline", room.now


async def test_a_shutdown_tells_what_runs_and_is_proven_by_the_goodbye(room: Room) -> None:
    said, _ = crew(room, "w1@a", "w2@a")
    busy(said, 2)
    said.queues = [ActiveQueue(name="orders")]
    prepared = await plan(room, "shutdown", "w1@a")
    assert (prepared.level, prepared.word) == ("typed", "w1@a")
    assert prepared.items[0].text == "runs 2 tasks (shop.charge)"
    assert "Nobody else consumes orders." in prepared.warnings
    assert any("supervisor" in warning for warning in prepared.warnings)
    room.remote.effects["shutdown"] = lambda said, _: gone(room, said.worker)
    outcome = await room.actions.act(prepared.id, "w1@a")
    assert outcome.proof == (
        "shut down: w1@a: said goodbye, and answers no more; the 2 tasks it ran end first"
    )
    assert room.remote.calls == [("shutdown", ["w1@a"])]


async def test_a_worker_that_still_answers_has_not_shut_down(room: Room) -> None:
    crew(room, "w1@a")
    outcome = await do(room, "shutdown", "w1@a")
    assert (outcome.done, outcome.proof) == (0, "not shut down: w1@a: it still answers")


async def test_a_successor_is_told(room: Room) -> None:
    crew(room, "w1@a")

    def restarted(said: WorkerReport, _: Mapping[str, Any]) -> None:
        gone(room, said.worker)
        report(room, "w1@a", pid=77, uptime=1.0)

    room.remote.effects["shutdown"] = restarted
    outcome = await do(room, "shutdown", "w1@a")
    assert outcome.proof == "shut down: w1@a: stopped; another one (pid 77) has come in its place"


async def test_a_blocked_worker_has_not_heard_it_yet(room: Room) -> None:
    (said,) = crew(room, "w1@a", pool="solo")

    def blocked(said: WorkerReport, _: Mapping[str, Any]) -> None:
        said.ping, said.listening = False, True

    room.remote.effects["shutdown"] = blocked
    outcome = await do(room, "shutdown", "w1@a")
    assert (outcome.done, outcome.failed, outcome.unknown) == (0, 0, 1)
    assert "a blocked worker stops when its task ends" in outcome.proof
    assert said.ping is False


# ---- what nobody knows

TOLD = [
    pytest.param("pool", ("w1@a",), {"do": "grow", "n": 1}, id="pool"),
    pytest.param("limits", ("w1@a",), {"do": "rate", "task": "shop.add", "rate": "5/s"}, id="limits"),
    pytest.param("revoke", (), {"stamps": {"tenant": ["acme"]}}, id="stamps"),
    pytest.param("terminate", ("t1",), {}, id="terminate"),
]


@pytest.mark.parametrize(("action", "targets", "params"), TOLD)
@pytest.mark.parametrize(
    ("error", "unknown", "said"),
    [
        (ConnectionProblem("The broker went away."), 1, "whether it was told is not known: The broker went"),
        (Refused("This broker has no mailbox.", nothing_done=True), 0, "it could not be sent: This broker"),
        (None, 1, "did not answer"),
    ],
    ids=["cut", "refused", "silent"],
)
async def test_a_command_whose_answer_was_lost_is_neither_done_nor_failed(
    room: Room,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    targets: tuple[str, ...],
    params: dict[str, Any],
    error: LazyCeleryError | None,
    unknown: int,
    said: str,
) -> None:
    crew(room, "w1@a")
    room.store.add(id="t1", state="started", worker="w1@a")
    room.remote.limited = {"w1@a": {"shop.add": TaskLimits()}}
    prepared = await plan(room, action, *targets, **params)

    async def lost(*args: Any, **options: Any) -> Replies:
        room.remote.says.clear()
        room.remote.limited.clear()
        if error is not None:
            raise error
        return Replies(expected=1, replies=[], complete=False)

    monkeypatch.setattr(room.remote, "tell", lost)
    monkeypatch.setattr(room.remote, "revoke", lost)
    outcome = await room.actions.act(prepared.id, prepared.word)
    assert (outcome.done, outcome.unknown, outcome.failed) == (0, unknown, 1 - unknown)
    assert said in outcome.proof
    assert room.audit.read()[0].outcome == ("unknown" if unknown else "failed")


async def test_a_limit_that_shows_although_its_answer_was_lost_can_be_undone(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew(room, "w1@a")
    room.remote.limited = {"w1@a": {"shop.add": TaskLimits(rate="1/s")}}
    prepared = await plan(room, "limits", "w1@a", do="rate", task="shop.add", rate="5/s")

    async def lost(*args: Any, **options: Any) -> Replies:
        room.remote.limited = {"w1@a": {"shop.add": TaskLimits(rate="5/s")}}
        raise ConnectionProblem("The broker went away.")

    monkeypatch.setattr(room.remote, "tell", lost)
    outcome = await room.actions.act(prepared.id, prepared.word)
    assert (outcome.done, outcome.unknown) == (1, 0) and outcome.back is not None
    assert outcome.back.targets == ["w1@a"] and outcome.back.params["rate"] == "1/s"


async def test_workers_that_do_not_answer_may_have_switched_events(room: Room) -> None:
    crew(room, "w1@a", "w2@a")
    room.remote.answers, room.remote.complete = {"w1@a": {"ok": "task events enabled"}}, False
    outcome = await do(room, "events", "w1@a", "w2@a", on=True)
    assert (outcome.done, outcome.unknown, outcome.failed) == (1, 1, 0)


# ---- stamps


async def test_a_stamp_that_is_a_secret_is_not_in_the_log(room: Room) -> None:
    crew(room, "w1@a")
    prepared = await plan(room, "revoke", stamps={"api_key": ["s3cr3t-value"]})
    assert prepared.word == "api_key=s3cr3t-value"
    await room.actions.act(prepared.id, prepared.word)
    assert b"s3cr3t" not in room.audit.path.read_bytes() and b"api_key" in room.audit.path.read_bytes()


async def test_a_stamp_is_told_to_everybody_by_name_and_typed(room: Room) -> None:
    crew(room, "w1@a", "w2@a")
    prepared = await plan(room, "revoke", stamps={"tenant": ["acme"]})
    assert (prepared.level, prepared.word) == ("typed", "tenant=acme")
    assert any("is not known" in warning for warning in prepared.warnings)
    room.remote.answers = {"w2@a": None}
    outcome = await room.actions.act(prepared.id, prepared.word)
    assert (outcome.done, outcome.unknown) == (1, 1)
    assert room.remote.calls[0] == (
        "revoke_by_stamped_headers",
        ({"headers": {"tenant": ["acme"]}, "terminate": False}, ["w1@a"]),
    )


@pytest.mark.parametrize("stamps", [{}, {"tenant": []}, {"": ["acme"]}, {"tenant": [""]}, "tenant"])
async def test_a_wrong_stamp_is_told(room: Room, stamps: Any) -> None:
    with pytest.raises(UsageError, match="stamp"):
        await plan(room, "revoke", stamps=stamps)
