"""Whom a hint is for: an option at the command line is a command or a setting on the screen."""

from __future__ import annotations

from typing import Literal

Face = Literal["shell", "screen"]

_face: Face = "shell"


def speak_to(face: Face) -> None:
    """From now on this process answers that face; the command line unless told otherwise."""
    global _face
    _face = face


def by_face(shell: str, screen: str) -> str:
    """The words for whoever hears them: `shell` may name options, `screen` only `:` commands and settings."""
    return shell if _face == "shell" else screen
