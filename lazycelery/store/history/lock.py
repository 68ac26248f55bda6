"""One writer a cluster: a lock that the system gives back however its holder ends."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import sys
import time
from pathlib import Path

from lazycelery.store.history.files import LOCK, SAFE

TRIES = 20
LOOK = 0.002
"""Seconds, about: somebody who only looks has it for some microseconds, or until he is scheduled again."""


class Lock:
    """The right to write a cluster's history."""

    def __init__(self, directory: Path, looked_at: bool = False) -> None:
        """`looked_at`: `is_written` is asked of it too, and a try waits for who only looks."""
        self._path, self._looked_at = directory / LOCK, looked_at
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether it is ours."""
        return self._descriptor is not None

    def stands(self) -> bool:
        """Whether it is ours and keeps others away: where its file was removed, they make a new one."""
        if self._descriptor is None:
            return False
        if sys.platform == "win32":
            return True  # A file that is open is not removed there.
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def take(self) -> bool:
        """Try to get it; `False` while another process has it. Raises `OSError` where none can be made."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | SAFE, 0o600)
        try:
            free = _taken(descriptor) if self._looked_at else _locked(descriptor)
        except BaseException:  # A file system without locks.
            os.close(descriptor)
            raise
        if not free:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode())
        return True

    def holder(self) -> str:
        """Who has it, as far as it was written: `process 812 on ops1`."""
        try:
            pid, _, host = self._path.read_text(encoding="utf-8").strip().partition(" ")
        except (OSError, UnicodeDecodeError):
            return "another process"
        return f"process {pid} on {host}" if pid.isdecimal() and host else "another process"

    def give_back(self) -> None:
        """Let another one write."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_written(directory: Path) -> bool:
    """Whether a process has the right to write now. Nothing portable tells that of such a lock: to look takes
    it for an instant, shared with others who look; who wants it waits for that."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return False
    try:
        return not _locked(descriptor, shared=True)
    except OSError:  # A file system without locks.
        return False
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    """Try to get it for ourselves, and again while it is only looked at."""
    for _ in range(TRIES):
        if _locked(descriptor):
            return True
        if not _only_looked_at(descriptor):
            return False
        time.sleep(LOOK * random.uniform(0.5, 1.5))  # Two who begin must not look at each other for ever.
    return False


if sys.platform == "win32":
    import msvcrt

    def _only_looked_at(descriptor: int) -> bool:
        return True  # There is one kind of lock: nothing tells who has it.

    def _locked(descriptor: int, shared: bool = False) -> bool:
        if shared:  # Of two who look at once, one would take the other for a writer.
            return _taken(descriptor)
        try:
            # Far behind what is written there: who looks must be able to read it.
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _only_looked_at(descriptor: int) -> bool:
        """Whether nobody has it for himself."""
        shared = _locked(descriptor, shared=True)
        if shared:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        return shared

    def _locked(descriptor: int, shared: bool = False) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
