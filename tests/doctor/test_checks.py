"""Each check on snapshots: what is ill is found, what is healthy is not."""

from __future__ import annotations

import pytest

from lazycelery.insight.doctor import MODES
from lazycelery.keys import ACTIONS
from tests.doctor.seen import NOW, found, links, queue, running, seen, silent, texts, worker


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


def test_dead_letters_are_no_misspelt_queue() -> None:
    dead = queue("mail.dead", 3, consumers=0, workers=[], dead_letter_from=["mail"])
    [finding] = found("dead-letters", seen(queues=[dead]))
    assert finding.title == "3 dead messages in mail.dead, from mail."
    assert silent("queue-without-consumer", seen(queues=[dead]))


def test_while_a_worker_has_not_told_its_queues_none_is_without_consumer() -> None:
    wrong = queue("defualt", 7, consumers=0, workers=[])
    snapshot = seen(queues=[wrong], workers=[worker(), worker("w2@a", queues=None)])
    assert silent("queue-without-consumer", snapshot)
    assert "w2@a" in (MODES["queue-without-consumer"].blind(snapshot) or "")


def test_silent_workers_are_one_finding() -> None:
    workers = [worker(f"w{n}@a", events=n > 2) for n in range(1, 5)]
    [finding] = found("events-off", seen(workers=workers))
    assert (finding.subject, finding.related) == ("w1@a", ["w2@a"])
    assert finding.title.startswith("2 of 4 workers") and finding.actions == ["events"]
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
