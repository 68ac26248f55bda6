"""What `watch` and `serve` share: a line a turn, for people, logs and programs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from lazycelery.cli.output import Output, to_json
from lazycelery.cli.words import date
from lazycelery.errors import LazyCeleryError
from lazycelery.model.text import clean
from lazycelery.signals import on_signal

if TYPE_CHECKING:
    from lazycelery.engine.api import EngineApi
    from lazycelery.model.alert import Turn
    from lazycelery.model.profile import Profile

LOOK = 10.0
"""Seconds for which one question waits for a turn."""
CLOSE = 0.8
"""Seconds that the end may take: what is on its way is kept on the disk, and a supervisor does not wait."""
_COLORS = {"critical": "red", "warning": "yellow"}
_WORDS = {"new": "NEW", "worse": "WORSE", "back": "BACK", "recovered": "RECOVERED", "remark": "NOTE"}


class Lines:
    """Prints turns. `named` puts the profile's name into each line for people; JSON always has it."""

    def __init__(self, output: Output, utc: bool = False, named: bool = False) -> None:
        self._output, self._utc, self._named = output, utc, named

    def tell(self, profile: str, turn: Turn) -> None:
        """One line, flushed."""
        text = self._json(profile, turn) if self._output.as_json else self._text(profile, turn)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def _json(self, profile: str, turn: Turn) -> str:
        told: dict[str, Any] = json.loads(to_json(turn))
        return json.dumps({"profile": profile, **told})

    def _text(self, profile: str, turn: Turn) -> str:
        finding = turn.finding
        level = finding.severity.upper() if finding is not None and turn.kind != "recovered" else ""
        what = turn.text
        if finding is not None:
            about = f" {finding.subject}" if finding.subject else ""
            what = f"{finding.code}{about}: {finding.title}"
        parts = [
            date(turn.at, self._utc),
            *([clean(profile, 40)] if self._named else []),
            f"{_WORDS[turn.kind]:<9}",
            f"{level:<8}",
        ]
        line = "  ".join(parts)
        if self._output.color and level.lower() in _COLORS:
            line = line.replace(level, click.style(level, fg=_COLORS[level.lower()]))
        return f"{line}  {clean(what, 500)}".rstrip()


async def follow(engine: EngineApi, profile: Profile, lines: Lines) -> None:
    """Print turns until cancelled. The end of the broker is a turn, not an end."""
    after = 0
    while True:
        page = await engine.turns(after, LOOK)
        if page.missed:
            lines.tell(profile.name, _remark(f"{page.missed} lines came faster than they could be printed."))
        for turn in page.turns:
            lines.tell(profile.name, turn)
        after = max(after, page.last)


def _remark(text: str) -> Turn:
    import time

    from lazycelery.model.alert import Turn

    return Turn(kind="remark", at=time.time(), text=text)


async def end(engines: list[EngineApi]) -> None:
    """Close all at once, within a second."""
    tasks = [asyncio.create_task(_closed(engine)) for engine in engines]
    if tasks:
        await asyncio.wait(tasks, timeout=CLOSE)


async def _closed(engine: EngineApi) -> None:
    with suppress(LazyCeleryError):
        await engine.close()


def until_told(stop: asyncio.Event, hangup: Callable[[], object] | None = None) -> None:
    """SIGTERM and Ctrl-C end in good order; SIGHUP does what `hangup` does, or ends too."""
    for name in ("SIGTERM", "SIGINT"):
        on_signal(name, lambda _: stop.set())
    hung_up = hangup or stop.set
    on_signal("SIGHUP", lambda _: hung_up())
