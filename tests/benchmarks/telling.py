"""The real program, whose engine also writes down how it does: `python -m tests.benchmarks.telling …`.

Screen and engine are two processes as ever, with all of their code; only this module is told to the engine's
process in the place of `lazycelery.engine.__main__`. The lines go to the file that `$LAZYCELERY_TOLD` names.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import msgspec

EVERY = 0.5
"""Seconds between two lines."""
FILE = "LAZYCELERY_TOLD"


class Report(msgspec.Struct, kw_only=True):
    """What an engine tells of itself, out of its overview."""

    at: float
    """`time.monotonic`, the same in all processes of a machine, before the engine was asked."""
    tasks: int
    """Held, of all states."""
    events: int
    stage: int
    texts: int
    """Long texts let go."""
    successes: int
    """Tasks let go."""
    gaps: int
    """How often the events' connection was lost."""
    lag: float | None
    """Seconds from an event's timestamp to the engine, the median of the last events."""
    behind: int
    """Events that wait to be written to the history."""
    dropped: int
    """Events that could not be written."""
    lean: int
    """Tasks written without their texts so far."""
    loading: bool
    """Tasks of the history are still read."""

    @property
    def let_go(self) -> int:
        return self.texts + self.successes


def reports(file: Path) -> list[Report]:
    """All that was told so far, oldest first."""
    try:
        lines = file.read_bytes().split(b"\n")[:-1]  # What follows the last line's end is still written.
    except FileNotFoundError:
        return []
    return [msgspec.json.decode(line, type=Report) for line in lines]


def latest(file: Path) -> Report | None:
    told = reports(file)
    return told[-1] if told else None


def screen() -> None:
    """The program, with another engine's first line."""
    from lazycelery.cli import main
    from lazycelery.engine import client

    client.BOOT = client.BOOT.replace(
        "from lazycelery.engine.__main__ import main; main()",
        "from tests.benchmarks.telling import engine; engine()",
    )
    assert "telling" in client.BOOT
    sys.exit(main())


def engine() -> None:
    """The engine's process."""
    from lazycelery.engine import __main__ as process
    from lazycelery.engine import server
    from lazycelery.engine.engine import Engine

    class Telling(Engine):
        async def start(self) -> None:
            await super().start()
            self.telling = asyncio.create_task(_tell(self, Path(os.environ[FILE])))

    async def _tell(engine: Engine, file: Path) -> None:
        with file.open("ab", buffering=0) as out:
            while True:
                await asyncio.sleep(EVERY)
                at, now = time.monotonic(), await engine.overview()
                report = Report(
                    at=at,
                    tasks=now.tasks_total,
                    events=now.events_seen,
                    stage=now.relief.stage,
                    texts=now.relief.texts,
                    successes=now.relief.successes,
                    gaps=sum(source.gaps for source in now.sources if source.name == "events"),
                    lag=now.lag,
                    behind=now.history.behind,
                    dropped=now.history.dropped,
                    lean=now.history.lean,
                    loading=now.history.loading,
                )
                out.write(msgspec.json.encode(report) + b"\n")

    server.Engine = Telling  # type: ignore[attr-defined]
    process.main()


if __name__ == "__main__":
    screen()
