"""Opening the terminal UI: only on a terminal that can show it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from lazycelery.cli.options import Said, said
from lazycelery.errors import UsageError

if TYPE_CHECKING:
    from lazycelery.config import Settings

_INSTEAD = (
    "For scripts and pipes there are commands: lazycelery status, tasks, events … See lazycelery --help."
)

_OF_ONE = ("LAZYCELERY_BROKER", "LAZYCELERY_BACKEND", "LAZYCELERY_PROFILE", "LAZYCELERY_ALLOW")
"""What the environment says of one broker, not of others."""


def open_screen(context: click.Context) -> int:
    """Load the settings and run the UI until it ends; returns its exit code."""
    require_terminal()
    from lazycelery.config import load

    words = said(context)
    if words.json:
        raise UsageError("--json needs a command: the screen is for people.", _INSTEAD)
    settings = load(words.config_options())
    if words.no_color:
        os.environ["NO_COLOR"] = "1"
    from lazycelery.tui import run

    return int(run(settings, load=lambda name: _settings_of(name, words), demo=lambda: _demo(words)))


def _settings_of(profile: str, words: Said) -> Settings:
    """Another profile's settings: what was said for the first broker alone does not go along."""
    from lazycelery.config import load

    options = words.config_options()
    options.profile, options.broker, options.backend, options.allow = profile, None, None, None
    environ = {name: value for name, value in os.environ.items() if name not in _OF_ONE}
    return load(options, environ)


def _demo(words: Said) -> int:
    from lazycelery.config import load
    from lazycelery.demo import run

    return run(settings=load(words.config_options(), cluster=False))


def require_terminal() -> None:
    """Raise `UsageError` where the screen cannot be shown."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("The screen needs a terminal; input or output is a pipe or a file.", _INSTEAD)
    if os.environ.get("TERM", "") in ("dumb", "unknown", "") and sys.platform != "win32":
        named = f"TERM={os.environ['TERM']}" if os.environ.get("TERM") else "TERM is not set"
        raise UsageError(
            f"This terminal cannot place a cursor ({named}).",
            f"export TERM=xterm-256color, if it can. {_INSTEAD}",
        )
