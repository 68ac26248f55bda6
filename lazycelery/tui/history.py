"""What was typed before, kept between sessions. Bounded, and nothing that looks like a secret."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lazycelery.model.redaction import Redactor

MOST = 100
"""Lines of each kind that are kept."""
LONGEST = 500
"""Characters of a line that is kept."""
BIGGEST = 1 << 20
"""Bytes of the file that are read."""


class History:
    """Lines by kind, oldest first. `directory` is asked for only when the file is read or written."""

    def __init__(self, directory: Callable[[], Path] | None = None) -> None:
        self._directory = directory
        self._lines: dict[str, list[str]] = {}

    @cached_property
    def _redactor(self) -> Redactor:
        # Its patterns take longer to compile than the first frame should wait for.
        from lazycelery.model.redaction import Redactor

        return Redactor()

    def lines(self, kind: str) -> Sequence[str]:
        """What was typed, oldest first."""
        return self._lines.get(kind, [])

    def add(self, kind: str, text: str) -> bool:
        """Note a line, unless it is empty, long, or holds what may be a secret; whether it was noted."""
        if not text or len(text) > LONGEST or "://" in text or self._redactor.text(text) != text:
            return False
        kept = [line for line in self._lines.get(kind, []) if line != text]
        self._lines[kind] = [*kept, text][-MOST:]
        return True

    def load(self) -> None:
        """Read the file; one that is missing or broken is no history."""
        if self._directory is None:
            return
        with suppress(OSError, ValueError):
            with self._file().open(encoding="utf-8") as file:
                raw = json.loads(file.read(BIGGEST))
            for kind, lines in raw.items() if isinstance(raw, dict) else ():
                for line in lines if isinstance(lines, list) else ():
                    if isinstance(line, str):
                        self.add(kind, line)

    def save(self) -> None:
        """Write the file, readable for its owner alone. A disk that refuses costs the history only."""
        if self._directory is None:
            return
        with suppress(OSError):
            path = self._file()
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = path.with_name(f"{path.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)  # A crash left it, or somebody laid it there.
            with open(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
            ) as file:
                json.dump(self._lines, file, ensure_ascii=False, indent=1)
            fresh.replace(path)

    def _file(self) -> Path:
        assert self._directory is not None
        return self._directory() / "history.json"


def state_directory() -> Path:
    """The platform's directory for such files."""
    import platformdirs

    return platformdirs.user_state_path("lazycelery", appauthor=False)
