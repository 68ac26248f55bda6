"""Purges, moves and deletions that were cut off by a crash: their backups still end in `.part`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec

from lazycelery.actions import planfiles
from lazycelery.actions.backup import LONGEST_LINE, BackupFile, Header, default_path
from lazycelery.actions.bulk import resume_command
from lazycelery.actions.files import being_written
from lazycelery.actions.saving import restore_command
from lazycelery.model.action import ActionName
from lazycelery.model.bulk import Bulk
from lazycelery.model.faces import by_face
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
    action: ActionName
    queue: str
    at: float
    to: str = ""
    whole: bool = False
    """It can be gone on with: all of the queue was meant."""

    @property
    def id(self) -> str:
        """By this it is resumed, as a plan is."""
        return hashlib.sha256(self.path.encode()).hexdigest()[:8]

    @property
    def title(self) -> str:
        """What happened, as a sentence."""
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.at))
        return f"A {self.action} of {self.queue} was cut off ({when})."

    @property
    def hint(self) -> str:
        """What mends it."""
        mends = f"`{restore_command(Path(self.path))}` tells what it left behind, and mends it"
        rest = f"`{resume_command(self.id, self.action)}` goes on with it, " if self.whole else ""
        return by_face(f"{rest}{mends}.", f"{':bulk goes on with it. ' if rest else ''}{mends}.")


def find(profile: Profile, broker: str) -> list[CutOff]:
    """Those of this broker, oldest first, as far as their backups are in the usual place. Never raises.

    What a plan file goes on with is told by that."""
    directory = default_path(profile, "any", 0.0).parent
    every = [found for path in _parts(directory) if (found := _read(path, broker)) is not None]
    planned = planfiles.backups() if every else set()
    return [each for each in every if each.path not in planned]


def of(profile: Profile, broker: str, id: str) -> CutOff | None:
    """The one that can be gone on with and whose id begins so."""
    every = [each for each in find(profile, broker) if each.whole and id and each.id.startswith(id)]
    return every[0] if len(every) == 1 else None


def bulks(profile: Profile, broker: str) -> list[Bulk]:
    """Those that can be gone on with, as plans that nobody counted: newest first."""
    return [_bulk(profile, broker, each) for each in reversed(find(profile, broker)) if each.whole]


def bulk(profile: Profile, broker: str, id: str) -> Bulk | None:
    """One of them, with what its backup tells of how far it came."""
    if (found := of(profile, broker, id)) is None:
        return None
    one, file = _bulk(profile, broker, found), BackupFile(Path(found.path))
    one.total, one.doubtful = file.total, file.doubtful
    one.done = max(0, file.total - file.doubtful)
    return one


def _bulk(profile: Profile, broker: str, found: CutOff) -> Bulk:
    return Bulk(
        id=found.id,
        action=found.action,
        title=f"{found.action.capitalize()} all of {found.queue}" + (f" to {found.to}" if found.to else ""),
        created=found.at,
        user="",
        host="",
        profile=profile.name,
        broker=broker,
        state="cut off",
        why="the program ended in the middle",
        path=found.path,
        noun="message",
        backup=found.path.removesuffix(".part"),
    )


def kind(header: Header) -> ActionName:
    """The action that wrote a backup."""
    return cast("ActionName", header.action)


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
    return CutOff(
        path=str(path),
        action=kind(header),
        queue=header.queue,
        at=header.time,
        to=header.to or "",
        whole=header.whole,
    )
