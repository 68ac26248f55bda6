"""Findings that stand: what began and has not ended, as a recording was told. A new file begins with them, so
that each tells its own time whole."""

from __future__ import annotations

from collections.abc import Iterable

from lazycelery.store.history.storage import FindingBegan, FindingEnded, Note

Standing = dict[tuple[str, str], FindingBegan]
"""By code and subject."""


def follow(standing: Standing, notes: Iterable[Note]) -> None:
    """Take in what was noted, the oldest first."""
    for note in notes:
        if isinstance(note, FindingBegan):
            standing[note.code, note.subject] = note
        elif isinstance(note, FindingEnded):
            standing.pop((note.code, note.subject), None)
