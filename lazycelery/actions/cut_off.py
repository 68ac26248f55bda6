"""Purges, moves and deletions that were cut off by a crash: their backups still end in `.part`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lazycelery.actions import planfiles
from lazycelery.actions.backup import LONGEST_LINE, Header, default_path
from lazycelery.actions.files import being_written
from lazycelery.actions.saving import restore_command
from lazycelery.model.profile import Profile

MOST = 100
"""Files that are looked at."""
LONGEST_HEADER = 64 * 1024
MENDED = ".mended"
"""What the end of a `.part` becomes when all of it was put right."""
_HEADER = msgspec.json.Decoder(Header)


class CutOff(msgspec.Struct, kw_only=True):
    """One action that was cut off."""

    path: str
    action: str
    queue: str
    at: float

    @property
    def title(self) -> str:
        """What happened, as a sentence."""
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.at))
        return f"A {self.action} of {self.queue} was cut off ({when})."

    @property
    def hint(self) -> str:
        """What mends it."""
        return f"`{restore_command(Path(self.path))}` tells what it left behind, and mends it."


def find(profile: Profile, broker: str) -> list[CutOff]:
    """Those of this broker, oldest first, as far as their backups are in the usual place. Never raises.

    What a plan file goes on with is told by that."""
    directory = default_path(profile, "any", 0.0).parent
    every = [found for path in _parts(directory) if (found := _read(path, broker)) is not None]
    planned = planfiles.backups() if every else set()
    return [each for each in every if each.path not in planned]


def mended(path: Path) -> Path:
    """Note that a `.part` was put right; returns its new name. An export or a whole backup stays as it is."""
    if path.suffix != ".part":
        return path
    planfiles.taken_back(path)
    target = path.with_name(path.name.removesuffix(".part") + MENDED)
    if target.exists():
        return path
    try:
        return path.rename(target)
    except OSError:
        return path


def _parts(directory: Path) -> Iterator[Path]:
    try:
        yield from sorted(directory.glob("*.ndjson.part"))[-MOST:]
    except OSError:
        return


def _read(path: Path, broker: str) -> CutOff | None:
    try:
        if being_written(path):
            return None
        with path.open("rb") as file:
            header = _HEADER.decode(file.readline(min(LONGEST_HEADER, LONGEST_LINE)))
            empty = not file.read(1)
    except (OSError, msgspec.MsgspecError):
        return None
    if header.broker != broker or header.action == "export" or (empty and header.action != "purge"):
        return None
    return CutOff(path=str(path), action=header.action, queue=header.queue, at=header.time)
