"""Alerts as faces ask for them beside a running engine: where they go, what waits, and a test."""

from __future__ import annotations

import time
import uuid
from contextlib import closing

import msgspec

from lazycelery.alerts import payload
from lazycelery.alerts.delivery import deliver, place
from lazycelery.alerts.outbox import MOST, Outbox
from lazycelery.engine.vigil import directory
from lazycelery.errors import LazyCeleryError, NothingFound
from lazycelery.model.alert import AlertTarget
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor


class TargetStatus(msgspec.Struct, kw_only=True):
    """One target, and what waits for it."""

    name: str
    place: str
    """Without what may be secret in a URL."""
    least: str
    codes: list[str]
    waiting: int | None
    """`None` where it cannot be read."""
    oldest: float | None = None
    """Epoch seconds of the oldest alert that waits."""
    dropped: int = 0
    """Alerts that had to go and of which the target was not told yet."""


def status(profile: Profile) -> list[TargetStatus]:
    """All targets of a profile. Reads the outbox, and makes none; may block."""
    path = directory(profile) / "alerts.sqlite3"
    if not path.exists():
        return [_status(target, 0) for target in profile.alerts]
    try:
        with closing(Outbox(path)) as outbox:
            found = []
            for target in profile.alerts:
                waiting, dropped = outbox.waiting(target.name, MOST)
                oldest = waiting[0].at if waiting else None
                found.append(_status(target, len(waiting), oldest, dropped))
            return found
    except Exception:  # sqlite3.Error, OSError: what cannot be read is not known.
        return [_status(target, None) for target in profile.alerts]


def _status(
    target: AlertTarget, waiting: int | None, oldest: float | None = None, dropped: int = 0
) -> TargetStatus:
    return TargetStatus(
        name=target.name,
        place=place(target),
        least=target.least,
        codes=target.codes,
        waiting=waiting,
        oldest=oldest,
        dropped=dropped,
    )


def send_test(profile: Profile, name: str) -> str:
    """Send a test to one target, once; returns what was done. May block for its timeout.

    Raises `NothingFound` for an unknown name, `LazyCeleryError` when it was not taken.
    """
    target = next((one for one in profile.alerts if one.name == name), None)
    if target is None:
        names = ", ".join(one.name for one in profile.alerts)
        raise NothingFound(
            f"The profile {profile.name} has no alerts called {name}.", f"It has: {names}." if names else ""
        )
    redactor = Redactor(profile.redact, defaults=profile.redact_default)
    item = payload.item(payload.example(profile.name), uuid.uuid4().hex, time.time(), redactor)
    message = payload.message(item["id"], profile.name, redactor.url(profile.broker), [item], 0)
    result = deliver(target, message)
    if result.problem:
        raise LazyCeleryError(
            f"{name} ({place(target)}) did not take the test: {result.problem}.", "Nothing else was sent."
        )
    return f"{name} ({place(target)}) took the test."
