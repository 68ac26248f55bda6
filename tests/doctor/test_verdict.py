"""One sentence for a task, a queue, a worker: where it is, and why it is not done."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from lazycelery.insight.verdict import of_queue, of_task, of_worker
from lazycelery.model.cluster import SourceHealth
from lazycelery.model.facts import BrokerFacts, Flight, Flights, TaskFacts, TaskSeen
from lazycelery.model.finding import Evidence, Finding
from lazycelery.model.hold import Hold
from lazycelery.model.reports import TaskLimits
from lazycelery.model.task import Attempt, Task
from tests.doctor.seen import NOW, held, links, queue, running, seen, worker

GONE = {"state": "offline", "stopped": NOW - 60, "lost": True, "why": "lost 1m ago"}


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(NOW + seconds, timezone.utc).isoformat()


def cut_off() -> list[SourceHealth]:
    sources = links(broker="lost")
    sources[0].last = NOW - 14
    return sources


def said(task: dict[str, Any], **snapshot: Any) -> str:
    base: dict[str, Any] = {"id": "9f3c21ab", "name": "shop.add", "queue": "default"}
    return of_task(Task(**{**base, **task}), seen(**snapshot)).text


def test_a_waiting_task_is_behind_something() -> None:
    waiting = {"state": "waiting", "sent": NOW - 60}
    many = [queue(messages=80, out_rate=4.0)]
    assert said(waiting, queues=many) == (
        "Waits in default for 1m, one of 80 messages; 4.0 a second are taken, "
        "so that its turn comes within 20s."
    )
    assert of_task(Task(id="x", queue="default", **waiting), seen(queues=many)).until == NOW + 20
    alone = [queue("defualt", 3, consumers=0, workers=[])]
    told = said({**waiting, "queue": "defualt"}, queues=alone)
    assert "nobody consumes it (did you mean default?)" in told
    mute = [worker(queues=None, name="solo@a"), worker()]
    unknown = [queue("slow", 3, consumers=None, workers=[])]
    told = said({**waiting, "queue": "slow"}, queues=unknown, workers=mute)
    assert "no worker that told its queues consumes it; solo@a has not told" in told
    full = worker(state="busy", active=[running("a", age=99), running("b", age=30)])
    told = said(waiting, queues=[queue(messages=3)], workers=[full])
    assert "all slots of w1@a run 2 × shop.nap, none free for 30s" in told
    assert "none of its workers knows shop.gone" in said({**waiting, "name": "shop.gone"}, queues=many)
    told = said({**waiting, "name": "shop.gone"}, queues=many, workers=mute)
    assert "; w1@a does not know shop.gone, solo@a did not tell what it takes" in told
    assert "expired 1m ago" in said({**waiting, "expires": iso(-60)}, queues=many)
    assert "unrouted" in said({**waiting, "queue": None})
    assert "no worker runs" in said(waiting, queues=[queue(messages=3, consumers=0)], workers=[])


def test_a_reserved_task_is_behind_what_its_worker_runs() -> None:
    reserved = {"state": "received", "worker": "w1@a", "received": NOW - 840}
    active, reserved_too = [running("a", age=99), running("b", age=30)], [held("x"), held("y")]
    full = worker(state="busy", active=active, reserved=reserved_too)
    told = said(reserved, workers=[full])
    assert told == (
        "Reserved on w1@a for 14m, not started: its 2 slots run 2 × shop.nap, none free for 30s; "
        "it is one of 2 reserved tasks there."
    )
    only = worker(concurrency=1, state="busy", active=[running("a", age=99)])
    assert "not started: its only slot runs 1 × shop.nap, none free for 1m39s." in said(
        reserved, workers=[only]
    )
    mixed = [running(str(n), name) for n, name in enumerate(("a", "a", "b", "c", "d"))]
    assert "run 2 × a, 1 × b and 2 more" in said(reserved, workers=[worker(active=mixed)])


def test_what_a_reserved_task_waits_for_is_not_made_up() -> None:
    reserved = {"state": "received", "worker": "w1@a", "received": NOW - 840}
    # Only its heartbeats tell that it is full, and only events of what.
    beats = worker(active=[], reserved=[])
    beats.worker.active = 2
    seen_running = TaskFacts(running=[TaskSeen(id=str(n), name="shop.nap", worker="w1@a") for n in range(2)])
    told = said(reserved, workers=[beats], tasks=seen_running)
    assert told.endswith("not started: its 2 slots run 2 × shop.nap.")
    assert said(reserved, workers=[beats]).endswith("its 2 slots run what is not known.")
    unknown = worker(concurrency=None)
    assert said(reserved, workers=[unknown]) == "Reserved on w1@a for 14m, not started."
    first = said(reserved, workers=[], settled=False)
    assert first == "Reserved on w1@a for 14m, not started.", "nobody is gone who was not asked yet"
    assert "slots are free: a rate limit, perhaps" in said(reserved)
    assert "about to" in said({**reserved, "received": NOW - 1})
    assert "answers nobody" in said(reserved, workers=[worker(silent=NOW - 9)])


def test_what_a_lost_worker_held_comes_back() -> None:
    flight = Flight(id="9f3c21ab", task="shop.add", queue="default", delivered=NOW - 600)
    flights = Flights(at=NOW, messages=[flight])
    reserved = {"state": "received", "worker": "w1@a"}
    told = said(reserved, workers=[worker(**GONE), worker("w2@a")], flights=flights)
    assert told == "Orphaned: w1@a is gone, and its message comes back to default in about 50m."
    was_running = {"state": "waiting", "marks": ["run-lost"], "worker": "w1@a"}
    told = said(was_running, workers=[worker(**GONE)], flights=flights)
    assert "once a worker runs" in told
    lost = of_task(Task(id="x", state="lost", worker="w1@a"), seen(workers=[worker(**GONE)]))
    assert lost.text.startswith("Lost: w1@a, which ran it, is gone") and lost.actions == ["retry"]
    again = of_task(Task(id="x", state="lost", worker="w1@a"), seen())
    assert again.text.startswith("Lost: w1@a, which ran it, began anew")
    anew = worker(began=NOW - 300)
    for state, more in (("received", {"received": NOW - 600}), ("scheduled", {"eta": iso(900)})):
        told = said({"state": state, "worker": "w1@a", **more}, workers=[anew], flights=flights)
        came_back = "Orphaned: w1@a began anew and does not hold it, and its message comes back to default"
        assert told == f"{came_back} in about 50m."
    old, restarted = worker(began=NOW - 9_000), BrokerFacts(at=NOW, began=NOW - 300)
    forgot = "Orphaned: w1@a forgot it when the broker restarted, and its message comes back to"
    was = {"state": "received", "received": NOW - 600, "worker": "w1@a"}
    told = said(was, workers=[old], flights=flights, broker=restarted)
    assert told == f"{forgot} default in about 50m."
    assert said(was, workers=[old], flights=flights).startswith("Reserved on w1@a")
    held = {"state": "received", "worker": "w1@a"}
    nobody = "Its message is in no file any more: no other worker gets it"
    told = said(held, workers=[worker(**GONE)], redelivers=False, gives_back=nobody)
    assert told == f"Held by w1@a, which is gone. {nobody}."


def test_a_running_task_has_a_place_an_age_and_a_limit() -> None:
    started = {"state": "started", "worker": "w1@a", "started": NOW - 60, "pid": 812}
    limited = worker(conf={"task_time_limit": 300})
    usual = TaskFacts(running=[TaskSeen(id="9f3c21ab", usual=2.0, runs=50)])
    assert said(started, workers=[limited], tasks=usual) == (
        "Runs on w1@a, process 812, for 1m; its time limit of 5m ends it in 4m; 95% of its kind "
        "take less than 2 s."
    )
    assert "sets no time limit" in said(started)
    told = said(started, workers=[worker(**GONE)])
    assert told == "Ran on w1@a when that was lost 1m ago; whether it ended is not known."
    stopped = worker(state="offline", why="stopped 1m ago")
    assert said(started, workers=[stopped]) == "Ran on w1@a, which is gone: stopped 1m ago."


def test_a_heartbeat_newer_than_the_list_tells_of_a_free_slot() -> None:
    freed = worker(active=[running("a"), running("b")])
    freed.worker.active = 1
    told = of_queue(queue(messages=7), seen(workers=[freed], queues=[queue(messages=7)])).text
    assert "all slots" not in told


def test_a_scheduled_task_has_its_hour() -> None:
    scheduled = {"state": "scheduled", "worker": "w1@a"}
    assert said({**scheduled, "eta": iso(600)}) == "Held by w1@a until its ETA, in 10m."
    assert "run more than once" in said({**scheduled, "eta": iso(7200)})
    late = said({**scheduled, "eta": iso(600), "received": NOW - 3300})
    assert "run more than once" in late, "the timeout runs since it was delivered"
    assert said({**scheduled, "eta": iso(-60)}) == "Held by w1@a, 1m past its ETA."
    assert "until its ETA (soon)" in said({**scheduled, "eta": "soon"})


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ({"state": "success", "runtime": 0.25, "finished": NOW - 60}, "Succeeded after 250ms, 1m ago."),
        ({"state": "failure", "error": "Timeout('x')", "worker": "w1@a"}, "Failed on w1@a: Timeout('x')."),
        ({"state": "revoked", "marks": ["expired"]}, "Dropped: it had expired before it could begin."),
        ({"state": "revoked", "marks": ["terminated"]}, "Terminated while it ran."),
        ({"state": "revoked"}, "Revoked; a worker that heard of it drops its message."),
        ({"state": "revoked", "received": NOW - 9, "worker": "w1@a"}, "Revoked on w1@a."),
        (
            {"state": "failure", "error": "Reject('no', False)", "worker": "w1@a"},
            "Rejected on w1@a: its worker gave the message back or threw it away.",
        ),
        ({"state": "rejected"}, "Rejected: its worker gave the message back or threw it away."),
        ({"state": "unknown"}, "It was heard of, and no source tells where it is now."),
        ({"state": "retry", "error": "E()", "retries": 1}, "Failed with E(), and is tried again (try 3)."),
        # Its next run is published already, and its retries are those of that one.
        (
            {"state": "retry", "error": "E()", "retries": 1, "sent": NOW},
            "Failed with E(), and is tried again (try 2).",
        ),
        ({"state": "retry", "error": "E()"}, "Failed with E(), and is tried again."),
    ],
)
def test_how_it_ended(task: dict[str, Any], sentence: str) -> None:
    assert said(task) == sentence


def test_why_nobody_told_how_it_ended() -> None:
    ended = {"state": "unknown", "marks": ["ended-unseen"], "worker": "w1@a"}
    settings = {"result_backend": None}
    assert said(ended, workers=[worker(events=True, conf=settings)]) == (
        "It ended, and nobody told how: neither an event nor a result (so ends a task that raised Ignore)."
    )
    mute = "It ended, and nobody told how: w1 sends no task events (start it with -E, or set "
    mute += "worker_send_task_events)"
    links = [SourceHealth(name="broker", state="connected"), SourceHealth(name="results", state="off")]
    told = said(ended, workers=[worker(events=False, conf=settings)], sources=links)
    assert told.replace("w1@a", "w1") == f"{mute}, and keeps no results (set result_backend)."
    told = said(ended, workers=[worker(events=False, conf={"result_backend": "redis://a/1"})])
    assert told.replace("w1@a", "w1") == f"{mute}, and no result of it is known."
    away = {**ended, "worker": None}
    told = said(away, workers=[worker(events=False, conf=settings), worker("w2@a", events=False)])
    assert "its workers send no task events (start them with -E" in told


def test_that_a_task_once_began_is_not_that_it_runs() -> None:
    """All that the result backend keeps; its worker told since what it runs."""
    own = {"state": "started", "worker": "w1@a", "pid": 812, "seen": NOW - 3, "sources": {"state": "result"}}
    began = "Began on w1@a, process 812, as the result backend tells, and w1@a answers and does not run it: "
    assert said(own, workers=[worker(processes=[812, 813])]) == f"{began}nobody saw it end."
    lost = f"{began}it was probably lost with an earlier process of that worker."
    assert said(own, workers=[worker(processes=[901, 902])]) == lost
    told = said({**own, "started": NOW - 130}, workers=[worker(began=NOW - 60)])
    assert told == lost.replace("812, as", "812 2m10s ago, as")
    unseen = {**own, "state": "unknown", "marks": ["ended-unseen"], "started": NOW - 130}
    assert said(unseen, workers=[worker(began=NOW - 60)]) == (
        "Ran on w1@a, which began anew since: it was probably lost with it, and nobody saw that."
    )
    for runs in (
        worker(active=[running("9f3c21ab")]),
        worker(active=None),
        worker(at={"active": NOW - 4}),  # It may have begun since.
        worker(silent=NOW - 2),
    ):
        assert said(own, workers=[runs]).startswith("Runs on w1@a, process 812")
    assert said({**own, "sources": {"state": "event"}}).startswith("Runs on w1@a")


def test_a_worker_that_is_not_heard_is_not_gone() -> None:
    unheard = worker(state="unknown", last_seen=NOW - 24, why="not heard for 24s, as no events reach us")
    flights = Flights(at=NOW, messages=[Flight(id="9f3c21ab", task="x", queue="default", delivered=NOW)])
    for task, sentence in (
        ({"state": "received"}, "Held by w1@a when that was last heard, 24s ago."),
        ({"state": "waiting", "marks": ["run-lost"]}, "Held by w1@a when that was last heard, 24s ago."),
        (
            {"state": "scheduled", "eta": iso(60)},
            "Held by w1@a when that was last heard, 24s ago; its ETA is in 1m.",
        ),
        (
            {"state": "started", "started": NOW - 60},
            "Ran on w1@a when that was last heard, 24s ago; whether it ended is not known.",
        ),
    ):
        own = {"workers": [unheard], "flights": flights, "redelivers": True}
        assert said({**task, "worker": "w1@a"}, **own) == sentence
        cut = said({**task, "worker": "w1@a"}, **own, sources=cut_off())
        assert cut.startswith("Not connected; 14s ago: ") and "gone" not in cut and "heard" not in cut
    alone = {"queues": [queue("other", 3, consumers=0)], "workers": [unheard], "sources": cut_off()}
    assert "no worker runs" not in said({"state": "waiting", "queue": "other"}, **alone)
    assert "gone" not in said({"state": "received", "worker": "w9@a"}, workers=[], sources=cut_off())
    assert of_worker(unheard, seen(sources=cut_off())).text == (
        "w1@a is not heard for 24s, as no events reach us."
    )


def test_while_cut_off_times_are_those_of_the_last_answer_and_nothing_is_promised() -> None:
    limited = worker(state="unknown", conf={"task_time_limit": 300}, silent=NOW - 9)
    many = [queue(messages=80, out_rate=4.0)]
    own = {"workers": [limited], "queues": many, "sources": cut_off(), "flights": Flights(at=NOW)}
    on = {"worker": "w1@a"}
    for task, sentence in (
        (
            {"state": "started", "started": NOW - 26, "pid": 812, **on},
            "Runs on w1@a, process 812, for 12s; its time limit of 5m ends it.",
        ),
        (
            {"state": "waiting", "sent": NOW - 74},
            "Waits in default for 1m, one of 80 messages; 4.0 a second are taken.",
        ),
        (
            {"state": "received", "received": NOW - 16, **on},
            "Reserved on w1@a for 2s, not started: slots are free.",
        ),
        ({"state": "scheduled", "eta": iso(600), **on}, "Held by w1@a until its ETA."),
        ({"state": "scheduled", "eta": iso(-74), **on}, "Held by w1@a, 1m past its ETA."),
        ({"state": "retry", "eta": iso(600), "error": "E()"}, "Failed with E(), and is tried again."),
    ):
        told = of_task(Task(**{"id": "x", "name": "shop.add", "queue": "default", **task}), seen(**own))
        assert told.text == f"Not connected; 14s ago: {sentence}"
        assert told.until is None and told.at == NOW
    flight = Flight(id="9f3c21ab", task="x", queue="default", delivered=NOW - 600)
    orphan = said(
        {"state": "received", **on},
        workers=[worker(**GONE)],
        sources=cut_off(),
        flights=Flights(at=NOW, messages=[flight]),
    )
    assert orphan.endswith("w1@a is gone, and its message comes back to default, once a worker runs.")
    stopped = worker(state="offline", stopped=NOW - 74, why="stopped 1m14s ago")
    assert said({"state": "started", **on}, workers=[stopped], sources=cut_off()).endswith("stopped 1m ago.")
    assert of_queue(many[0], seen(**own)).text == (
        "Not connected; 14s ago: 80 messages wait in default; 4.0 a second are taken."
    )
    assert of_queue(many[0], seen(**own)).until is None
    # A full worker's reason counts on too.
    full = worker(state="busy", active=[running("a"), running("b")], why="busy: the oldest since 34s")
    full.worker.active = 2
    assert of_worker(full, seen(sources=cut_off())).text == (
        "Not connected; 14s ago: w1@a is busy: 2 of 2 slots taken, it takes from default."
    )
    ended = {"state": "success", "finished": NOW - 60}
    assert said(ended, sources=cut_off()) == "Succeeded, 1m ago.", "an end stays what it is"


def test_queues_and_workers() -> None:
    assert of_queue(queue(), seen()).text == "default is empty; w1@a consumes it."
    assert of_queue(queue(messages=3), seen()).text == (
        "3 messages wait in default; w1@a consumes it, and its slots are free."
    )
    unknown = worker(concurrency=None)
    told = of_queue(queue(messages=3), seen(workers=[unknown])).text
    assert told == "3 messages wait in default; w1@a consumes it."
    one = queue(messages=1, in_rate=3.0, out_rate=1.0)
    assert of_queue(one, seen()).text == (
        "1 message waits in default, 2.0 more each second; 1.0 a second are taken, so that the last one's "
        "turn comes within 1s."
    )
    away = cut_off()
    before = "Not connected; 14s ago: default is empty; w1@a consumes it."
    assert of_queue(queue(), seen(sources=away)).text == before
    unseen = worker(state="unknown")
    assert of_queue(queue(consumers=0), seen(sources=away, workers=[unseen])).text == before
    counted = queue(consumers=0, sources={"consumers": "broker"})
    assert of_queue(counted, seen(workers=[unseen])).text == "default is empty; nobody consumes it."
    back = of_queue(queue(consumers=0), seen(workers=[unseen, worker("w2@a", **GONE)])).text
    assert back == "default is empty; w1@a consumed it when it was heard last."
    wave = queue(messages=26, in_rate=3.0, out_rate=1.0, history=[0, 112, 97, 52, 26])
    assert "more each second" not in of_queue(wave, seen()).text
    full, free = worker(active=[running("a"), running("b")]), worker("w2@a")
    half = of_queue(queue(messages=3), seen(workers=[full, free])).text
    assert half == "3 messages wait in default; 1 of its 2 workers has a free slot."
    letters = queue("dead", 2, consumers=0, why="2 dead letters from mail in dead.")
    assert of_queue(letters, seen()).text == "2 dead letters from mail in dead."
    held = queue(
        messages=3,
        held=Hold(queue="default", since=NOW, user="ada", host="h"),
        why="held by ada since 12:00: nobody takes from it",
    )
    assert of_queue(held, seen()).text == (
        "default is held by ada since 12:00: nobody takes from it. 3 messages wait."
    )
    assert of_queue(queue(messages=None, error="it is no list"), seen()).text == (
        "How much waits in default is not known: it is no list."
    )
    assert of_worker(worker(), seen()).text == "w1@a is online: 0 of 2 slots taken, it takes from default."
    assert of_worker(worker(**GONE), seen()).text == "w1@a is gone: lost 1m ago."
    silent = worker(state="busy", silent=NOW - 3, heartbeat_age=40.0, why="silent: not heard")
    assert [(one.text, one.source) for one in of_worker(silent, seen()).evidence] == [
        ("asked 3s ago, no answer", "control"),
        ("last heartbeat 40s ago", "event"),
    ]
    full = Finding(
        code="worker-saturated",
        severity="warning",
        title="w1@a is full.",
        subject="w1@a",
        evidence=[Evidence(text="2 slots run shop.nap", source="control")],
    )
    verdict = of_worker(worker(), seen(), [full])
    assert (verdict.text, verdict.findings) == ("w1@a is full.", ["worker-saturated"])
    assert verdict.evidence[-1].text == "2 slots run shop.nap"
    mixed = Finding(
        code="version-mixed", severity="info", title="Two versions.", subject="", related=["w1@a"]
    )
    verdict = of_worker(worker(), seen(), [mixed])
    assert verdict.text.startswith("w1@a is online") and verdict.findings == ["version-mixed"]


def test_what_is_known_of_a_wait_is_said() -> None:
    waiting = {"state": "waiting", "sent": NOW - 60}
    steps = queue(messages=10, priorities={"0": 4, "3": 5, "9": 1})
    assert ", one of 10 messages, 9 of them before it by priority;" in said(
        {**waiting, "priority": 9}, queues=[steps]
    )
    highest = queue(messages=10, priorities={"0": 4, "3": 5, "9": 1}, first_priority=9)
    assert ", 1 of them before it by priority;" in said({**waiting, "priority": 3}, queues=[highest])
    assert "before it" not in said({**waiting, "priority": 9}, queues=[highest])
    assert of_queue(highest, seen()).text.startswith(
        "10 messages wait in default (1 of priority 9, which runs first); "
    )
    soon = of_task(Task(id="x", queue="default", expires=iso(5), **waiting), seen(queues=[queue(messages=2)]))
    assert soon.text.endswith("; it expires in 5s.") and soon.until == NOW + 5
    assert "its ETA is in 1m" in said({**waiting, "eta": iso(60)}, queues=[queue(messages=2)])
    assert "it is revoked, and dropped" in said({**waiting, "marks": ["revoke-flagged"]})
    held_back = queue(messages=2, why="held by ada since 12:00: nobody takes from it")
    held_back.held = Hold(queue="default", since=NOW, user="ada", host="h")
    assert said(waiting, queues=[held_back]).endswith(
        "default is held by ada since 12:00: nobody takes from it."
    )
    again = {"retries": 1, "attempts": [Attempt(number=0, state="retry", error="E('x')")]}
    assert "for 1m (try 2 after E('x'))" in said({**waiting, **again})
    gone = worker(**GONE)
    told = said(
        waiting, queues=[queue(messages=2, consumers=0)], workers=[gone, worker("w2@a", queues=["mail"])]
    )
    assert told.endswith("nobody consumes it since w1@a was lost, 1m ago.")
    missing = queue(messages=None, error="there is no queue default")
    assert said(waiting, queues=[missing]).endswith("is not known: there is no queue default.")


def test_no_turn_is_promised_by_what_only_filled_the_slots() -> None:
    full = worker(state="busy", active=[running("a", age=20), running("b", age=16)])
    slow = queue(messages=6, out_rate=0.1)
    told = of_queue(slow, seen(queues=[slow], workers=[full], watched=16.0))
    assert told.text == "6 messages wait in default; all slots of w1@a run 2 × shop.nap, none free for 16s."
    assert told.until is None
    flows = queue(messages=6, out_rate=0.5)
    told = of_queue(flows, seen(queues=[flows], workers=[full]))
    assert told.text.endswith("; 0.5 a second are taken, so that the last one's turn comes within 12s.")
    # RabbitMQ's pace is that of the last seconds, and what is prefetched goes before.
    fast = queue(messages=6, out_rate=2.0, unacked=4, sources={"out_rate": "broker"})
    young = worker(state="busy", active=[running("a", age=1), running("b", age=0.5)])
    assert of_queue(fast, seen(queues=[fast], workers=[young])).until == NOW + 5
    assert of_queue(fast, seen(queues=[fast], workers=[full])).until is None
    later = worker(state="busy", active=young.active, scheduled=4)
    later.worker.scheduled = 4
    assert of_queue(fast, seen(queues=[fast], workers=[later])).until == NOW + 3, "ETAs are not before it"


def test_a_consumer_that_takes_nothing_is_named_with_its_reason() -> None:
    deaf = Finding(code="worker-deaf", severity="critical", title="w1@a takes nothing.", subject="w1@a")
    own = {"queues": [queue(messages=3)]}
    assert (
        of_queue(queue(messages=3), seen(**own), [deaf]).text
        == "3 messages wait in default; w1@a takes nothing."
    )
    silent = worker(pool="solo", concurrency=1, silent=NOW - 9)
    held_up = queue(messages=3, unacked=1)
    assert of_queue(held_up, seen(workers=[silent])).text == (
        "3 messages wait in default; w1@a answers nobody now: its only thread is inside a task; "
        "1 message is there already, and which is not told."
    )
    prefork = worker(silent=NOW - 9, active=[running("a")])
    assert (
        "answers nobody now: it runs 1 × shop.nap."
        in of_queue(queue(messages=3), seen(workers=[prefork])).text
    )


def test_limits_are_those_of_the_tasks_name_and_of_a_pool_that_keeps_them() -> None:
    started = {"state": "started", "worker": "w1@a", "started": NOW - 60}
    own = worker(conf={"task_time_limit": 300}, limits={"shop.add": TaskLimits(hard=90.0, soft=70.0)})
    assert said(started, workers=[own]).endswith(
        "; its soft time limit of 1m10s raises in it in 10s; its time limit of 1m30s ends it in 30s."
    )
    soft = worker(conf={"task_soft_time_limit": 30})
    assert said(started, workers=[soft]).endswith("; its soft time limit of 30s was over 30s ago.")
    threads = worker(conf={"task_time_limit": 300}, pool="threads")
    assert said(started, workers=[threads]).endswith("; time limits do not hold in a pool of threads.")
    assert ", after its message was delivered again;" in said({**started, "redelivered": True})
    reserved = {"state": "received", "worker": "w1@a", "received": NOW - 840}
    limited = worker(limits={"shop.add": TaskLimits(rate="1/m")})
    assert said(reserved, workers=[limited]).endswith("not started: its rate limit of 1/m keeps it back.")
    stays = worker(limits={"shop.add": TaskLimits(rate="0")})
    assert said(reserved, workers=[stays]).endswith("although slots are free: a rate limit, perhaps.")


def test_who_holds_a_message_that_nobody_told_of_is_not_made_up() -> None:
    flight = Flight(id="9f3c21ab", task="shop.add", queue="default", delivered=NOW - 60)
    own = {"flights": Flights(at=NOW, messages=[flight])}
    told = "Delivered from default 1m ago, and nobody told who took it; w1@a may hold it."
    assert said({"state": "received"}, **own) == told
    assert said({"state": "waiting"}, **own) == told
    gone = worker("w2@a", **GONE)
    orphan = said({"state": "waiting"}, **own, workers=[worker(), gone])
    assert orphan == "Orphaned: its worker is gone, and its message comes back to default in about 59m."
    rabbit = {"redelivers": False, "gives_back": "It goes to another worker at once"}
    lost = {"state": "received", "worker": "w1@a", "queue": "default"}
    alone = said(lost, **rabbit, workers=[worker(**GONE)], queues=[queue(messages=3, consumers=0)])
    assert alone.endswith("at once; no worker runs since w1@a was lost, 1m ago.")


def test_a_worker_tells_what_it_takes_and_what_it_had() -> None:
    unasked = worker(queues=None)
    assert of_worker(unasked, seen()).text.endswith("what it takes from was not told yet.")
    assert of_worker(worker(queues=[]), seen()).text.endswith("it takes from no queue.")
    wrong = worker(queues=["defualt"])
    alone = [queue("defualt"), queue("default", 2, consumers=0, workers=[])]
    assert of_worker(wrong, seen(workers=[wrong], queues=alone)).text.endswith(
        "it takes from defualt; 2 messages wait in default, which nobody consumes."
    )
    assert of_worker(worker(events=False), seen()).text.endswith(" It sends no task events.")
    had = worker(**GONE, active=[running("a")], reserved=[held("b")])
    assert of_worker(had, seen()).text == "w1@a is gone: lost 1m ago; it had 1 running and 1 waiting tasks."
    unacked = queue(unacked=2)
    assert (
        of_queue(unacked, seen()).text
        == "default is empty; 2 messages are with its workers; w1@a consumes it."
    )


def test_a_queue_tells_of_orphans_also_where_they_are_told_with_a_lost_worker() -> None:
    flight = Flight(id="9f3c21ab", task="shop.add", queue="default", delivered=NOW - 600, worker="w2@a")
    own = {"flights": Flights(at=NOW, messages=[flight]), "workers": [worker(), worker("w2@a", **GONE)]}
    told = of_queue(queue(unacked=1), seen(**own)).text
    assert told.endswith("w1@a consumes it. 1 message of default is held by nobody, back in about 50m.")


def test_a_rejected_message_goes_where_its_queue_sends_it() -> None:
    letters = [queue(dead_letter_to="graves")]
    rejected = {"state": "rejected", "worker": "w1@a"}
    assert said(rejected, queues=letters) == (
        "Rejected on w1@a: its message goes to graves, unless it was given back to default."
    )
