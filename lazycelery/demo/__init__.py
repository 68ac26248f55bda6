"""A living cluster to look at: an own broker, real workers of three kinds, and customers.

Importing this loads neither Celery nor Redis; only the processes that it starts do.
"""

from __future__ import annotations

import contextlib
import difflib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lazycelery.demo import folder
from lazycelery.demo.embedded import CURE, start_broker
from lazycelery.demo.fleet import FLEETS, Fleet
from lazycelery.demo.group import ProcessGroup
from lazycelery.demo.signals import Stop
from lazycelery.errors import UsageError
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.model.text import clean

GRACE = 3.0
"""Seconds for workers on somebody else's broker to hand back what they hold."""
STARTING = 30.0
"""Seconds that its workers may take to start on a slow machine."""
LOOK = 0.5
"""Seconds between looks at the processes."""


def run(
    *,
    fleet: str = "shop",
    headless: bool = False,
    broker: str | None = None,
    seed: int | None = None,
    settings: Any = None,
) -> int:
    """Start a fleet, show it, and end all of it afterwards; returns an exit code.

    `headless` prints the broker's URL as the first line of stdout and runs until a signal comes.
    Otherwise the terminal UI is opened with `settings` (of `lazycelery.config`; their profile is
    pointed at the demo). `broker` is the URL of an existing Redis with an empty database; by default one is
    started. The same `seed` makes the same traffic.

    Raises `UsageError` for an unknown fleet, `LazyCeleryError` when there is no server to start, and
    `ConnectionProblem` or `Refused` when `broker` cannot be used.
    """
    _check_fleet(fleet)
    if broker is not None:
        from lazycelery.demo.foreign import claim

        claim(broker)
    if headless:
        with Stop() as stop, _group(broker) as group:
            url = broker or start_broker(group)
            return _wait(stop, Fleet(group, fleet, url, seed), group, url)
    with _group(broker) as group:
        url = broker or start_broker(group)
        Fleet(group, fleet, url, seed)
        return _show(settings, url, group.directory)


@contextlib.contextmanager
def _group(broker: str | None) -> Iterator[ProcessGroup]:
    group = ProcessGroup(grace=0.0 if broker is None else GRACE)
    try:
        yield group
    finally:
        group.end()


def _check_fleet(name: str) -> None:
    if name in FLEETS:
        return
    near = difflib.get_close_matches(name, FLEETS, 1)
    hint = f"Did you mean {near[0]}?" if near else f"There is: {', '.join(FLEETS)}."
    raise UsageError(f"There is no fleet called {name!r}.", hint)


def _show(settings: Any, url: str, directory: Path) -> int:
    from lazycelery.tui import run as run_tui

    profile: Profile = settings.profile
    profile.name, profile.broker, profile.backend = "demo", url, folder.backend(url)
    profile.history_dir = str(directory)  # It goes with the demo.
    # A toy cluster: what any profile may unlock, once W was pressed as anywhere else.
    profile.may_unlock = Profile().may_unlock
    profile.workers_grace = STARTING
    return run_tui(settings)


def _wait(stop: Stop, crew: Fleet, group: ProcessGroup, url: str) -> int:
    sys.stdout.write(f"{Redactor().url(url)}\n")
    sys.stdout.flush()
    if folder.is_folder(url):
        _say(f"No Valkey or Redis server was found: the broker is a folder, without priorities. {CURE}")
    _say(f"Starting {', '.join(crew.members)}. Ctrl-C ends all of them.")
    while not stop.within(LOOK):
        for name in crew.gone():
            _say(f"{name} has ended.{_last_words(group, name)}")
    return 0


def _last_words(group: ProcessGroup, name: str) -> str:
    lines = group.log(name).read_text(errors="replace").strip().splitlines()
    return f" Its last line: {clean(lines[-1])}" if lines else ""


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
