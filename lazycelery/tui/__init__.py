"""The terminal face. Only this room imports Textual, and only once `run` is called."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from lazycelery.errors import LazyCeleryError, UsageError
from lazycelery.model.faces import speak_to

if TYPE_CHECKING:
    from lazycelery.tui.link import EngineProcess, Spawn
    from lazycelery.tui.settings import Load, Settings

SWITCH = 0.0005
"""Seconds after which a thread that works lets others go on: the one that reads keys waits for it."""
INSTEAD = (
    "One-shot commands work anywhere: lazycelery status, workers, queues, tasks; add --json for scripts."
)


def run(
    settings: Settings,
    spawn: Spawn | None = None,
    *,
    load: Load | None = None,
    more: Sequence[str] = (),
    demo: Callable[[], int] | None = None,
) -> int:
    """Show the screen until a person quits; returns the exit code.

    `load` gives the settings of another profile, for switching; `more` are profiles to open behind the
    first. Where no broker is known, a start screen offers the profiles, and `demo`.

    The engine's process is started first, so that it loads while Textual does. Raises
    `LazyCeleryError` where there is no terminal, and `UsageError` for a keymap that cannot be.
    """
    from lazycelery.keys import keymap

    _check_terminal()
    # Textual would believe them, and not the terminal, for ever.
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    keys = keymap(settings.ui.keymap)
    start = spawn or _engine
    process = start() if settings.profile.broker else None
    sys.setswitchinterval(SWITCH)
    gc.disable()  # Nothing of what is loaded is garbage; `ControlRoom` turns it on again once all is there.
    from lazycelery.tui.app import ControlRoom
    from lazycelery.tui.multiplexer import in_gnu_screen

    app = ControlRoom(settings, start, keys, process, load=load, more=more, demo=demo is not None)
    speak_to("screen")
    try:
        app.run(mouse=settings.ui.mouse and not in_gnu_screen(os.environ))
    finally:
        speak_to("shell")
    if app.wants_demo and demo is not None:
        return demo()
    return exit_code(app.return_value, app.return_code)


def exit_code(given: int | None, returned: int | None) -> int:
    """What the screen ended with: the code it was given, else 1 where nobody asked it to end."""
    if given is not None:
        return given
    return 1 if returned is None else returned


def _engine() -> EngineProcess:
    from lazycelery.engine.client import spawn

    return cast("EngineProcess", spawn())


def _check_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("The screen needs a terminal, and this is a pipe or a file.", INSTEAD)
    term = os.environ.get("TERM", "")
    if term in ("", "dumb", "unknown") and os.name != "nt":
        named = f"TERM={term}" if term else "TERM is not set, which"
        raise LazyCeleryError(f"{named} promises no cursor movement; the screen cannot be drawn.", INSTEAD)
