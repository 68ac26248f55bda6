"""Words as small numbers: names of tasks, workers and queues repeat a million times."""

from __future__ import annotations

MAX_WORDS = 200_000
"""Beyond that somebody makes names up, and the rest share one number."""
OVERFLOW = "(too many names)"


class Words:
    """A table of words. Number 0 is no word at all."""

    def __init__(self) -> None:
        self.texts: list[str | None] = [None]
        self.codes: dict[str | None, int] = {None: 0}

    def __len__(self) -> int:
        return len(self.texts)

    def code(self, word: str | None) -> int:
        """The word's number; a new word gets the next one. Raises `TypeError` for no word."""
        known = self.codes.get(word)
        return known if known is not None else self._add(word)

    def _add(self, word: str | None) -> int:
        if not isinstance(word, str):
            raise TypeError("a name must be text")
        if len(self.texts) >= MAX_WORDS:
            return self.codes.setdefault(OVERFLOW, self._append(OVERFLOW))
        return self._append(word[:512])

    def _append(self, word: str) -> int:
        if word in self.codes:
            return self.codes[word]
        self.texts.append(word)
        self.codes[word] = len(self.texts) - 1
        return self.codes[word]
