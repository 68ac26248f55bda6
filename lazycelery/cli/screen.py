"""Opening the terminal UI: only on a terminal that can show it."""

from __future__ import annotations

import gc
import os
import sys

import click

from lazycelery.cli import several
from lazycelery.cli.options import Said, said
from lazycelery.cli.session import set_recording
from lazycelery.errors import UsageError

_INSTEAD = (
    "For scripts and pipes there are commands: lazycelery status, tasks, events … See lazycelery --help."
)


def open_screen(context: click.Context) -> int:
    """Load the settings and run the UI until it ends; returns its exit code."""
    require_terminal()
    gc.disable()  # Settings and their checks are no garbage either; see `lazycelery.tui.run`.
    from lazycelery.config import load

    words = said(context)
    if words.json:
        raise UsageError("--json needs a command: the screen is for people.", _INSTEAD)
    names = several.named(words)
    settings = several.settings_of(names[0], words) if names else load(words.config_options())
    several.check(names, settings)
    if names and words.record:
        raise UsageError("--record records one cluster.", "Name one profile.")
    set_recording(words, settings)
    if words.no_color:
        os.environ["NO_COLOR"] = "1"
    from lazycelery.tui import run

    return int(
        run(
            settings,
            load=lambda name: several.settings_of(name, words),
            more=names[1:],
            demo=lambda: _demo(words),
        )
    )


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
