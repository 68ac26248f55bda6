"""Which rule counts, when it begins, when it stops; and what a book remembers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lazycelery.actions.audit import AuditLog
from lazycelery.config import Options, load
from lazycelery.engine import rule_status
from lazycelery.engine.engine import Engine
from lazycelery.engine.rule_book import KEPT, RuleBook
from lazycelery.engine.rule_status import reset, status, stopped
from lazycelery.engine.rules import Rules, directory
from lazycelery.errors import LazyCeleryError, NothingFound, UsageError
from lazycelery.insight.rules import MOST_NAMES, Breaker, Failures, fitting, pause
from lazycelery.model.action import AuditEntry, Order, Plan
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.model.rule import Rule, Run, RunState
from lazycelery.model.task import Dealt, Task


def test_the_first_rule_that_fits_counts() -> None:
    rules = [Rule(name="a", task="shop.*", error="TimeoutError*"), Rule(name="b", task="shop.charge")]
    assert fitting(rules, "shop.charge", "TimeoutError('x')") is rules[0]
    assert fitting(rules, "shop.charge", "ValueError('x')") is rules[1]
    assert fitting(rules, "mail.send", "TimeoutError('x')") is None


def test_a_rule_begins_with_so_many_failures_of_a_task_within_its_time() -> None:
    failures, rule = Failures(), Rule(name="a", failures=3, within=60)
    assert [failures.note(rule, "shop.a", at) for at in (0, 50, 100)] == [False, False, False]
    assert not failures.note(rule, "shop.b", 101), "another task is counted for itself"
    assert failures.note(rule, "shop.a", 102)


def test_names_without_end_are_not_remembered_without_end() -> None:
    failures, rule = Failures(), Rule(name="a", failures=2, within=60)
    failures.note(rule, "shop.often", 0)
    for n in range(MOST_NAMES - 1):
        failures.note(rule, f"name-{n}", 1)
    assert failures.note(rule, "shop.often", 2)
    for n in range(MOST_NAMES - 1):
        failures.note(rule, f"other-{n}", 3)
    assert failures.note(rule, "shop.often", 4), "what is heard of often stays"
    assert not failures.note(rule, "name-0", 4) and len(failures._times) == MOST_NAMES


def test_each_retry_waits_twice_as_long() -> None:
    rule = Rule(name="a", backoff=10)
    assert [pause(rule, tries) for tries in (0, 1, 2)] == [10, 20, 40]


def test_a_rule_that_does_too_much_or_in_vain_stops() -> None:
    breaker, rule = Breaker(), Rule(name="a", most=3, give_up=2)
    assert [breaker.decides(rule, at) for at in (0, 1, 2)] == ["", "", ""]
    assert breaker.decides(rule, 59) == "more than 3 decisions in a minute"
    assert breaker.decides(rule, 61) == ""
    assert breaker.failed_again(rule) == ""
    breaker.mended("a")
    assert breaker.failed_again(rule) == ""
    assert breaker.failed_again(rule) == "2 retries in a row failed again"


def test_a_clock_that_is_set_begins_and_stops_no_rule() -> None:
    failures, breaker, rule = Failures(), Breaker(), Rule(name="a", failures=2, within=60, most=2)
    assert not failures.note(rule, "shop.a", 10_000)
    assert breaker.decides(rule, 10_000) == breaker.decides(rule, 10_001) == ""
    for each in (failures, breaker):
        each.clock_set(-5000)
    assert not failures.note(rule, "shop.a", 5070), "70 s later"
    assert failures.note(rule, "shop.a", 5080)
    assert breaker.decides(rule, 5070) == breaker.decides(rule, 5071) == ""
    assert breaker.decides(rule, 5072)


def test_what_is_due_waits_as_long_as_it_would_have_when_the_clock_is_set(tmp_path: Path) -> None:
    book = RuleBook(tmp_path / "rules.sqlite3")
    book.put(Run(root="r", last="l", rule="a", name="shop.a", error="E", state="due", due=1010.0, at=1000.0))
    book.put(Run(root="s", last="m", rule="a", name="shop.a", error="E", state="mended", at=1000.0))
    book.clock_set(-900.0)
    assert book.due(109, 5) == [] and [run.root for run in book.due(110, 5)] == ["r"]
    book.clock_set(2 * KEPT)
    book.forget(2 * KEPT + 200)
    assert book.of("s") is not None, "it is no older than it was"
    book.close()


async def test_rules_tell_their_book_that_the_clock_was_set_until_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = Profile(broker="redis://127.0.0.1:1/0", rules=[Rule(name="a")])
    nobody: Any = None
    clock = [1001.0]
    rules = Rules(profile, nobody, nobody, nobody, Redactor([]), lambda: clock[0], lambda _said: None, nobody)
    rules._book = RuleBook(tmp_path / "rules.sqlite3")
    rules._book.put(
        Run(root="r", last="l", rule="a", name="shop.a", error="E", state="due", due=1010.0, at=1000.0)
    )
    clock[0] = 101.0
    rules.clock_set(-900.0)
    write = rules._book.clock_set

    def locked(_by: float) -> None:
        rules.clock_set(-10.0)  # Set again meanwhile.
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(rules._book, "clock_set", locked)
    with pytest.raises(sqlite3.OperationalError):
        await rules._round()
    monkeypatch.setattr(rules._book, "clock_set", write)
    clock[0] = 91.0
    await rules._round()
    await rules._round()
    known = rules._book.of("r")
    assert known is not None and (known.due, known.at) == (100.0, 90.0)
    rules._book.close()


async def test_a_failure_in_the_round_in_which_the_clock_is_set_is_dated_once(tmp_path: Path) -> None:
    profile = Profile(broker="redis://127.0.0.1:1/0", rules=[Rule(name="a", backoff=10)])
    nobody: Any = None
    store: Any = SimpleNamespace(task=lambda id, _now: Task(id=id, name="shop.a", error="E"))

    def clock() -> float:
        if steps:
            rules.clock_set(steps.pop())
        return 101.0

    steps: list[float] = []
    rules = Rules(profile, store, nobody, nobody, Redactor([]), clock, lambda _said: None, nobody)
    rules._book = RuleBook(tmp_path / "rules.sqlite3")
    steps.append(-900.0)
    await rules._failed("r")
    await rules._redate()
    known = rules._book.of("r")
    assert known is not None and (known.due, known.at) == (111.0, 101.0)
    rules._book.close()


def test_the_book_is_private_and_knows_what_is_due(tmp_path: Path) -> None:
    book = RuleBook(tmp_path / "x" / "rules.sqlite3")
    assert (tmp_path / "x" / "rules.sqlite3").stat().st_mode & 0o777 == 0o600
    run = Run(root="r", last="l", rule="a", name="shop.a", error="E", state="due", due=10.0, at=5.0)
    book.put(run)
    assert book.of("l") == book.of("r") == run
    assert book.due(9, 5) == [] and book.due(10, 5) == [run]
    book.stop("a", 11.0, "in vain")
    assert book.due(10, 5) == [] and book.stopped() == {"a": (11.0, "in vain")}
    assert book.reset("a") and not book.reset("a") and book.due(10, 5) == [run]
    book.forget(10 * KEPT)
    assert book.of("r") == run, "what is due is never forgotten"
    run.state = "mended"
    book.put(run)
    book.forget(10 * KEPT)
    assert book.of("r") is None
    book.close()


def test_what_was_heard_of_last_long_ago_is_forgotten(tmp_path: Path) -> None:
    book = RuleBook(tmp_path / "rules.sqlite3")
    for state in ("waiting", "retried", "due", "trying"):
        book.put(Run(root=state, last="l", rule="a", name="shop.a", error="E", state=state, at=5.0))  # type: ignore[arg-type]
    book.forget(KEPT)
    assert all(book.of(state) for state in ("waiting", "retried", "due", "trying"))
    book.forget(KEPT + 6)
    assert [s for s in ("waiting", "retried", "due", "trying") if book.of(s)] == ["due", "trying"]
    book.close()


def test_what_is_due_of_a_stopped_rule_does_not_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazycelery.engine.rule_book.MOST", 3)
    book = RuleBook(tmp_path / "rules.sqlite3")
    for n in range(5):
        book.put(Run(root=f"r{n}", last="l", rule="a", name="shop.a", error="E", state="due", at=float(n)))
    assert (book.forget(10.0), book.forget(10.0)) == (2, 0)
    assert [bool(book.of(f"r{n}")) for n in range(5)] == [False, False, True, True, True]
    book.close()


class Room:
    """Rules with a book and an audit log, whose actions must not be asked for anything."""

    def __init__(self, tmp_path: Path) -> None:
        profile = Profile(
            broker="redis://b/0", rules=[Rule(name="r", apply=True)], audit_file=str(tmp_path / "audit")
        )
        self.said: list[str] = []
        self.planned: list[Order] = []
        self.tasks: dict[str, Task] = {}
        self.audit = AuditLog(profile)
        self.rules = Rules(
            profile,
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.audit,
            Redactor(),
            lambda: 100.0,
            self.said.append,
            self,  # type: ignore[arg-type]
        )
        self.book = self.rules._book = RuleBook(tmp_path / "rules.sqlite3")
        self.put("due")

    def put(self, state: RunState) -> None:
        self.book.put(Run(root="id-1", last="id-1", rule="r", name="shop.a", error="E", state=state, at=50.0))

    def task(self, id: str, now: float) -> Task | None:
        return self.tasks.get(id)

    async def plan(self, order: Order) -> Plan:
        self.planned.append(order)
        raise LazyCeleryError("No.")

    def log(self, action: str, at: float, outcome: str, **plan: Any) -> None:
        self.audit.append(
            AuditEntry(
                time=at,
                user="u",
                host="h",
                profile="p",
                broker="redis://b/0",
                action=action,
                title="t",
                targets=["id-1"],
                plan=plan,
                outcome=outcome,
            )
        )

    def state(self) -> str:
        run = self.book.of("id-1")
        assert run is not None
        return run.state


async def test_what_a_person_retried_meanwhile_is_not_retried_again(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.log("retry", 60.0, "intent")
    room.log("retry", 61.0, "done", done=1, new_ids={"id-1": "abcdef12-3"})
    await room.rules._round()
    assert room.planned == [] and room.state() == "left"
    assert "it was retried meanwhile, as abcdef12" in room.said[-1]


async def test_a_clock_set_ahead_hides_no_retry_that_a_person_began_before(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.log("retry", 60.0, "done", done=1, new_ids={"id-1": "abcdef12-3"})
    room.rules._clock = lambda: 3700.0
    room.rules.clock_set(3600.0)
    await room.rules._round()
    assert room.planned == [] and room.state() == "left"


async def test_a_clock_set_ahead_makes_no_retry_newer_than_the_failure_after_it(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.log("retry", 40.0, "done", done=1, new_ids={"id-1": "abcdef12-3"})
    room.rules._clock = lambda: 3700.0
    room.rules.clock_set(3600.0)
    await room.rules._round()
    assert [order.targets for order in room.planned] == [["id-1"]]


@pytest.mark.parametrize("at, done", [(60.0, 0), (40.0, 1)], ids=["nothing done", "before it failed"])
async def test_what_a_person_did_not_do_hinders_no_retry(tmp_path: Path, at: float, done: int) -> None:
    room = Room(tmp_path)
    room.log("retry", at, "done" if done else "refused", done=done)
    await room.rules._round()
    assert [order.targets for order in room.planned] == [["id-1"]]


async def test_what_a_person_has_dealt_with_is_left(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.tasks["id-1"] = Task(id="id-1", state="failure", dealt=Dealt(at=60.0, by="ada@ops1"))
    await room.rules._round()
    assert room.planned == [] and room.state() == "left" and "ada@ops1 has dealt with it" in room.said[-1]


async def test_events_without_end_do_not_hold_up_what_is_due(tmp_path: Path) -> None:
    room = Room(tmp_path)
    looked = 0

    async def more(id: str) -> None:
        nonlocal looked
        looked += 1
        if looked < 500:
            room.rules._heard.append((id, True))

    room.rules._succeeded = more  # type: ignore[method-assign]
    room.rules._heard.append(("id-2", True))
    await room.rules._round()
    assert looked == 1 and len(room.planned) == 1


async def test_a_turn_that_is_over_ends_a_long_round(tmp_path: Path) -> None:
    """It is asked for between events too, not only between rounds."""
    room, asked = Room(tmp_path), iter((True, True, False))

    async def still(at_once: bool = False) -> bool:
        return next(asked)

    room.rules._turn.still = still  # type: ignore[method-assign]
    room.rules._heard.extend((f"id-{number}", True) for number in range(2, 7))
    await room.rules._round()
    assert len(room.rules._heard) == 3 and room.planned == [] and room.state() == "due"


async def test_what_was_set_aside_when_the_process_ended_is_not_set_aside_twice(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.put("trying")
    room.log("export", 60.0, "done")
    (run,) = room.book.interrupted()
    await room.rules._take_up(run)
    assert room.state() == "aside"


def test_a_stopped_rule_is_told_and_reset() -> None:
    profile = Profile(broker="redis://b/0", rules=[Rule(name="a")])
    with pytest.raises(NothingFound):
        reset(profile, "a")
    assert [one.stopped for one in status(profile)] == [None]
    book = RuleBook(directory(profile) / "rules.sqlite3")
    book.stop("a", 11.0, "in vain")
    assert [(one.stopped, one.why) for one in status(profile)] == [(11.0, "in vain")]
    (told,) = stopped(profile)
    assert (told.code, told.severity, told.since) == ("rule-stopped", "warning", 11.0)
    assert told.title == "Rule a stopped itself: in vain." and "`lazycelery rules reset a`" in told.hint
    reset(profile, "a")
    assert [one.stopped for one in status(profile)] == [None] and stopped(profile) == []
    book.close()
    (directory(profile) / "rules.sqlite3").write_bytes(b"no database " * 100)
    (told,) = stopped(profile)
    assert told.code == "rules-unread" and "is not known" in told.title


async def test_the_overview_tells_of_a_stopped_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = Profile(broker="memory://", rules=[Rule(name="a"), Rule(name="b")])
    with closing(RuleBook(directory(profile) / "rules.sqlite3")) as book:
        engine = Engine(profile)
        first = [notice.code for notice in (await engine.overview()).notices]
        assert "rules" in first and "rule-stopped" not in first
        book.stop("b", 11.0, "in vain")
        monkeypatch.setattr(rule_status, "FRESH", 0.0)
        told = [notice for notice in (await engine.overview()).notices if notice.code == "rule-stopped"]
        assert [notice.subject for notice in told] == ["b"]
        reset(profile, "b")
        assert "rule-stopped" not in [notice.code for notice in (await engine.overview()).notices]
        await engine.close()


@pytest.mark.parametrize(
    "body", ['name = ""', 'name = "a"\nmost = 0', 'name = "a"\nretry = 3', 'name = "a"\nwithin = 0']
)
def test_what_is_wrong_in_a_rule_is_told(tmp_path: Path, body: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f'[profiles.a]\nbroker = "redis://b/0"\n[[profiles.a.rules]]\n{body}\n')
    with pytest.raises(UsageError, match="rules should be"):
        load(Options(config=str(path)), {})
