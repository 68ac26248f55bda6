"""A file that appears whole or not at all, for its owner alone, and never over another one."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lazycelery.errors import UsageError

TRIES = 3
"""Files of crashed exports that are taken away before another export must be at it."""


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[IO[str]]:
    """What is written goes to `FILE.part`, which gets its name at the end. Raises `UsageError` where either
    is somebody else's, and where the disk refuses."""
    if os.path.lexists(target):
        raise _taken(target)
    part = target.with_name(f"{target.name}.part")
    try:
        with _own(part, target) as descriptor:
            made = os.fstat(descriptor)
            with open(descriptor, "w", encoding="utf-8", newline="") as file:
                yield file
            if not _is(part, made):
                raise UsageError(f"Somebody else took {part} away.", "Export into a directory of your own.")
            _name(part, target)
    except OSError as problem:
        told = f"{target} cannot be written: {problem.strerror or problem}."
        raise UsageError(told, "Choose another place, or make room.") from None


@contextlib.contextmanager
def _own(part: Path, target: Path) -> Iterator[int]:
    """The file that becomes another one, made by us and locked where the system has locks. It is ours until
    it has its name, and gone where it gets none."""
    descriptor = _made(part, target)
    # Who writes closes it: a copy keeps the lock. Windows has no such lock, and renames nothing that is open.
    held = os.dup(descriptor) if os.name == "posix" else None
    made = os.fstat(descriptor)
    try:
        try:
            yield descriptor
        finally:
            with contextlib.suppress(OSError):
                if _is(part, made):
                    part.unlink()
    finally:
        if held is not None:
            os.close(held)


def _made(part: Path, target: Path) -> int:
    """A new file under this name: nothing that lies there is ever written into, for others may have laid it
    there. What a crash left of an earlier export is taken away."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    for _ in range(TRIES):
        try:
            descriptor = os.open(part, flags, 0o600)
        except FileExistsError:
            _take_away(part, target)
            continue
        if _claimed(descriptor, part):
            return descriptor
        os.close(descriptor)
        break
    raise _busy(target)


def _take_away(part: Path, target: Path) -> None:
    """Remove what a crash left. Raises `UsageError` for what is being written, or is no file of ours."""
    try:
        told = part.lstat()
        if not stat.S_ISREG(told.st_mode) or told.st_uid != _user(told):
            raise UsageError(f"{part} is in the way, and no file of yours.", "Choose another name.")
        if os.name != "posix":
            part.unlink()  # One that is open is not removed there.
            return
        descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except PermissionError:
        if os.name == "posix":
            raise
        raise _busy(target) from None
    try:
        if not _claimed(descriptor, part):
            raise _busy(target)
        part.unlink()
    finally:
        os.close(descriptor)


if sys.platform == "win32":

    def _user(told: os.stat_result) -> int:
        return told.st_uid  # Nothing tells it there.

    def _locked(descriptor: int) -> bool:
        return True

else:
    import fcntl

    def _user(told: os.stat_result) -> int:
        return os.geteuid()

    def _locked(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # A file system without locks.
            return True
        return True


def _claimed(descriptor: int, part: Path) -> bool:
    """Whether it is ours, and still the file of this name: the one who had it may have ended just now."""
    return _locked(descriptor) and _is(part, os.fstat(descriptor))


def _is(part: Path, made: os.stat_result) -> bool:
    try:
        return os.path.samestat(made, part.lstat())
    except FileNotFoundError:
        return False


def _name(part: Path, target: Path) -> None:
    """Give it its name, which nobody else may have taken meanwhile."""
    try:
        os.link(part, target, follow_symlinks=False)
    except FileExistsError:
        raise _taken(target) from None
    except (OSError, NotImplementedError):  # A file system without links.
        if os.path.lexists(target):
            raise _taken(target) from None
        part.replace(target)


def _taken(target: Path) -> UsageError:
    return UsageError(f"{target} is already there.", "Choose another name, or move it away.")


def _busy(target: Path) -> UsageError:
    return UsageError(f"{target} is being written by another export.", "Choose another name, or wait.")
