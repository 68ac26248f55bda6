"""A line that is being typed or answered. It takes every printable key for itself."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["open", "yes", "no"]


class Prompt:
    """A text being typed. `press` tells whether it goes on, was entered, or was left."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.at = len(text)
        """Where the next character goes."""

    def press(self, chord: str, character: str | None) -> Verdict:
        """Take a key."""
        if chord == "enter":
            return "yes"
        if chord in ("escape", "ctrl+c"):
            return "no"
        self._edit(chord)
        if character is not None and character.isprintable():
            self.insert(character)
        return "open"

    def insert(self, text: str) -> None:
        """Put a text in at the cursor; line ends become blanks."""
        text = " ".join(text.split("\n")).replace("\r", "")
        self.text = self.text[: self.at] + text + self.text[self.at :]
        self.at += len(text)

    def _edit(self, chord: str) -> None:
        text, at = self.text, self.at
        if chord in ("backspace", "ctrl+h") and at:
            self.text, self.at = text[: at - 1] + text[at:], at - 1
        elif chord == "delete":
            self.text = text[:at] + text[at + 1 :]
        elif chord in ("left", "right"):
            self.at = max(0, min(len(text), at + (1 if chord == "right" else -1)))
        elif chord in ("home", "ctrl+a"):
            self.at = 0
        elif chord in ("end", "ctrl+e"):
            self.at = len(text)
        elif chord == "ctrl+u":
            self.text, self.at = text[at:], 0
        elif chord == "ctrl+w":
            kept = text[:at].rstrip().rpartition(" ")[0]
            kept += " " if kept else ""
            self.text, self.at = kept + text[at:], len(kept)


class Letter:
    """A question that only `y` says yes to. Enter, escape and `n` say no; the rest is not heard."""

    def press(self, chord: str, character: str | None) -> Verdict:
        """Take a key."""
        if character in ("y", "Y"):
            return "yes"
        return "no" if chord in ("enter", "escape", "ctrl+c") or character in ("n", "N", "q") else "open"
