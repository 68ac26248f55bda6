"""Each check on snapshots: what is ill is found, what is healthy is not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from lazycelery.insight.doctor import MODES
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.keys import ACTIONS
from lazycelery.model.facts import (
    BrokerFacts,
    Chord,
    Flight,
    Flights,
    NameFacts,
    TaskFacts,
    TaskSeen,
    Whole,
    WorkerFacts,
)
from lazycelery.model.hold import Hold
from lazycelery.model.limits import Limits
from lazycelery.model.reel import Replay
from lazycelery.model.relief import Relief
from lazycelery.model.reports import TaskLimits, TaskReport
from lazycelery.store.habits import Habit, Usual
from tests.doctor.seen import NOW, found, held, links, queue, running, seen, silent, texts, worker


@pytest.mark.parametrize("code", MODES)
def test_a_healthy_moment_is_silent(code: str) -> None:
    assert silent(code, seen())


@pytest.mark.parametrize("code", MODES)
def test_nothing_known_is_nothing_found(code: str) -> None:
    empty = seen(workers=[], queues=[], sources=[], settled=False, lag=None, loss=None)
    assert silent(code, empty)


def test_a_dead_broker_and_a_wrong_password_are_two_things() -> None:
    sources = links(broker="lost")
    sources[0].reason, sources[0].hint = "Nothing listens at b:6379.", "Is it running?"
    [finding] = found("broker-unreachable", seen(sources=sources))
    assert (finding.severity, finding.title) == ("critical", "Nothing listens at b:6379.")
    assert silent("auth-failed", seen(sources=sources))
    sources[0].code = "auth-failed"
    assert found("auth-failed", seen(sources=sources))
    assert silent("broker-unreachable", seen(sources=sources))


def test_nobody_works() -> None:
    gone = worker(state="offline", stopped=NOW - 60, lost=True)
    [finding] = found("no-workers", seen(workers=[gone], queues=[queue(messages=7)]))
    assert finding.since == NOW - 60 and "7 messages" in texts(finding)
    assert silent("no-workers", seen(workers=[gone, worker("w2@a", state="busy")]))
    assert silent("no-workers", seen(workers=[], settled=False))
    assert silent("no-workers", seen(workers=[], watched=1.0)), "a heartbeat may come yet"


def test_whether_a_run_was_lost_before_we_watched_is_not_told_as_checked() -> None:
    """All that is known is that the result backend keeps its beginning."""
    one = TaskSeen(id="9f3c21ab-1", name="shop.nap", worker="w1@a", since=NOW, said=True)
    blind = MODES["task-lost"].blind
    told = blind(seen(watched=1.0, tasks=TaskFacts(running=[one])))
    assert told == (
        "Watched for 1 s. shop.nap[9f3c21ab] began, as the result backend tells, and was not among what the "
        "worker runs: nobody saw whether it was lost before."
    )
    assert blind(seen(watched=31.0, tasks=TaskFacts(running=[one]))) is None
    runs = [worker(active=[running(one.id)])]
    assert blind(seen(watched=1.0, tasks=TaskFacts(running=[one]), workers=runs)) is None
    assert blind(seen(watched=1.0, tasks=TaskFacts(running=[one]), workers=[worker(active=None)])) is None
    heard = TaskSeen(id=one.id, worker="w1@a", since=NOW)
    assert blind(seen(watched=1.0, tasks=TaskFacts(running=[heard]))) is None


def test_a_lost_worker_is_worse_when_nobody_takes_its_place() -> None:
    ran = [running("a"), running("b")]
    gone = worker(state="offline", stopped=NOW - 60, lost=True, active=ran, heartbeat_age=60.0)
    [finding] = found("worker-lost", seen(workers=[gone, worker("w2@a", queues=["mail"])]))
    assert (finding.severity, finding.subject, finding.since) == ("critical", "w1@a", NOW - 60)
    assert "it ran 2 tasks: shop.nap" in texts(finding) and "nobody else consumes default" in texts(finding)
    [finding] = found("worker-lost", seen(workers=[gone, worker("w2@a")]))
    assert finding.severity == "warning"
    old = worker(state="offline", stopped=NOW - 5000, lost=True)
    assert silent("worker-lost", seen(workers=[old, worker("w2@a")]))
    assert silent("worker-lost", seen(workers=[worker(state="offline", stopped=NOW - 5)]))


def test_a_misspelt_queue_is_told_with_its_neighbour() -> None:
    wrong = queue("defualt", 7, consumers=0, workers=[])
    [finding] = found("queue-without-consumer", seen(queues=[queue(), wrong]))
    assert finding.title == "7 messages in defualt, nobody consumes it. Did you mean default?"
    assert (finding.subject, finding.kind) == ("defualt", "queue")
    assert "default" in finding.fix and finding.evidence[0].value == 7


@pytest.mark.parametrize(
    "own",
    [
        {"messages": 0, "consumers": 0},
        {"messages": None, "consumers": None},
        {"messages": 7, "consumers": 2},
    ],
)
def test_a_queue_that_is_empty_unknown_or_consumed_by_others_is_fine(own: dict[str, int]) -> None:
    assert silent("queue-without-consumer", seen(queues=[queue("other", workers=[], **own)]))


def test_a_queue_that_is_held_has_no_consumer_on_purpose() -> None:
    held_back = queue(
        "mail", 7, consumers=0, workers=[], held=Hold(queue="mail", since=NOW - 60, user="ada", host="a")
    )
    assert silent("queue-without-consumer", seen(queues=[held_back]))


def test_dead_letters_are_no_misspelt_queue() -> None:
    dead = queue("mail.dead", 3, consumers=0, workers=[], dead_letter_from=["mail"])
    [finding] = found("dead-letters", seen(queues=[dead]))
    assert finding.title == "3 dead messages in mail.dead, from mail."
    assert silent("queue-without-consumer", seen(queues=[dead]))


def test_dead_letters_that_lead_nowhere_are_told_where_that_is_certain() -> None:
    lost = queue("mail", dead_letter_exchange="dlx", dead_letter_lost="there is no exchange dlx")
    snapshot = seen(queues=[lost, queue("other", dead_letter_exchange="dlx")])
    [finding] = found("dead-letters-lost", snapshot)
    assert finding.title == "Dead letters of mail are lost: there is no exchange dlx."
    assert "management API" in (MODES["dead-letters-lost"].blind(snapshot) or "")


def test_a_management_api_that_the_profile_names_must_answer() -> None:
    facts = BrokerFacts(at=NOW, management="http://mq:15672 does not take it", management_cure="Correct it.")
    [finding] = found("management-missing", seen(broker=facts))
    assert finding.title == "The management API is missing: http://mq:15672 does not take it."
    assert (finding.severity, finding.fix) == ("warning", "Correct it.")
    assert silent("management-missing", seen(broker=facts, sources=links(broker="lost")))
    assert silent("management-missing", seen(broker=BrokerFacts(at=NOW)))


def test_while_a_worker_has_not_told_its_queues_none_is_without_consumer() -> None:
    wrong = queue("defualt", 7, consumers=0, workers=[])
    snapshot = seen(queues=[wrong], workers=[worker(), worker("w2@a", queues=None)])
    assert silent("queue-without-consumer", snapshot)
    assert "w2@a" in (MODES["queue-without-consumer"].blind(snapshot) or "")


def test_a_broker_that_does_not_name_all_queues_may_hide_a_misspelt_one() -> None:
    blind = MODES["queue-without-consumer"].blind
    assert blind(seen(broker=BrokerFacts(at=NOW))) is None
    hidden = blind(seen(broker=BrokerFacts(at=NOW, tells_queues=False))) or ""
    assert "task_send_sent_event" in hidden and "management API" in hidden


def test_silent_workers_are_one_finding() -> None:
    workers = [worker(f"w{n}@a", events=n > 2) for n in range(1, 5)]
    [finding] = found("events-off", seen(workers=workers))
    assert (finding.subject, finding.related) == ("w1@a", ["w2@a"])
    assert finding.title.startswith("2 of 4 workers") and finding.actions == ["events"]
    assert "`lazycelery worker events on --allow events`" in finding.fix
    recorded = seen(workers=workers)
    recorded.replay = "plays"
    [finding] = found("events-off", recorded)
    assert finding.fix == "Start workers with -E, or set worker_send_task_events = True."
    unknown = seen(workers=[worker(events=None)])
    assert silent("events-off", unknown) and MODES["events-off"].blind(unknown)


def test_results() -> None:
    [finding] = found("results-off", seen(workers=[worker(conf={})]))
    assert finding.severity == "info"
    assert silent("results-off", seen(workers=[worker(conf={}), worker("w2@a")]))
    unasked = seen(workers=[worker(conf=None)])
    assert silent("results-off", unasked) and MODES["results-off"].blind(unasked)
    assert found("backend-unreachable", seen(sources=links(results="refused")))
    assert MODES["backend-unreachable"].blind(seen(sources=links(results="off")))


def test_what_we_do_not_see() -> None:
    [finding] = found("monitor-behind", seen(lag=8.0, loss=0.2))
    assert "8.0 s late" in texts(finding) and "20%" in texts(finding)
    assert found("monitor-behind", seen(sources=links(events="lost")))


def test_what_was_let_go_under_load_and_what_was_not_even_heard() -> None:
    [finding] = found("monitor-behind", seen(relief=Relief(since=NOW - 60, texts=5)))
    assert finding.severity == "info" and "kept whole" in finding.fix
    [finding] = found("monitor-behind", seen(relief=Relief(since=NOW - 60, texts=5, cut_off=2, missed=3.25)))
    assert finding.severity == "warning" and "3.2 s of them were not heard" in finding.title
    assert "kept whole" not in finding.fix and "2 times the connection broke" in texts(finding)
    active = Relief(stage=3, since=NOW, texts_let_go=True, one_in=100, cut_off=1, missed=1.0)
    [finding] = found("monitor-behind", seen(relief=active))
    assert "1.0 s of them were not heard" in finding.title and "and all are counted" not in finding.title


def test_security() -> None:
    careless = worker(conf={"broker_url": "rediss://b:6379/0"})
    [finding] = found("tls-unverified", seen(workers=[careless]))
    assert (finding.severity, finding.subject) == ("warning", "w1@a")
    careful = worker(conf={"broker_url": "rediss://b:6379/0?ssl_cert_reqs=required"})
    assert silent("tls-unverified", seen(workers=[careful]))
    assert found("tls-unverified", seen(tls_unverified=True))[0].severity == "info"
    assert found("pickle-accepted", seen(workers=[worker(conf={"accept_content": ["json", "pickle"]})]))
    assert silent("pickle-accepted", seen(workers=[worker(conf={"accept_content": ["json"]})]))


def test_every_action_of_a_finding_is_one_of_the_screen() -> None:
    known = {action.id for action in ACTIONS}
    wrong = queue("defualt", 7, consumers=0, workers=[])
    for snapshot in (seen(queues=[wrong]), seen(workers=[worker(events=False)])):
        for mode in MODES.values():
            for finding in mode.check(snapshot):
                assert set(finding.actions) <= known


# ---- what workers do


def test_a_worker_that_does_not_answer_is_busy_and_not_gone() -> None:
    solo = worker("s@a", pool="solo", concurrency=1, state="busy", silent=NOW - 9, listening=True)
    [finding] = found("worker-busy-control", seen(workers=[solo]))
    assert (finding.subject, finding.since, finding.severity) == ("s@a", NOW - 9, "info")
    assert "silent for 9s" in texts(finding) and "counts a listener" in texts(finding)
    [finding] = found("worker-busy-control", seen(workers=[solo], queues=[queue(messages=3)]))
    assert finding.severity == "warning"
    assert MODES["worker-busy-control"].asks(seen(workers=[solo])) == {"s@a"}
    slow = {"silent": NOW - 1, "last_seen": NOW - 10, "heartbeat_age": 25.0}
    assert silent("worker-busy-control", seen(workers=[worker(freq=30.0, **slow)])), "it beats seldom"
    assert found("worker-busy-control", seen(workers=[worker(freq=2.0, **slow)]))
    assert silent("worker-busy-control", seen(workers=[worker(silent=NOW - 1)]))


def test_of_whose_mailbox_is_closed_it_is_waited_for_whether_it_is_lost() -> None:
    assert silent("worker-busy-control", seen(workers=[worker(silent=NOW - 9, shut=True)]))
    assert found("worker-busy-control", seen(workers=[worker(silent=NOW - 16, shut=True)]))


def test_a_stopped_process_hangs() -> None:
    stopped = worker(state="busy", silent=NOW - 20, listening=True, heartbeat_age=25.0)
    [finding] = found("worker-lost", seen(workers=[stopped]))
    assert "hangs" in finding.title
    assert silent(
        "worker-lost", seen(workers=[worker(state="busy", silent=NOW - 20, pool="solo", heartbeat_age=25.0)])
    )
    said_goodbye = worker(state="offline", silent=NOW - 20, listening=True, heartbeat_age=25.0)
    assert silent("worker-lost", seen(workers=[worker("w2@a"), said_goodbye]))


def full(age: float = 300.0, **own: object) -> WorkerFacts:
    active = [running("a", age=age + 9), running("b", age=age)]
    facts = worker(state="busy", **{"active": active, **own})
    facts.worker.active = len(active)
    return facts


def test_a_full_worker_with_work_behind_it() -> None:
    crowded = full(reserved=[held("c")])
    [finding] = found("worker-saturated", seen(workers=[crowded], queues=[queue(messages=7)]))
    assert (
        finding.since == NOW - 300 and "2 slots run shop.nap" in finding.title and "8 tasks" in finding.title
    )
    assert silent("worker-saturated", seen(workers=[full()]))
    assert silent("worker-saturated", seen(workers=[full(age=5)], queues=[queue(messages=7)]))


def test_what_is_usual_tells_sooner_that_no_slot_will_be_free() -> None:
    behind = {"queues": [queue(messages=7)]}
    ran = [TaskSeen(id=id, name="shop.nap", worker="w1@a", usual=0.5, runs=40, since=NOW - 12) for id in "ab"]
    overdue = seen(workers=[full(age=8)], tasks=TaskFacts(running=ran), **behind)
    [finding] = found("worker-saturated", overdue)
    assert "at least 14 times as long as 95 % of its kind" in texts(finding)
    asks = MODES["worker-saturated"].asks
    assert not asks(overdue), "it has told them a moment ago"
    assert asks(seen(workers=[full(age=8, at={"active": NOW - 8})], tasks=TaskFacts(running=ran), **behind))
    assert asks(seen(workers=[full(age=8, at={"active": NOW - 20})], tasks=TaskFacts(running=ran), **behind))
    assert not MODES["worker-saturated"].asks(seen(workers=[full(age=8)], tasks=TaskFacts(running=ran)))
    assert silent("worker-saturated", seen(workers=[full(age=8)], **behind)), "nothing is known of them"
    unseen = Flight(id="c", task="shop.nap", queue="default", delivered=NOW - 9, worker="w1@a")
    holds = Flights(at=NOW, messages=[unseen])
    reserved = seen(workers=[full(age=8, whole=None)], tasks=TaskFacts(running=ran), flights=holds)
    assert asks(reserved) == {"w1@a"}, "what it holds behind them is not listed yet"
    listed = full(age=8, whole=Whole(at=NOW, ids=frozenset()))
    again = seen(workers=[listed], tasks=TaskFacts(running=ran), flights=holds)
    assert not asks(again), "asked once since it came: a rate limit keeps it back, and no list names it"
    for usual in (3.0, None):  # Three times of it were over when it told its list, or nothing tells more.
        for task in ran:
            task.usual = usual
        told = {"active": NOW - 3.0}
        lately = seen(workers=[full(age=8, at=told)], tasks=TaskFacts(running=ran), **behind)
        assert bool(asks(lately)) is (usual is not None)
    ran[0].usual, ran[1].usual = 6.0, 0.5
    assert silent("worker-saturated", overdue), "one of them will end soon"
    usual = Usual(NOW, NOW - 7200, 7200.0, 200, [], [300.0, 350.0, 400.0], [None] * 3, 0)
    long = Habit("task", "shop.nap", None, None, deque(), [], (None, None), usual)
    [finding] = found("worker-saturated", seen(workers=[full(age=3)], habits=[long], **behind))
    assert "none of them ends within" in texts(finding)
    assert silent("worker-saturated", seen(workers=[full(age=3)], habits=[long])), "nothing waits"
    freed = full(age=300)
    freed.worker.active = 1
    assert silent("worker-saturated", seen(workers=[freed], **behind)), "its heartbeat is newer than its list"


def watched(snapshot: Snapshot, seconds: float, depth: Callable[[float], int], **own: object) -> Snapshot:
    """Let time pass before `NOW`: the queue's depth by seconds ago."""
    at = NOW - seconds
    while at <= NOW:
        line = queue(messages=depth(NOW - at), age=0.0, **own)
        snapshot.history.note(at, [line, *snapshot.queues[1:]], snapshot.workers)
        at += 5
    return snapshot


def test_a_deaf_worker_takes_nothing_although_it_could() -> None:
    snapshot = watched(seen(queues=[queue(messages=7)]), 20, lambda ago: 7)
    [finding] = found("worker-deaf", snapshot)
    assert "worker shutdown w1@a --allow shutdown`" in finding.fix
    assert (finding.severity, finding.subject) == ("critical", "w1@a")
    assert "takes nothing from default: 7 messages" in finding.title
    limited = seen(workers=[worker(reserved=[held("x")])], queues=[queue(messages=7)])
    assert silent("worker-deaf", watched(limited, 20, lambda ago: 7))
    assert silent(
        "worker-deaf", watched(seen(queues=[queue(messages=7)]), 20, lambda ago: 7 if ago < 8 else 0)
    )
    unasked = watched(seen(workers=[worker(at={})], queues=[queue(messages=7)]), 20, lambda ago: 7)
    assert silent("worker-deaf", unasked) and MODES["worker-deaf"].asks(unasked) == {"w1@a"}


def test_hoarding_needs_somebody_idle() -> None:
    hoarder = full(reserved=[held("c"), held("d")])
    idle = worker("w2@a")
    [finding] = found("prefetch-hoarding", seen(workers=[hoarder, idle]))
    assert (finding.subject, finding.related) == ("w1@a", ["w2@a"]) and "2 tasks" in finding.title
    since = finding.since or 0.0
    for came in (NOW - 3, NOW - 900):  # It was full, and another one had a free slot: both.
        [finding] = found("prefetch-hoarding", seen(workers=[hoarder, worker("w2@a", began=came)]))
        assert finding.since == max(since, came)
    busy_until = seen(workers=[hoarder, idle])
    was_full = worker("w2@a")
    was_full.worker.active = 2
    busy_until.history.note(NOW - 2, [], [was_full])
    assert found("prefetch-hoarding", busy_until)[0].since == NOW - 2
    assert silent("prefetch-hoarding", seen(workers=[hoarder]))
    assert silent("prefetch-hoarding", seen(workers=[hoarder, idle], queues=[queue(messages=3)]))
    assert silent("prefetch-hoarding", seen(workers=[hoarder, worker("w2@a", queues=["mail"])]))
    assert MODES["prefetch-hoarding"].asks(seen(workers=[hoarder, idle])) == {"w1@a"}


def test_a_rate_limit_keeps_tasks_back_beside_free_slots() -> None:
    kept = worker(reserved=[held("c", "shop.mail"), held("d", "shop.mail")])
    [finding] = found("rate-limited-backlog", seen(workers=[kept]))
    assert "2 tasks of shop.mail" in finding.title and "rate-limit shop.mail none" in finding.fix
    assert silent("rate-limited-backlog", seen(workers=[full(reserved=[held("c")])]))
    unlisted = flights("x", "y")
    for flight in unlisted.messages:
        flight.worker, flight.since = "w1@a", NOW - 60
    assert found("rate-limited-backlog", seen(flights=unlisted))
    gone = worker("w2@a", **{"state": "offline", "lost": True, "stopped": NOW - 60})
    assert silent("message-orphaned", seen(workers=[worker(), gone], flights=unlisted))
    running_now = worker(active=[running("x"), running("y")])
    assert silent("rate-limited-backlog", seen(workers=[running_now], flights=unlisted))


def test_where_nobody_tells_what_is_unacknowledged_the_limit_in_force_does() -> None:
    """As on RabbitMQ: events tell what was received and not started."""
    rests = TaskFacts(held=[TaskSeen(id="x", name="shop.mail", worker="w1@a", since=NOW - 60)])
    limited = worker(limits={"shop.mail": TaskLimits(rate="10/m")})
    [finding] = found("rate-limited-backlog", seen(workers=[limited], tasks=rests))
    assert "1 task of shop.mail" in finding.title
    assert silent("rate-limited-backlog", seen(tasks=rests)), "no limit: its end may have gone unheard"
    assert MODES["rate-limited-backlog"].asks(seen(tasks=rests)) == {"w1@a"}, "so it is asked"
    rests.held[0].since = NOW - 2.5
    assert silent("rate-limited-backlog", seen(workers=[limited], tasks=rests)), "its lists may be older"


def test_what_was_unacknowledged_before_the_lists_were_told_may_have_ended_since() -> None:
    unlisted = flights("x")
    unlisted.messages[0].worker, unlisted.at = "w1@a", NOW - 2
    snapshot = seen(flights=unlisted)
    assert silent("rate-limited-backlog", snapshot)
    assert MODES["rate-limited-backlog"].asks(snapshot) == {"w1@a"}


def test_what_was_delivered_to_the_process_before_is_not_held_by_this_one() -> None:
    left = flights("x", "y")
    for flight in left.messages:
        flight.worker, flight.since = "w1@a", flight.delivered
    delivered = left.messages[0].delivered or 0.0
    back = seen(workers=[worker(began=delivered + 30)], flights=left)
    assert silent("rate-limited-backlog", back)
    assert found("message-orphaned", back)
    assert silent("message-orphaned", seen(workers=[worker(began=delivered - 60)], flights=left))
    for flight in left.messages:
        flight.moved = True
    assert silent("message-orphaned", back), "given back by who left, and taken or done since"


def test_what_was_delivered_before_the_broker_started_is_held_by_nobody_unless_it_runs() -> None:
    """A worker clears what it has not begun when its connection is lost, and is the same process."""
    left = flights("x", "y")
    for flight in left.messages:
        flight.worker, flight.since = "w1@a", flight.delivered
    delivered = left.messages[0].delivered or 0.0
    restarted, same = BrokerFacts(at=NOW, began=delivered + 20), {"began": delivered - 600}
    again = seen(workers=[worker(**same)], flights=left, broker=restarted)
    assert silent("rate-limited-backlog", again)
    [finding] = found("message-orphaned", again)
    assert finding.since == delivered + 20
    limited = worker(**same, limits={"shop.nap": TaskLimits(rate="10/m")})
    assert found("message-orphaned", seen(workers=[limited], flights=left, broker=restarted))
    listed = worker(**same, reserved=[held("x")], active=[running("y")])
    assert silent("message-orphaned", seen(workers=[listed], flights=left, broker=restarted))
    for began in (delivered + 2, delivered - 60, None):  # Clocks differ; or our connection alone was away.
        sure = seen(workers=[worker(**same)], flights=left, broker=BrokerFacts(at=NOW, began=began))
        assert silent("message-orphaned", sure) and found("rate-limited-backlog", sure)


def test_who_came_to_late_to_see_a_restart_knows_it_by_the_uptime() -> None:
    """Nobody told who had received them, and all of the queue's workers started afterwards."""
    left = flights("x", "y")
    delivered = left.messages[0].delivered or 0.0
    later, before = delivered + 30, delivered - 60
    assert found("message-orphaned", seen(workers=[worker(began=later)], flights=left))
    other = worker("w2@a", began=before)
    assert silent("message-orphaned", seen(workers=[worker(began=later), other], flights=left))
    listed = worker(began=later, reserved=[held("x"), held("y")])
    assert silent("message-orphaned", seen(workers=[listed], flights=left))


def test_what_a_living_worker_keeps_back_for_a_rate_limit_is_no_orphan() -> None:
    """Without events nobody told who took it, and it is in no list."""
    gone = worker("w2@a", state="offline", lost=True, stopped=NOW - 60)
    left = flights("x")
    [finding] = found("message-orphaned", seen(workers=[worker(), gone], flights=left))
    delivered = left.messages[0].delivered or 0.0
    for stopped, follows in ((delivered + 1, ["w2@a"]), (delivered - 1, [])):
        gone.worker.stopped = stopped
        [finding] = found("message-orphaned", seen(workers=[worker(), gone], flights=left))
        assert finding.follows == follows, "who went before it was delivered did not hold it"
    limited = worker(limits={"shop.nap": TaskLimits(rate="10/m")})
    assert silent("message-orphaned", seen(workers=[limited, gone], flights=left))
    later = worker(
        limits={"shop.nap": TaskLimits(rate="10/m")}, began=(left.messages[0].delivered or 0.0) + 30
    )
    assert found("message-orphaned", seen(workers=[later, gone], flights=left)), "it came after that"
    left.messages[0].worker = "w2@a"
    assert found("message-orphaned", seen(workers=[limited, gone], flights=left)), "the one that is gone"


def test_a_worker_that_stops_gives_back_what_it_holds_at_its_end() -> None:
    left = flights("x")
    left.messages[0].worker = "w2@a"
    stopping = worker("w2@a", state="offline", stopped=NOW - 5)
    assert silent("message-orphaned", seen(workers=[worker(), stopping], flights=left))
    stopping.worker.stopped = NOW - 90
    assert found("message-orphaned", seen(workers=[worker(), stopping], flights=left))


# ---- what queues do


def test_a_wave_is_no_growth() -> None:
    grows = watched(seen(queues=[queue(messages=300)]), 90, lambda ago: int(300 - 3 * ago))
    [finding] = found("backlog-growing", grows)
    assert "grows by 3.0 messages a second" in finding.title and finding.since == NOW - 90
    flat = watched(seen(queues=[queue(messages=300)]), 90, lambda ago: max(0, int(300 - 7.5 * ago)))
    [finding] = found("backlog-growing", flat)
    assert finding.since == NOW - 40, "nothing was there before"
    wave = watched(
        seen(queues=[queue(messages=60)]), 90, lambda ago: int(ago * 2 if ago < 40 else 160 - 2 * ago)
    )
    assert silent("backlog-growing", wave)
    burst = watched(
        seen(queues=[queue(messages=26)]), 90, lambda ago: 0 if ago > 45 else 26 + int(90 * ago / 45)
    )
    assert silent("backlog-growing", burst), "it is being worked off"
    quick = seen(queues=[queue(messages=300)], limits=Limits(growth=20.0))
    for ago in range(60, 0, -6):
        quick.history.note(NOW - ago, [queue(messages=300 - 3 * ago, age=0.0)], [])
    assert found("backlog-growing", quick)
    deep = queue(messages=3000, out_rate=1.0, in_rate=0.0, drain_time=3000.0)
    late = watched(seen(queues=[deep]), 20, lambda ago: 3000 + int(ago))
    [finding] = found("backlog-growing", late)
    assert finding.title == "default is 50m behind: 3,000 messages wait."
    just_come = watched(seen(queues=[deep]), 20, lambda ago: 3000 if ago < 12 else 0)
    assert silent("backlog-growing", just_come), "what was taken before tells nothing"
    deep.drain_time = 60.0
    assert silent("backlog-growing", late), "it shrinks fast"
    deep.drain_time, deep.out_rate = None, 10.0
    assert silent("backlog-growing", late)
    for nothing in (0.0, None):
        deep.out_rate = nothing
        assert silent("backlog-growing", late), "other findings tell that nothing is taken"


def test_a_pace_of_few_or_of_a_time_with_nothing_to_take_tells_of_no_hours() -> None:
    few = queue(messages=70, out_rate=1 / 30, drain_time=None)
    assert silent("backlog-growing", watched(seen(queues=[few]), 40, lambda ago: 70)), "one of six, by chance"
    many = queue(messages=700, out_rate=1 / 30, drain_time=None)
    assert found("backlog-growing", watched(seen(queues=[many]), 40, lambda ago: 700))
    burst = queue(messages=2000, out_rate=1.0, drain_time=None)  # Two a second, in half of the half minute.
    half = watched(seen(queues=[burst]), 40, lambda ago: 2000 if ago <= 15 else 0)
    assert silent("backlog-growing", half), "it is 16 minutes behind"
    burst.messages = 9000
    [finding] = found("backlog-growing", half)
    assert "is 1h27m behind" in finding.title and finding.evidence[1].value == pytest.approx(1.714, 0.01)
    told = queue(messages=3000, out_rate=0.4, drain_time=None, sources={"out_rate": "broker"})
    steady = watched(seen(queues=[told]), 40, lambda ago: 3000, out_rate=4.0)
    assert silent("backlog-growing", steady), "five slow seconds of RabbitMQ's statistics"


def test_a_backlog_that_stays_is_none_that_grows() -> None:
    steady = watched(seen(queues=[queue(messages=300)]), 90, lambda ago: 300)
    assert silent("backlog-growing", steady)
    assert "--observe" in (MODES["backlog-growing"].blind(seen(queues=[queue(messages=300)])) or "")
    assert MODES["backlog-growing"].blind(seen()) is None


def test_low_priorities_that_never_move() -> None:
    own = {"priorities": {"0": 40, "9": 12}, "out_rate": 4.0}
    starved = watched(seen(queues=[queue(messages=52, **own)]), 300, lambda ago: 52, **own)
    [finding] = found("priority-starvation", starved)
    assert "priority 9" in finding.title
    for limit in (8.0, 30.0, 60.0):  # Samples are five seconds apart and more, however short a limit is.
        soon = seen(queues=[queue(messages=52, **own)], limits=Limits(starved=limit), watched=limit + 6)
        for ago in range(90, 0, -6):
            soon.history.note(NOW - ago, [queue(messages=52, age=0.0, **own)], [])
        assert found("priority-starvation", soon)
    blind = MODES["priority-starvation"].blind
    unheard = seen(queues=[queue(messages=52, priorities=own["priorities"])], watched=400.0)
    assert "events" in (blind(unheard) or "") and blind(starved) is not None
    assert silent("priority-starvation", seen(queues=[queue(messages=52, **own)]))
    still = {"priorities": {"0": 40, "9": 12}, "out_rate": 0.0}
    assert silent(
        "priority-starvation",
        watched(seen(queues=[queue(messages=52, **still)]), 300, lambda ago: 52, **still),
    )


def test_a_worker_at_the_wrong_queue() -> None:
    snapshot = seen(
        workers=[worker("w2@a", queues=["mial"])],
        queues=[queue(messages=90), queue("mial", 0)],
        watched=600.0,
    )
    [finding] = found("consumer-without-traffic", watched(snapshot, 560, lambda ago: 90))
    assert finding.subject == "w2@a" and "consume default w2@a" in finding.fix
    assert silent("consumer-without-traffic", seen(queues=[queue(messages=90), queue("mial", 0)]))


# ---- what tasks do


def task(id: str = "9f3c21ab-1", **own: object) -> TaskSeen:
    return TaskSeen(**{"id": id, "name": "shop.report", "worker": "w1@a", "queue": "default", **own})  # type: ignore[arg-type]


def test_a_task_that_runs_far_beyond_its_usual() -> None:
    slow = task(since=NOW - 840, usual=8.0, runs=50)
    [finding] = found("task-stalled", seen(tasks=TaskFacts(running=[slow])))
    assert (finding.subject, finding.actions) == ("9f3c21ab-1", ["terminate"])
    assert "105 times its usual" in finding.title and "14m" in texts(finding)
    for fine in (
        task(since=NOW - 30, usual=0.1, runs=50),
        task(since=NOW - 840),
        task(since=NOW - 840, usual=1.0, runs=3),
    ):
        assert silent("task-stalled", seen(tasks=TaskFacts(running=[fine])))
    assert found("task-stalled", seen(tasks=TaskFacts(running=[task(since=NOW - 4000)])))


def test_lost_and_poisonous_tasks() -> None:
    [finding] = found("task-lost", seen(tasks=TaskFacts(lost=[task(since=NOW - 50)])))
    assert (finding.severity, finding.actions) == ("critical", ["retry"])
    [finding] = found("poison-message", seen(tasks=TaskFacts(again=[task(attempts=76)])))
    assert "revoke 9f3c21ab --allow revoke`" in finding.fix
    assert "76 deliveries" in texts(finding) and finding.actions == ["revoke"]


def flights(*ids: str, ago: float = 60.0) -> Flights:
    found = [Flight(id=id, task="shop.nap", queue="default", delivered=NOW - ago) for id in ids]
    return Flights(at=NOW, messages=found)


def test_what_nobody_holds_is_orphaned_and_its_return_is_told() -> None:
    gone = worker("gone@a", **{"state": "offline", "lost": True, "stopped": NOW - 60})
    [finding] = found("message-orphaned", seen(workers=[worker(), gone], flights=flights("x", "y")))
    assert (finding.subject, finding.kind) == ("default", "queue")
    assert finding.title == "2 messages of default are held by nobody, back in about 59m."
    assert finding.evidence[-1].value == NOW - 60 + 3600
    gone.worker.stopped = NOW - 20
    [finding] = found("message-orphaned", seen(workers=[worker(), gone], flights=flights("x", "y")))
    assert finding.since == NOW - 20, "not when they were delivered: somebody held them then"
    for holder in (
        worker(reserved=[held("x")]),
        worker(active=[running("x")]),
        worker(whole=None),
        worker(whole=Whole(at=NOW - 59, ids=frozenset())),
        worker(whole=Whole(at=NOW + 1, ids=frozenset())),
        worker(whole=Whole(at=NOW - 1, ids=frozenset({"x"}))),
        worker(began=NOW),
        worker(silent=NOW - 5),
        worker(queues=None, whole=None),
    ):
        assert silent("message-orphaned", seen(workers=[holder, gone], flights=flights("x")))
    refreshed = worker(at={"active": NOW + 1, "reserved": NOW - 1, "scheduled": NOW - 1})
    assert found("message-orphaned", seen(workers=[refreshed, gone], flights=flights("x")))
    assert silent("message-orphaned", seen(flights=flights("x")))
    assert silent("message-orphaned", seen(workers=[worker(), gone], flights=flights("x", ago=1)))
    assert found(
        "message-orphaned", seen(workers=[worker(queues=["mail"], silent=NOW - 5)], flights=flights("x"))
    )
    short = worker(conf={"broker_transport_options": {"visibility_timeout": 70}})
    [finding] = found("message-orphaned", seen(workers=[short, gone], flights=flights("x")))
    assert "back in about 10s" in finding.title and finding.severity == "warning"


def test_a_task_that_runs_twice_or_will() -> None:
    both = [worker(active=[running("x")]), worker("w2@a", active=[running("x", worker="w2@a")])]
    [finding] = found("duplicate-delivery", seen(workers=both))
    assert (finding.subject, finding.severity) == ("x", "critical") and "w1@a and w2@a" in finding.title
    one = seen(workers=both[:1], flights=flights("x", ago=3300))
    [finding] = found("duplicate-delivery", one)
    assert finding.severity == "warning" and "5m are left" in texts(finding)
    assert silent("duplicate-delivery", seen(workers=both[:1], flights=flights("x", ago=600)))
    one.redelivers = False
    assert silent("duplicate-delivery", one)


def test_an_eta_beyond_the_visibility_timeout() -> None:
    def scheduled(seconds: float) -> TaskReport:
        eta = datetime.fromtimestamp(NOW + seconds, timezone.utc).isoformat()
        return TaskReport(id="x", phase="scheduled", worker="w1@a", name="shop.remind", eta=eta)

    far = seen(workers=[worker(scheduled=[scheduled(7200)])])
    [finding] = found("eta-beyond-visibility", far)
    assert finding.subject == "w1@a" and "visibility_timeout': 14400" in finding.fix
    assert silent("eta-beyond-visibility", seen(workers=[worker(scheduled=[scheduled(600)])]))
    far.revoked = lambda id: True
    assert silent("eta-beyond-visibility", far)
    far.revoked, far.redelivers = lambda id: False, False
    assert silent("eta-beyond-visibility", far)


def test_a_name_that_workers_do_not_know() -> None:
    waiting = TaskFacts(waiting={("shop.adt", "default"): 2})
    full = [queue(messages=2)]
    [finding] = found("task-unregistered", seen(queues=full, tasks=waiting))
    assert finding.subject == "shop.adt" and "Did you mean shop.add?" in finding.title
    assert finding.fix.startswith("Correct the name where it is sent, if shop.add is meant. Else import")
    known = TaskFacts(waiting={("shop.add", "default"): 2})
    assert silent("task-unregistered", seen(queues=full, tasks=known))
    assert silent("task-unregistered", seen(queues=full, workers=[worker(registered=None)], tasks=waiting))
    untold = seen(
        queues=full, workers=[worker(), worker(name="w2@a", queues=None, registered=None)], tasks=waiting
    )
    assert silent("task-unregistered", untold), "who did not tell what it takes may know it"
    assert "w2@a did not tell" in str(MODES["task-unregistered"].blind(untold))
    empty = seen(queues=[queue(messages=0)], tasks=waiting)
    assert silent("task-unregistered", empty), "nothing waits there any more"
    refused = TaskFacts(unknown=[task(name="shop.gone", error="NotRegistered('shop.gone')")])
    [strange] = found("task-unregistered", seen(tasks=refused))
    assert "refused 1: NotRegistered" in texts(strange) and strange.fix.startswith(
        "Import the module of shop.gone"
    )


@pytest.mark.parametrize(
    ("own", "ill"),
    [
        ({"ended": 20, "failed": 12}, True),
        ({"ended": 20, "failed": 12, "usual_ended": 500, "usual_failed": 5}, True),
        ({"ended": 20, "failed": 12, "usual_ended": 500, "usual_failed": 300}, False),
        ({"ended": 20, "failed": 20, "usual_ended": 500, "usual_failed": 200}, True),
        ({"ended": 20, "failed": 12, "usual_ended": 500, "usual_failed": 200}, False),
        ({"ended": 20, "failed": 20, "usual_ended": 500, "usual_failed": 500}, True),
        ({"ended": 20, "failed": 17, "usual_ended": 500, "usual_failed": 425}, False),
        ({"ended": 20, "failed": 7}, False),
        ({"ended": 100, "failed": 12}, False),
    ],
)
def test_failures_are_measured_by_the_usual(own: dict[str, int], ill: bool) -> None:
    facts = NameFacts(name="shop.charge", first_failed=NOW - 30, error="Timeout('x')", worker="w1@a", **own)  # type: ignore[arg-type]
    snapshot = seen(tasks=TaskFacts(names={"shop.charge": facts}))
    assert bool(list(MODES["failure-spike"].check(snapshot))) == ill
    if ill:
        [finding] = found("failure-spike", snapshot)
        assert "Timeout('x')" in texts(finding) and finding.since == NOW - 30


def test_a_storm_of_retries() -> None:
    storm = NameFacts(name="shop.mail", ended=10, retried=40)
    assert found("retry-storm", seen(tasks=TaskFacts(names={"shop.mail": storm})))
    few = NameFacts(name="shop.mail", ended=400, retried=40)
    assert silent("retry-storm", seen(tasks=TaskFacts(names={"shop.mail": few})))


# ---- what settings do


def test_senders_that_tell_nothing() -> None:
    [finding] = found("sent-events-off", seen(tasks=TaskFacts(received=40)))
    assert finding.severity == "info"
    assert silent("sent-events-off", seen(tasks=TaskFacts(received=40, sent=1)))
    assert silent("sent-events-off", seen(tasks=TaskFacts(received=40), watched=5.0))
    assert MODES["sent-events-off"].blind(seen(tasks=TaskFacts(received=2)))
    # What starts now was sent before we came, by senders that may well have told it.
    behind = [queue(messages=900, wait_estimate=600.0)]
    assert silent("sent-events-off", seen(tasks=TaskFacts(received=40), queues=behind))


def test_clocks() -> None:
    [finding] = found("clock-skew", seen(workers=[worker(clock_skew=-70.0), worker("w2@a")]))
    assert finding.subject == "w1@a" and "70.0 s behind" in finding.title
    both = [worker(clock_skew=5.0), worker("w2@a", clock_skew=5.2)]
    [finding] = found("clock-skew", seen(workers=both))
    assert finding.title.startswith("This machine's clock") and finding.kind == "cluster"
    assert silent("clock-skew", seen(workers=[worker(clock_skew=1.0)]))


def test_results_for_ever() -> None:
    kept = {"result_backend": "redis://b/0", "result_expires": None}
    assert found("results-without-expiry", seen(workers=[worker(conf=kept)]))
    assert silent("results-without-expiry", seen(workers=[worker(conf={**kept, "result_expires": 600})]))
    assert silent("results-without-expiry", seen(workers=[worker(conf={"result_expires": None})]))


def test_workers_that_differ() -> None:
    old = worker("w2@a", software="py-celery 5.2.7")
    [finding] = found("version-mixed", seen(workers=[worker(), worker("w3@a"), old]))
    assert finding.subject == "w2@a"
    late = worker("w2@a", conf={"result_backend": "redis://b/0", "task_acks_late": True})
    [finding] = found("config-drift", seen(workers=[worker(), late]))
    assert (finding.subject, finding.related) == ("default", ["w1@a", "w2@a"])
    assert "task_acks_late: Celery's own on w1@a; True on w2@a" in texts(finding)
    other = worker("w2@a", queues=["mail"], conf={"task_acks_late": True})
    assert silent("config-drift", seen(workers=[worker(), other]))


# ---- the broker and beat


def test_memory_and_what_is_thrown_away() -> None:
    full = BrokerFacts(at=NOW, memory=900, memory_limit=1000, policy="noeviction")
    [finding] = found("broker-memory", seen(broker=full))
    assert finding.severity == "warning" and "90%" in finding.title
    drops = BrokerFacts(at=NOW, memory=10, memory_limit=1000, policy="allkeys-lru", evicted=0)
    [finding] = found("broker-memory", seen(broker=drops))
    assert "throws queues away" in finding.title and finding.severity == "warning"
    drops.evicted = 5
    assert found("broker-memory", seen(broker=drops))[0].severity == "critical"
    assert found(
        "broker-memory", seen(broker=BrokerFacts(at=NOW, blocked="low on memory", tells_alarms=True))
    )
    for fine in (
        BrokerFacts(at=NOW, memory=500, memory_limit=1000, policy="noeviction"),
        BrokerFacts(at=NOW, memory=500, memory_limit=0, policy="allkeys-lru", machine=10_000),
        BrokerFacts(at=NOW, memory=500, memory_limit=1000, policy="volatile-lru"),
    ):
        assert silent("broker-memory", seen(broker=fine))
    assert MODES["broker-memory"].blind(seen(broker=BrokerFacts(at=NOW, refused="May not.")))


def test_queues_of_others() -> None:
    assert found("reply-queue-leak", seen(broker=BrokerFacts(at=NOW, reply_queues=80)))
    assert silent("reply-queue-leak", seen(broker=BrokerFacts(at=NOW, reply_queues=2)))
    deep = BrokerFacts(at=NOW, tells_events=True, event_backlog={"celeryev.1": 40_000, "celeryev.2": 3})
    [finding] = found("event-queue-backlog", seen(broker=deep))
    assert finding.subject == "celeryev.1" and len(finding.evidence) == 1
    assert MODES["event-queue-backlog"].blind(seen(broker=BrokerFacts(at=NOW)))


def test_a_chord_whose_member_will_not_come() -> None:
    chord = Chord(group="g1", done=3, size=4, members=["a", "b"], names=["shop.price"], since=NOW - 90)
    [finding] = found("chord-stuck", seen(chords=[chord]))
    assert "waits for 1 member of 4" in finding.title and finding.subject == "g1"
    for still in (
        seen(chords=[chord], workers=[worker(active=[running("c", "shop.price")])]),
        seen(chords=[chord], workers=[worker(reserved=[held("c", "shop.price")])]),
        seen(chords=[chord], queues=[queue(messages=1)]),
        seen(chords=[Chord(group="g1", done=3, size=4, since=NOW - 5)]),
        seen(chords=[Chord(group="g1", done=4, size=4, since=NOW - 90)]),
    ):
        assert silent("chord-stuck", still)
    assert found("chord-stuck", seen(chords=[chord], workers=[worker(active=[running("c", "shop.other")])]))
    assert MODES["chord-stuck"].blind(seen())


def test_a_chord_that_cannot_be_judged_is_no_healthy_one() -> None:
    chord = Chord(group="g1", done=3, size=4, members=["a"], names=["shop.price"], since=NOW - 90)
    blind = MODES["chord-stuck"].blind
    for why, busy in (
        ("1 message waits in default", seen(chords=[chord], queues=[queue(messages=1)])),
        (
            "shop.price runs or is held",
            seen(chords=[chord], workers=[worker(active=[running("c", "shop.price")])]),
        ),
    ):
        told = blind(busy)
        assert silent("chord-stuck", busy) and told is not None and told.endswith(f"as {why}.")
        assert "(group:g1) has 3 of 4 members and did not move for 1m30s" in told
    assert "--observe 60" in (blind(seen(chords=[chord], watched=5.0)) or ""), "five seconds tell nothing"
    assert blind(seen(chords=[])) is None and blind(seen(chords=[Chord(group="g", done=4, size=4)])) is None


@pytest.mark.parametrize("replay", ["plays", "whole"])
def test_of_a_recording_nothing_is_advised_that_brings_no_more_of_it(replay: Replay) -> None:
    """Who was asked will not answer any more; one that was read to its end is watched as it plays."""
    chord = Chord(group="g1", done=3, size=4, members=["a"], names=["shop.price"], since=NOW - 90)
    mute = worker()
    mute.queues = None
    some: list[tuple[str, Snapshot, bool]] = [
        ("backlog-growing", seen(queues=[queue(messages=300)], watched=5.0), True),
        ("chord-stuck", seen(chords=[chord], watched=5.0), True),
        ("beat-missing", scheduled(watched=4.0), True),
        ("no-workers", seen(workers=[], watched=0.0), True),
        ("sent-events-off", seen(watched=0.0), True),
        ("events-off", seen(workers=[worker(events=None)]), True),
        ("results-off", seen(workers=[worker(conf=None)]), False),
        ("task-unregistered", seen(workers=[worker(registered=None)]), False),
        ("queue-without-consumer", seen(workers=[mute]), False),
        ("waiting-long", seen(), False),
    ]
    for code, snapshot, time_helps in some:
        blind, live = MODES[code].blind, MODES[code].blind(snapshot) or ""
        assert "--" in live or "history = true" in live, code
        snapshot.replay = replay
        told = blind(snapshot) or ""
        assert told.endswith(".") and "--timeout" not in told and "history = true" not in told, told
        assert ("--observe" in told) == (time_helps and replay == "plays"), told


def scheduled(every: object = 10.0, **own: object) -> Snapshot:
    conf = {
        "beat_schedule": {"tick": {"task": "shop.tick", "schedule": every}},
        "result_backend": "redis://b/0",
    }
    return seen(workers=[worker(conf=conf)], **own)


def test_a_schedule_that_nobody_sends() -> None:
    [finding] = found("beat-missing", scheduled(watched=60.0))
    assert finding.subject == "shop.tick" and "every 10s" in finding.title
    assert silent("beat-missing", scheduled(watched=60.0, periodic={"shop.tick": [(NOW - 9, "")]}))
    assert silent("beat-missing", scheduled(watched=40.0))
    assert "--observe" in (MODES["beat-missing"].blind(scheduled(watched=40.0)) or "")
    assert silent("beat-missing", scheduled("<crontab: 0 4 * * * (m/h/dM/MY/d)>", watched=1e6))
    assert found("beat-missing", scheduled("<freq: 10.00 seconds>", watched=60.0))


def test_what_may_have_been_sent_unheard_is_not_missing() -> None:
    def backlog(**own: object) -> Snapshot:
        return scheduled(watched=60.0, queues=[queue(messages=900)], **own)

    assert silent("beat-missing", backlog())
    assert "task_send_sent_event" in (MODES["beat-missing"].blind(backlog()) or "")
    told = {"shop.tick": [(NOW - 55, "gen7@h")]}
    assert found("beat-missing", backlog(periodic=told))  # It told what it sent, and tells no more.
    dead = scheduled(watched=60.0, queues=[queue(messages=3, dead_letter_from=["celery"])])
    assert found("beat-missing", dead)
    mixed = [*scheduled(watched=60.0).workers, worker("quiet@a", events=False)]
    assert silent("beat-missing", seen(workers=mixed, watched=60.0))


def test_two_beats() -> None:
    def sent(*senders: str) -> dict[str, list[tuple[float, str]]]:
        return {"shop.tick": [(NOW - 10 * n, sender) for n in range(4) for sender in senders]}

    [finding] = found("beat-duplicate", scheduled(periodic=sent("gen1@a", "gen2@b")))
    assert finding.related == ["gen1@a", "gen2@b"]
    assert silent("beat-duplicate", scheduled(periodic=sent("gen1@a")))
    restarted = {"shop.tick": [(NOW - 10 * n, "gen1@a" if n > 4 else "gen2@a") for n in range(9)]}
    assert silent("beat-duplicate", scheduled(periodic=restarted))
    by_hand = sent("gen1@a")
    by_hand["shop.tick"] += [(NOW - n, "gen7@web") for n in range(5)]
    assert silent("beat-duplicate", scheduled(periodic=by_hand))
