"""How far something is that takes its time, on stderr: a file that grows, targets that are done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lazycelery.cli.output import Output
from lazycelery.cli.words import duration, size

if TYPE_CHECKING:
    from lazycelery.engine.api import EngineApi
    from lazycelery.model.bulk import Progress

PACE = 2.0
"""Seconds between two lines; what is shorter needs none."""


@asynccontextmanager
async def growing(path: Path, output: Output) -> AsyncIterator[None]:
    """Tell of a backup (its part, while it is written) how much of it there is, now and then."""
    async with _beside(_tell(path.with_name(path.name + ".part"), output)):
        yield


@asynccontextmanager
async def told(engine: EngineApi, output: Output) -> AsyncIterator[None]:
    """Tell how many targets are done of what goes page by page, now and then."""
    async with _beside(_count(engine, output)):
        yield


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    telling = asyncio.create_task(work)
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError, Exception):  # Telling hides no outcome.
            await telling


async def _tell(part: Path, output: Output) -> None:
    said = 0
    while True:
        await asyncio.sleep(PACE)
        if (grown := _size_of(part)) and grown != said:
            said = grown
            output.note(f"{size(said)} written …")


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


async def _count(engine: EngineApi, output: Output) -> None:
    while True:
        await asyncio.sleep(PACE)
        for one in await engine.progress():
            if one.done < one.total:
                output.note(far(one, time.time()))


def far(one: Progress, now: float) -> str:
    """`120 of 300 done, about 18 s left …`"""
    doubt = f", {one.unknown:,} in doubt" if one.unknown else ""
    gone = now - one.began
    left = gone / one.done * (one.total - one.done) if one.done and gone > 0 else None
    takes = f", about {duration(left)} left" if left is not None and not one.halting else ""
    return f"{one.done:,} of {one.total:,} done{doubt}{takes} …"
