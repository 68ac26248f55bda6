"""A small private file that all sessions of a machine share: read and replaced whole, by one at a time."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from lazycelery.actions.files import (
    claimed,
    make_private_directory,
    new_private,
    open_private,
    sync_directory,
    write_all,
)
from lazycelery.errors import Refused
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor

PATIENCE = 5.0
"""Seconds for another session to write the file; it takes milliseconds."""
T = TypeVar("T")


def name_of_cluster(profile: Profile) -> str:
    """A file name for the cluster of a profile: by broker and key prefix, without credentials."""
    broker = Redactor(profile.redact, defaults=profile.redact_default).url(profile.broker)
    place = broker.partition("://")[2].rpartition("@")[2] + f"|{profile.prefix or ''}"
    return hashlib.sha256(place.encode()).hexdigest()[:16]


class SharedFile(Generic[T]):
    """JSON of one type. What goes wrong with it is `Refused`, in the words of `called` and `advice`."""

    def __init__(self, path: Path, kind: Any, empty: Callable[[], T], called: str, advice: str) -> None:
        self.path, self._kind, self._empty = path, kind, empty
        self._called, self._advice = called, advice

    def read(self) -> T:
        """What is in it; what `empty` makes where there is none."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return self._empty()
        except OSError as error:
            raise self._trouble("read", error) from error
        try:
            found: T = msgspec.json.decode(data, type=self._kind)
        except msgspec.MsgspecError as error:
            raise Refused(f"{self.path} cannot be read: {error}.", "Mend or move it.") from error
        return found

    @contextlib.contextmanager
    def changing(self) -> Iterator[T]:
        """Its content to change; written and on the disk when the block ends. One session at a time."""
        try:
            make_private_directory(self.path.parent)
            with _locked(self.path.with_suffix(".lock")):
                content = self.read()
                yield content
                self._write(content)
        except OSError as error:
            raise self._trouble("written", error) from error

    def _write(self, content: T) -> None:
        new = self.path.with_suffix(f".{os.getpid()}.new")
        descriptor = new_private(new)
        try:
            try:
                write_all(descriptor, msgspec.json.encode(content))
            finally:
                os.close(descriptor)
            new.replace(self.path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        sync_directory(self.path.parent)

    def _trouble(self, what: str, error: OSError) -> Refused:
        return Refused(
            f"{self._called} {self.path} cannot be {what}: {error.strerror or error}.", self._advice
        )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among all sessions of this machine, where the platform can. Raises `OSError` when another one,
    stopped in the middle perhaps, does not let go of it."""
    descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    try:
        deadline = time.monotonic() + PATIENCE
        while not claimed(descriptor):
            if time.monotonic() >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, "another session has it locked")
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)
