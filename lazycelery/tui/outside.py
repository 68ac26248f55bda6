"""A text handed to the person's own pager or editor, in a file that only they can read."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lazycelery.errors import LazyCeleryError


def command(environment: Mapping[str, str] = os.environ) -> list[str]:
    """What shows a file: $PAGER, $EDITOR, or the pager that is there. Raises `LazyCeleryError`."""
    for name in ("PAGER", "EDITOR"):
        try:
            words = shlex.split(environment.get(name, ""))
        except ValueError:
            raise LazyCeleryError(f"${name} has a quotation mark too many.", f"Correct ${name}.") from None
        if words:
            return words
    for name in ("less", "more"):
        if shutil.which(name):
            return [name]
    raise LazyCeleryError("There is no pager here.", "Set $PAGER or $EDITOR.")


def editor(environment: Mapping[str, str] = os.environ) -> list[str]:
    """What changes a file: $VISUAL, $EDITOR, or the editor that is there. Raises `LazyCeleryError`."""
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(environment.get(name, ""))
        except ValueError:
            raise LazyCeleryError(f"${name} has a quotation mark too many.", f"Correct ${name}.") from None
        if words:
            return words
    for name in ("sensible-editor", "vi", "nano"):
        if shutil.which(name):
            return [name]
    raise LazyCeleryError("There is no editor here.", "Set $EDITOR.")


def run(words: Sequence[str]) -> None:
    """Run it on this terminal and wait for its end. A Ctrl-C is its own, not ours. Raises `OSError`."""
    # A handler of ours: what is ignored would be ignored by the program too.
    before = signal.signal(signal.SIGINT, _unmoved)
    try:
        # LESSSECURE: what is shown came from others, so less runs no commands for it.
        subprocess.run(words, env={**os.environ, "LESSSECURE": "1"}, check=False)
    finally:
        signal.signal(signal.SIGINT, before)


def _unmoved(*_: object) -> None:
    """Do nothing."""


def write(lines: Iterable[str]) -> Path:
    """A new file of mode 0600 with these lines."""
    handle, name = tempfile.mkstemp(prefix="lazycelery-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
        file.writelines(f"{line}\n" for line in lines)
    return Path(name)


def remove(path: Path) -> None:
    """Take the file away again."""
    with suppress(OSError):
        path.unlink()
