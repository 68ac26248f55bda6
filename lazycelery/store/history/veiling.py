"""Secrets taken out of many texts at once: most hold none, and that is found out for a hundred together."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.model.redaction import Redactor
from lazycelery.store.values import NUL, decode, encode

AT_ONCE, MOST = 512, 65_536
"""Texts looked at first, each different one once, and their characters."""
TOGETHER = 64
LIMIT = 8192
"""Characters looked at together."""


class Veiling:
    """Redacts texts as the columns hold them: reprs, and JSON of real values."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor

    def one(self, text: str) -> str:
        """A stored text without its secrets."""
        if text.startswith(NUL):
            value = decode(text)
            shown = self.redactor.value(value)
            return text if shown == value else encode(shown)[0]
        return self.redactor.text(text)

    def changed(self, texts: Sequence[str | None]) -> dict[int, str]:
        """What is to stand at which place instead; places without a secret are left out."""
        found: dict[int, str] = {}
        for first in range(0, len(texts), AT_ONCE):
            last = min(first + AT_ONCE, len(texts))
            whole = "\n".join(filter(None, set(texts[first:last])))
            if len(whole) <= MOST and not self.redactor.may_hold(whole):
                continue
            for start in range(first, last, TOGETHER):
                pairs = enumerate(texts[start : min(start + TOGETHER, last)], start)
                some = [(at, text) for at, text in pairs if text is not None and len(text) > 4]
                self._look(some, found)
        return found

    def _look(self, some: list[tuple[int, str]], found: dict[int, str]) -> None:
        if len(some) > 1:
            whole = "\n".join([text for _, text in some])
            if len(whole) <= LIMIT and not self.redactor.may_hold(whole):
                return
            if len(some) > 4:
                half = len(some) // 2
                self._look(some[:half], found)
                self._look(some[half:], found)
                return
        for place, text in some:
            shown = self.one(text)
            if shown != text:
                found[place] = shown
