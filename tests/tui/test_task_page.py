"""A task's page: why it is not done, what happened between its moments, its family, its frames."""

from __future__ import annotations

from typing import Any

import pytest

from lazycelery.model.cluster import LogLine, LogPage
from lazycelery.model.doubts import DOUBTS, doubt
from lazycelery.model.message import Message
from lazycelery.model.task import Attempt, Task
from lazycelery.model.verdict import Verdict
from lazycelery.store.marks import MARKS
from lazycelery.tui.presentation.family import Family, family_lines, family_verdict
from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.message import message_lines
from lazycelery.tui.presentation.page import Page
from lazycelery.tui.presentation.sources_tab import source_lines
from lazycelery.tui.presentation.task_events import event_lines
from lazycelery.tui.presentation.task_page import page
from lazycelery.tui.presentation.timeline import timeline
from lazycelery.tui.presentation.traceback import TracebackText, own_frames
from tests.support.fake_engine import NOW, TRACEBACK

LOOK = Look(NOW, utc=True)
TOLD = ("history", "ended-unseen")
"""Marks that the page tells in a line of their own, or with the verdict."""


def text(lines: Any) -> list[str]:
    return ["".join(part for part, _ in line).rstrip() for line in lines]


def verdict(text: str, **own: Any) -> Verdict:
    return Verdict(kind="task", subject="a", text=text, **own)


def test_the_sentence_of_the_engine_stands_behind_the_sign_of_the_state() -> None:
    lost = Task(id="a", state="lost", worker="celery@old-7")
    told = verdict("Lost: old-7 is gone.", actions=["retry"])
    assert text(page(lost, 0, LOOK, 80, told).body)[0] == "✗ Lost: old-7 is gone. r runs it again."
    held = Task(id="a", state="scheduled", eta="2025-11-21T02:05:22+00:00")
    told = verdict("Held by w1 until its ETA, in 2m.", until=NOW + 120)
    lines = text(page(held, 0, LOOK, 80, told).body)
    assert lines[:2] == ["◌ Held by w1 until its ETA, in 2m.", "  until about 02:05:22"]
    assert text(page(held, 0, LOOK, 80).body)[0] == "◌ scheduled", "until the engine has said more"


def test_doubts_are_sentences() -> None:
    """The same on the page, among the sources, and in `lazycelery task`."""
    marks = [*MARKS, "gap", "received-before-sent", "retry-of 77ab-01d2"]
    doubted = Task(id="a", state="unknown", marks=marks, seen=NOW - 9)
    for width in (50, 100):
        shown = " ".join(" ".join(text([*page(doubted, 0, LOOK, width).body])).split())
        for mark in marks:
            assert f"▲ {mark}" not in shown and (doubt(mark) in shown) == (mark not in TOLD), mark
    assert "▲ It seems to have begun before it was sent" in shown
    doubted.marks = ["gap", "wait-clamped"]
    assert doubt("gap") in " ".join(" ".join(text(source_lines(doubted, LOOK, 90))).split())
    assert doubt("retry-of 77ab-01d2") == "It was sent as a retry of 77ab-01d2."
    assert all(mark in DOUBTS for mark in MARKS)


def test_a_family_says_how_far_it_is_and_what_holds_it_up() -> None:
    first = Task(id="1" * 8, name="shop.add", state="success", sent=NOW - 9, root_id="1" * 8)
    second = Task(id="2" * 8, name="shop.add", state="waiting", queue="slow", sent=NOW - 5)
    told, token = family_verdict(Family("1", [first, second], 2, verdict("Waits in slow.")), LOOK)
    assert told == "○ 1 of 2 known tasks succeeded. shop.add 22222222: Waits in slow." and token == "wait"
    failed = Task(id="3" * 8, name="shop.sum", state="failure", error="Boom", sent=NOW - 2)
    told, token = family_verdict(Family("1", [first, second, failed], 3), LOOK)
    assert "1 of 3 known tasks succeeded, 1 failure. shop.sum 33333333: failure" in told and token == "fail"
    assert family_verdict(Family("1", [first], 1), LOOK) == ("✔ 1 of 1 known tasks succeeded", "ok")


def retried() -> Task:
    first = Attempt(
        number=1,
        worker="celery@web-1",
        pid=812,
        sent=NOW - 60,
        received=NOW - 55.8,
        started=NOW - 24.8,
        finished=NOW - 16.6,
        state="retry",
        error="Timeout('gateway')",
    )
    second = Attempt(number=2, sent=NOW - 16.5, received=NOW - 6, worker="celery@web-2", state="received")
    return Task(id="a", state="received", queue="default", attempts=[first, second])


def test_the_timeline_shows_what_filled_the_time_between_moments() -> None:
    lines = text(timeline(retried(), LOOK, 110))
    assert [line[2:11].strip() for line in lines] == [
        "sent",
        "received",
        "started",
        "retried",
        "sent",
        "received",
    ]
    assert [line.split("┐")[-1].split("┤")[-1].split("┘")[-1].strip() for line in lines] == [
        "waited 4.20s in default",
        "prefetched 31.0s on web-1",
        "ran 8.20s",
        "try 2 after 100ms",
        "waited 10.5s in default",
        "prefetched since 6s",
    ]


def test_a_narrow_timeline_puts_the_gaps_between_the_moments() -> None:
    lines = text(timeline(retried(), LOOK, 50))
    assert lines[1] == "  │ waited 4.20s in default"
    assert max(map(len, lines)) <= 60


def test_a_clock_that_went_back_gives_no_negative_gap() -> None:
    task = Task(
        id="a", state="success", attempts=[Attempt(number=1, sent=NOW, received=NOW - 5, state="success")]
    )
    assert "waited 0ms" in "\n".join(text(timeline(task, LOOK, 110)))


def member(id: str, parent: str | None, sent: float) -> Task:
    return Task(id=id, name=f"shop.{id}", state="success", parent_id=parent, root_id="root", sent=NOW + sent)


def test_a_family_is_a_tree_from_its_root() -> None:
    members = [
        member("leaf", "second", 3),
        member("root", None, 0),
        member("second", "root", 2),
        member("first", "root", 1),
    ]
    lines = text(family_lines(Family("root", members, 9), "leaf", LOOK))
    assert [line.split("shop.")[-1].split()[0] for line in lines[:4]] == ["root", "first", "second", "leaf"]
    assert lines[3].startswith("▸   └") and "5 more: filter root:root" in lines[4]


def test_a_circle_of_parents_ends() -> None:
    members = [member("a", "b", 0), member("b", "a", 1)]
    assert len(text(family_lines(Family("root", members, 2), "a", LOOK))) == 2


def test_a_parent_that_was_never_seen_is_named() -> None:
    lines = text(family_lines(Family("root", [member("a", "0123456789", 0)], 1), "a", LOOK))
    assert "parent 01234567 not seen" in lines[0]


def tokens(line: Line) -> set[str]:
    return {token for part, token in line if part.strip()}


def test_own_frames_stand_first_and_those_of_libraries_are_dim() -> None:
    assert [line.split()[0] for line in text(own_frames(TRACEBACK))] == ["gateway.py:31", "tasks.py:88"]
    body = TracebackText(TRACEBACK)
    assert [tokens(line) for line in body] == [
        {"dim"}, {"dim"}, {"dim"}, {"accent"}, {""}, {"accent"}, {""}, {"fail"},
    ]  # fmt: skip


def test_a_traceback_of_ten_megabytes_costs_what_is_looked_at() -> None:
    frame = '  File "/srv/app/deep.py", line 3, in dive\n    dive(n - 1)\n'
    body = TracebackText(
        "Traceback (most recent call last):\n" + frame * 180_000 + "RecursionError: too deep\n"
    )
    assert len(body) == 360_002 and len(body[-40:]) == 40 and tokens(body[-1]) == {"fail"}
    assert len(own_frames(frame * 180_000)) == 8


def test_events_show_all_their_fields_and_how_late_they_were_heard() -> None:
    event = LogLine(
        seq=1, at=NOW, received=NOW + 2, type="task-failed", worker="celery@w", id="a",
        event={"type": "task-failed", "uuid": "a", "exception": "Timeout\x1b[2J", "clock": 7},
    )  # fmt: skip
    lines = text(event_lines(LogPage(lines=[event]), LOOK, 80))
    assert "heard 2.00s later" in lines[0]
    assert lines[1:3] == ["  exception    Timeout␛[2J", "  clock        7"]


def test_a_message_shows_its_place_its_body_and_its_headers() -> None:
    message = Message(position=3, task="mail.send", args=[1], kwargs={}, headers={"lang": "py"}, size=812)
    lines = "\n".join(text(message_lines(message, 70)))
    assert "position" in lines and "812 B" in lines and "'lang': 'py'" in lines.replace('"', "'")


def test_each_field_names_its_source_and_its_cut() -> None:
    task = Task(
        id="a", name="mail.send", args=[1], sources={"args": "broker", "name": "event"}, truncated=["args"]
    )
    lines = text(source_lines(task, LOOK, 80))
    assert any(line.split() == ["args", "its", "message", "cut", "[1]"] for line in lines)
    assert any("Nobody told:" in line for line in lines)


def test_the_open_tab_stays_in_sight_when_there_are_many() -> None:
    page = Page((), tuple(f"tab-{n}-name" for n in range(9)), 8, ())
    line = "".join(part for part, _ in page.tab_line(40))
    assert "tab-8-name" in line and len(line) <= 40


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("2023-11-14T22:14:03.869733+00:00", "eta        22:14:03, in 43s e"),
        ("2023-11-14T22:13:00", "eta        22:13:00, 20s ago e"),
        ("2023-11-20T22:13:20+00:00", "eta        11-20 22:13, in 6d00h e"),
        ("soon \x1b[31m", "eta        soon ␛[31m e"),
    ],
)
def test_an_eta_is_told_in_the_terms_of_the_clock_and_nonsense_as_it_stands(told: str, shown: str) -> None:
    look = Look(1_700_000_000.0, utc=True)
    body = page(Task(id="t", eta=told, sources={"eta": "event"}), 0, look, 100).body
    assert any(shown in line for line in text(body)), text(body)
