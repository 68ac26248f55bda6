"""What a queue's page and row say of dead letters, of what is held for later, of priorities and memory."""

from __future__ import annotations

from lazycelery.keys import keymap
from lazycelery.model.queue import Queue
from lazycelery.model.verdict import Verdict
from lazycelery.model.worker import Worker
from lazycelery.tui.presentation import queues, workers
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.page import Page
from lazycelery.tui.presentation.signs import UNICODE
from tests.support.fake_engine import NOW

LOOK = Look(NOW, UNICODE, True, keymap({}))


def said(queue: Queue) -> str:
    return text(queues.page(queue, None, None, 0, LOOK, 100))


def text(page: Page) -> str:
    return "\n".join("".join(part for part, _ in line) for line in page.body)


def test_dead_letters_know_their_source_and_sources_their_dead_letters() -> None:
    page = said(Queue(name="dead", messages=3, consumers=0, dead_letter_from=["mail", "reports"]))
    assert "Dead letters come here from mail, reports." in page
    source = Queue(name="mail", dead_letter_to="dead", dead_letter_exchange="dlx")
    assert "Dead letters go to dead, by the exchange dlx." in said(source)
    source = Queue(name="mail", dead_letter_to="dead", dead_letter_exchange="")
    assert "Dead letters go to dead, by the default exchange." in said(source)
    assert "may be lost" in said(Queue(name="mail", dead_letter_exchange="dlx"))
    assert "ead letter" not in said(Queue(name="plain", messages=3))


def test_a_dead_letter_queue_is_marked_in_the_list_and_is_no_forgotten_queue() -> None:
    dead = Queue(name="dead", messages=3, consumers=0, dead_letter_from=["mail"])
    assert ("dead", "warn") in queues.cells(dead, LOOK) and queues.faulty(dead)
    assert not queues.unattended(dead)
    assert not queues.faulty(Queue(name="dead", messages=0, dead_letter_from=["mail"]))


def test_a_queue_about_which_something_is_wrong_has_no_green_sign() -> None:
    fine = Queue(name="mail", messages=0, consumers=1, workers=["w1@a"])
    assert queues.cells(fine, LOOK)[0] == (UNICODE.online, "ok") and not queues.faulty(fine)
    for trouble, token in (("critical", "fail"), ("warning", "warn")):
        ill = Queue(name="mail", messages=0, consumers=1, workers=["w1@a"], trouble=trouble)  # type: ignore[arg-type]
        assert queues.cells(ill, LOOK)[0] == (UNICODE.warning, token) and queues.faulty(ill)
        assert queues.first_lines(ill, None, LOOK, 80)[0][0] == (f"{UNICODE.warning} 0 messages", token)


def test_a_heartbeat_grows_older_while_the_broker_is_away() -> None:
    one = Worker(name="w1@a", state="online", heartbeat_age=1.2, last_seen=NOW - 74)
    away = Look(NOW, UNICODE, True, keymap({}), as_of=NOW - 70)
    for look, age in ((LOOK, "0s ago"), (away, "1m ago")):
        page = text(workers.page(one, None, None, 0, look, 100))
        assert f"heartbeat  {age}" in page, page


def test_what_only_some_brokers_tell_is_shown_where_it_is_told() -> None:
    page = said(Queue(name="q", memory=3 << 20, policy="mirrored", delayed=1204))
    assert "3.0 MB" in page and "mirrored" in page and "1,204 until their ETA" in page
    page = said(Queue(name="q"))
    assert "memory" not in page and "policy" not in page and "ETA" not in page


def test_the_order_of_priorities_is_said() -> None:
    assert "the highest runs first: up to 9" in said(Queue(name="q", first_priority=9, priorities={"2": 1}))
    assert "0 runs first" in said(Queue(name="q", type="list", priorities={"0": 1}))


def test_the_sentence_of_the_engine_comes_first_and_until_then_the_number() -> None:
    queue = Queue(name="q", messages=40, workers=["celery@w1"])
    told = Verdict(kind="queue", subject="q", text="40 messages wait in q; w1 is full.", until=NOW + 90)
    page = text(queues.page(queue, told, None, 0, LOOK, 100))
    assert page.startswith("● 40 messages wait in q; w1 is full.\n\n")
    assert said(queue).startswith("● 40 messages\n")
    assert said(Queue(name="q")).startswith("● not counted yet")
