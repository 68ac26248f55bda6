"""Which rule counts, when it begins, when it stops; and what a book remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from lazycelery.config import Options, load
from lazycelery.engine.rule_book import KEPT, RuleBook
from lazycelery.engine.rule_status import reset, status
from lazycelery.engine.rules import directory
from lazycelery.errors import NothingFound, UsageError
from lazycelery.insight.rules import Breaker, Failures, fitting, pause
from lazycelery.model.profile import Profile
from lazycelery.model.rule import Rule, Run


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


def test_a_stopped_rule_is_told_and_reset() -> None:
    profile = Profile(broker="redis://b/0", rules=[Rule(name="a")])
    with pytest.raises(NothingFound):
        reset(profile, "a")
    assert [one.stopped for one in status(profile)] == [None]
    book = RuleBook(directory(profile) / "rules.sqlite3")
    book.stop("a", 11.0, "in vain")
    assert [(one.stopped, one.why) for one in status(profile)] == [(11.0, "in vain")]
    reset(profile, "a")
    assert [one.stopped for one in status(profile)] == [None]


@pytest.mark.parametrize(
    "body", ['name = ""', 'name = "a"\nmost = 0', 'name = "a"\nretry = 3', 'name = "a"\nwithin = 0']
)
def test_what_is_wrong_in_a_rule_is_told(tmp_path: Path, body: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f'[profiles.a]\nbroker = "redis://b/0"\n[[profiles.a.rules]]\n{body}\n')
    with pytest.raises(UsageError, match="rules should be"):
        load(Options(config=str(path)), {})
