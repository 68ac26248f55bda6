"""Rules as faces ask for them beside a running engine: how they do, and letting a stopped one go on."""

from __future__ import annotations

import asyncio
import shlex
import sqlite3
import time
from contextlib import closing

from lazycelery.engine.rule_book import RuleBook
from lazycelery.engine.rule_turn import told
from lazycelery.engine.rules import directory
from lazycelery.errors import NothingFound
from lazycelery.model.cluster import Notice
from lazycelery.model.profile import Profile
from lazycelery.model.rule import RuleStatus

FRESH = 2.0
"""Seconds for which it need not be read again whether a rule has stopped."""


class RuleNotices:
    """What an overview tells of the rules of a profile: who evaluates them, and which have stopped."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._stopped: list[Notice] = []
        self._read: float | None = None

    async def all(self) -> list[Notice]:
        """Those that stopped first, at most two seconds old."""
        if not self._profile.rules:
            return []
        now = time.monotonic()
        if self._read is None or now - self._read >= FRESH:
            self._read = now
            self._stopped = await asyncio.to_thread(stopped, self._profile)
        return [*self._stopped, *notices(self._profile)]


def stopped(profile: Profile) -> list[Notice]:
    """A warning for each rule that stopped itself; may block."""
    path, found = directory(profile) / "rules.sqlite3", dict[str, tuple[float, str]]()
    try:
        if path.exists():
            with closing(RuleBook(path)) as book:
                found = book.stopped()
    except (OSError, sqlite3.Error) as problem:
        title = f"Whether a rule has stopped itself is not known: its file cannot be read ({problem})."
        return [Notice(code="rules-unread", severity="warning", title=title)]
    return [
        Notice(
            code="rule-stopped",
            severity="warning",
            title=f"Rule {rule.name} stopped itself: {found[rule.name][1]}.",
            subject=rule.name,
            since=found[rule.name][0],
            hint=f"`lazycelery rules reset {shlex.quote(rule.name)}` lets it go on; what was due stays due.",
        )
        for rule in profile.rules
        if rule.name in found
    ]


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
