"""Whether the clock may be believed when it says how old something is."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from lazycelery.actions.files import make_private_directory, open_private

JUMP = 3600.0
"""Seconds by which the clock may be moved before ages are not believed any more."""
SETTLED = 3600.0
"""Seconds for which it must go on steadily, until they are believed."""


def elapsed() -> float:
    """Seconds that nobody can set, with those in which the machine slept: they are no jump of the clock."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):  # The latter goes on in sleep on macOS alone.
        if hasattr(time, name):
            return time.clock_gettime(getattr(time, name))
    return time.monotonic()


class Ages:
    """Ages are believed once the clock has gone on steadily for a while, at the start and after a jump: one
    that is wrong is mostly put right soon, and what was removed by it would be gone.

    `note` is a private file that tells the next process how the clock went so far. It holds for as long as
    the machine runs: after that the offset is another one, or less time has passed than was noted.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        elapsed: Callable[[], float] = elapsed,
        note: Path | None = None,
    ) -> None:
        self._clock, self._elapsed, self._note = clock, elapsed, note
        self._offset: float | None = None
        """Of the clock to the seconds that nobody can set; `None` before the first question."""
        self._since = 0.0
        """When it began to be so, in these seconds."""

    def believed(self) -> bool:
        """Asked once a minute or so: how steadily the clock goes is known by that alone."""
        passed = self._elapsed()
        offset = self._clock() - passed
        if self._offset is None:
            self._offset, self._since = self._noted() or (offset, passed)
        if abs(offset - self._offset) >= JUMP or self._since > passed:
            self._offset, self._since = offset, passed
        self._keep()
        return passed - self._since >= SETTLED

    def _noted(self) -> tuple[float, float] | None:
        if self._note is not None:
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                told = json.loads(self._note.read_text(encoding="utf-8"))
                return float(told["offset"]), float(told["since"])
        return None

    def _keep(self) -> None:
        """Written where it tells something else. One that is torn or missing costs an hour."""
        if self._note is None or self._noted() == (self._offset, self._since):
            return
        told = json.dumps({"offset": self._offset, "since": self._since})
        with contextlib.suppress(OSError):
            make_private_directory(self._note.parent)
            descriptor = open_private(self._note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(f"{told}\n")
