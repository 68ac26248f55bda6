"""Where a schedule is kept beside the application: said by a person, told by the workers, or, for RedBeat,
beside the messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lazycelery.model.beat import SchedulerName, SchedulerState
from lazycelery.model.faces import by_face
from lazycelery.model.profile import Profile
from lazycelery.sources import REDIS, scheme_of

MASK = "**"
DJANGO = "Its entries are in Django's database, whose address workers do not tell."
DATABASE = "postgresql://…"
ELSEWHERE = "The workers mask where RedBeat keeps its schedule."
NO_SWITCH = (
    "Beat reads these entries from the application's settings when it starts, and keeps its own notes in a "
    "file: they can be changed only there."
)


class Choice(NamedTuple):
    """A URL to look at."""

    url: str | None
    certain: bool
    """False: it is only where RedBeat would be, if it is used at all."""


def schedules_url(conf: Mapping[str, Any], profile: Profile) -> Choice:
    """Where to look, `None` for nowhere."""
    if profile.beat:
        return Choice(profile.beat, True)
    told = conf.get("redbeat_redis_url")
    if isinstance(told, str) and scheme_of(told) in REDIS and MASK not in told:
        return Choice(told, True)
    beside = scheme_of(profile.broker) in REDIS and not told
    return Choice(profile.broker if beside else None, "redbeat" in scheduler_of(conf))


def hidden(conf: Mapping[str, Any], profile: Profile) -> SchedulerState | None:
    """A scheduler that is in use, by the workers' settings, and that nobody told us how to reach."""
    used = scheduler_of(conf)
    if profile.beat:
        return None
    if "django_celery_beat" in used:
        return _off("django", DJANGO, _give(DATABASE))
    if "redbeat" in used and schedules_url(conf, profile).url is None:
        return _off("redbeat", ELSEWHERE, _give("redis://…"))
    return None


def scheduler_of(conf: Mapping[str, Any]) -> str:
    """`beat_scheduler` as the settings name it; empty when only beat's command line does."""
    named = conf.get("beat_scheduler")
    return named if isinstance(named, str) else ""


def _off(name: SchedulerName, reason: str, hint: str) -> SchedulerState:
    return SchedulerState(name=name, place="", state="off", reason=reason, hint=hint)


def _give(url: str) -> str:
    return by_face(
        f"Give its URL: --beat {url}, or beat in the profile.",
        f'Give its URL in the profile: beat = "{url}".',
    )
