"""Deploy marks beside the files of a history: lines that any session appends whole."""

from __future__ import annotations

import os
from pathlib import Path

from lazycelery.store.history.files import MARKS, SAFE

READ = 256 * 1024
"""Bytes at the end of the file that are read."""


class FileMarks:
    """The `MarkLines` of a directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / MARKS
        self._seen: tuple[float, int] = (0.0, -1)
        self._lines: list[bytes] = []

    def lines(self) -> list[bytes]:
        """Reads the file again when it is another one than at the last time."""
        try:
            told = os.stat(self._path)
            if (told.st_mtime, told.st_size) != self._seen:
                with self._path.open("rb") as file:
                    file.seek(max(0, told.st_size - READ))
                    self._lines = file.read(READ).splitlines()
                self._seen = told.st_mtime, told.st_size
        except OSError:
            pass
        return self._lines

    def append(self, at: float, by: str, line: str) -> None:
        """Only one engine writes what workers did."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | SAFE, 0o600)
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)
