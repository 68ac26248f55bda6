"""Several profiles at once: each with its own settings, none with what was said for another."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lazycelery.cli.options import Said
from lazycelery.errors import UsageError

if TYPE_CHECKING:
    from lazycelery.config import Settings

_OF_ONE = tuple(f"LAZYCELERY_{name}" for name in ("BROKER", "BACKEND", "BEAT", "PROFILE", "ALLOW"))
"""What the environment says of one broker, not of others."""


def named(words: Said) -> list[str]:
    """The profiles that were named, when they are several; else an empty list.

    Raises `UsageError` for options that can be meant for one of them only.
    """
    names: list[str] = words.profiles or []
    if len(names) < 2:
        return []
    for name in ("broker", "backend", "beat", "allow"):
        if words.values.get(name):
            raise UsageError(
                f"--{name} with several profiles: it is not said for which one.",
                f"Put {name} into the profile, or name one profile.",
            )
    return names


def settings_of(profile: str, words: Said) -> Settings:
    """Another profile's settings: what was said for the first broker alone does not go along."""
    from lazycelery.config import Options, load

    names = ("config", "read_only", "timeout", "enable_events")
    options = Options(profile=profile, **{name: words.values[name] for name in names if name in words.values})
    return load(options, {name: value for name, value in os.environ.items() if name not in _OF_ONE})


def check(names: list[str], settings: Settings) -> None:
    """Raise `UsageError` for a name that is no profile, before anything is opened."""
    from lazycelery.config.document import did_you_mean

    for name in names:
        if name not in settings.profiles:
            listed = f"It has: {', '.join(settings.profiles)}."
            raise UsageError(
                f"{settings.source} has no profile {name}.", did_you_mean(name, settings.profiles, listed)
            )
