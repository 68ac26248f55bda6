"""Private files that survive a crash: where they live, and how they reach the disk."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import platformdirs

if sys.platform != "win32":
    import fcntl
else:
    fcntl = None

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


def state_directory() -> Path:
    """Where the platform wants the state of a program (Linux: `~/.local/state/lazycelery`)."""
    return platformdirs.user_state_path("lazycelery", appauthor=False)


def make_private_directory(path: Path) -> None:
    """Create a directory and its parents; those that did not exist are for the owner alone."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        with contextlib.suppress(OSError):  # A parent that may be written and not read.
            sync_directory(each.parent)


def open_private(path: Path, flags: int) -> int:
    """Open a file for the owner alone; returns its descriptor."""
    return os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), PRIVATE_FILE)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte and wait until the disk has them. Raises `OSError` when it has no room."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)


def claim(descriptor: int) -> None:
    """Let other processes see that this file is being written, for as long as it is open."""
    with contextlib.suppress(OSError):  # A file system without locks: nobody can see it then.
        claimed(descriptor)


def claimed(descriptor: int) -> bool:
    """Lock a file for as long as it is open, where the platform can; returns whether nobody else has it."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def being_written(path: Path) -> bool:
    """Whether a living process writes this file. Raises `OSError` when it cannot be opened."""
    if fcntl is None:
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def sync_directory(path: Path) -> None:
    """Make a new or renamed entry of a directory durable, where the platform can."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
