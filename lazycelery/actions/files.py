"""Private files that survive a crash: where they live, and how they reach the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from pathlib import Path

import platformdirs

if sys.platform != "win32":
    import fcntl
else:
    fcntl = None

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
LINKS = 16
SYSTEM = 0
"""The user to whom the system itself belongs."""


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
    """Open a file for the owner alone; returns its descriptor. Raises `OSError`, also for a link: in a
    directory that others may write to it may lead anywhere."""
    extra = ("O_CLOEXEC", "O_BINARY", "O_NOFOLLOW", "O_NONBLOCK")
    for name in extra:
        flags |= getattr(os, name, 0)
    descriptor = os.open(path, flags, PRIVATE_FILE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # A pipe would swallow what is written.
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return descriptor


def new_private(path: Path) -> int:
    """A new file for the owner alone; what has its name, left by a crash or laid there, is removed and not
    written into. Raises `OSError`."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def behind_own_links(path: Path) -> Path:
    """The file that a link leads to which is ours, or the system's. Raises `OSError` for another user's."""
    for _ in range(LINKS):
        if os.name != "posix" or not path.is_symlink():
            return path
        if path.lstat().st_uid not in (os.geteuid(), SYSTEM):
            raise PermissionError(errno.EPERM, "it is a link of another user", str(path))
        path = path.parent / os.readlink(path)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


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
