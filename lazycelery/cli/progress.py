"""How far a file has grown that is being written, on stderr."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from lazycelery.cli.output import Output
from lazycelery.cli.words import size

PACE = 2.0
"""Seconds between two lines; what is shorter needs none."""


@asynccontextmanager
async def growing(path: Path, output: Output) -> AsyncIterator[None]:
    """Tell of a backup (its part, while it is written) how much of it there is, now and then."""
    telling = asyncio.create_task(_tell(path.with_name(path.name + ".part"), output))
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
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
