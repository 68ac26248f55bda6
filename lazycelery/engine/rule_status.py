"""Rules as faces ask for them beside a running engine: how they do, and letting a stopped one go on."""

from __future__ import annotations

from contextlib import closing

from lazycelery.engine.rule_book import RuleBook
from lazycelery.engine.rule_turn import told
from lazycelery.engine.rules import directory
from lazycelery.errors import NothingFound
from lazycelery.model.cluster import Notice
from lazycelery.model.profile import Profile
from lazycelery.model.rule import RuleStatus


def status(profile: Profile) -> list[RuleStatus]:
    """All rules of a profile; may block. Raises `OSError`, `sqlite3.Error`."""
    path = directory(profile) / "rules.sqlite3"
    found = [RuleStatus(name=rule.name) for rule in profile.rules]
    if path.exists():
        with closing(RuleBook(path)) as book:
            found = book.status([rule.name for rule in profile.rules])
    turn = told(directory(profile)) or None
    for one, rule in zip(found, profile.rules, strict=True):
        one.apply, one.turn = rule.apply, turn
    return found


def notices(profile: Profile) -> list[Notice]:
    """Who evaluates the rules of a profile that has some."""
    if not profile.rules:
        return []
    turn = told(directory(profile))
    title = f"Rules for failed tasks are {turn}." if turn else "Nobody on this machine evaluates the rules."
    hint = "" if turn else "`lazycelery watch` and `serve` do."
    return [Notice(code="rules", severity="info", title=title, hint=hint)]


def reset(profile: Profile, name: str) -> None:
    """Let a rule that stopped itself go on. Raises `NothingFound` when none of that name is stopped."""
    path = directory(profile) / "rules.sqlite3"
    if path.exists():
        with closing(RuleBook(path)) as book:
            if book.reset(name):
                return
    raise NothingFound(f"No rule {name} is stopped.", "`lazycelery rules list` tells how they do.")
