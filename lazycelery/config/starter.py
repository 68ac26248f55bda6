"""The commented file that `lazycelery config init` writes. It holds no password, and never will."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from lazycelery.errors import UsageError


def text() -> str:
    """The starter file: every setting, commented out."""
    return files("lazycelery.config").joinpath("starter.toml").read_text(encoding="utf-8")


def write(path: Path) -> None:
    """Write the starter file with mode 0600. Raises `UsageError` when something is there already."""
    if path.exists():
        raise UsageError(
            f"{path} is already there; it stays as it is.", "Edit it, or name another with --config."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # O_EXCL: whoever made it a moment ago keeps it.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}.", "Name another place with --config FILE."
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text())
