"""Where beat's schedules are kept: the workers' settings, RedBeat, django-celery-beat."""

from __future__ import annotations

from lazycelery.errors import UsageError
from lazycelery.model.profile import Profile
from lazycelery.sources import REDIS, scheme_of
from lazycelery.sources.protocols.schedules import Schedules

MOST = 1000
"""Entries that are read of one scheduler."""
EXAMPLE = "For example beat = redis://host:6379/2 (RedBeat), or postgresql://host/app (django-celery-beat)."


def open_schedules(url: str, profile: Profile) -> Schedules:
    """The scheduler behind a URL, not yet connected. Raises `UsageError`, without credentials."""
    if "://" not in url:
        raise UsageError("What beat names is no URL.", EXAMPLE)
    scheme = scheme_of(url)
    if scheme in REDIS:
        from lazycelery.sources.beat.redbeat import RedBeat

        return RedBeat(url, profile)
    from lazycelery.sources.beat.django import KINDS, PREFIXES, DjangoBeat

    bare = next((url.removeprefix(each) for each in PREFIXES if url.startswith(each)), url)
    if scheme_of(bare).partition("+")[0] in KINDS:
        return DjangoBeat(url, profile)
    raise UsageError(f"Beat's schedule is not read from {scheme[:30] or 'this'}://.", EXAMPLE)
