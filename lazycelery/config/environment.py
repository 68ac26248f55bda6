"""Settings from environment variables: `LAZYCELERY_<NAME>`, and Celery's own two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lazycelery.config.document import nearest
from lazycelery.config.schema import PROFILE, UI, Setting, Wrong
from lazycelery.errors import UsageError

PREFIX = "LAZYCELERY_"
CELERY = {"broker": "CELERY_BROKER_URL", "backend": "CELERY_RESULT_BACKEND"}
CHOICES = ("LAZYCELERY_PROFILE", "LAZYCELERY_CONFIG")

SETTINGS: dict[str, Setting] = {
    PREFIX + key.upper(): setting for key, setting in {**UI, **PROFILE}.items() if setting.environment
}
"""Variables that set one value each; lists are comma separated, yes and no are `1` and `0` too."""


def celery(environ: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    """(key, value, origin) of Celery's variables. An empty variable is one that is not set."""
    for key, name in CELERY.items():
        if environ.get(name):
            yield key, _parsed(name, PROFILE[key], environ[name]), f"${name}"


def own(environ: Mapping[str, str], cluster: bool = True) -> Iterator[tuple[str, Any, str]]:
    """(key, value, origin) of our variables; without `cluster` those of the screen only."""
    for name, setting in SETTINGS.items():
        key = name[len(PREFIX) :].lower()
        if environ.get(name) and (cluster or key in UI):
            yield key, _parsed(name, setting, environ[name]), f"${name}"


def unknown(environ: Mapping[str, str], used: frozenset[str]) -> list[str]:
    """Warnings about variables that look like ours and are not; `used` are those the file names."""
    known = {*SETTINGS, *CHOICES}
    strange = sorted(name for name in environ if name.startswith(PREFIX) and name not in known | used)
    return [
        f"${name} is not a setting. Did you mean {near}?"
        for name in strange
        if (near := nearest(name, known))
    ]


def _parsed(name: str, setting: Setting, text: str) -> Any:
    try:
        return setting.parse(text)
    except Wrong as wrong:
        raise UsageError(f"${name} should be {wrong.expected}.", wrong.hint) from None
