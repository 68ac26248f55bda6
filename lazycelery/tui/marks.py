"""Marked things: what is done next is done to all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from lazycelery.keys import Scope

MOST = 1000
"""Things of a kind that can be marked: what one plan takes."""


class Marks:
    """Identities by pane, in the order they were marked."""

    def __init__(self) -> None:
        self._kept: dict[Scope, dict[str, None]] = {}

    def of(self, scope: Scope) -> Collection[str]:
        """What is marked in a pane."""
        return self._kept.get(scope, {}).keys()

    def turn(self, scope: Scope, key: str) -> bool:
        """Mark it, or take its mark away; false when there is no room for it."""
        kept = self._kept.setdefault(scope, {})
        if key in kept:
            del kept[key]
        elif len(kept) < MOST:
            kept[key] = None
        else:
            return False
        return True

    def add(self, scope: Scope, keys: Iterable[str]) -> int:
        """Mark all of them, as far as there is room; how many found none."""
        kept = self._kept.setdefault(scope, {})
        left = 0
        for key in keys:
            if key in kept or len(kept) < MOST:
                kept[key] = None
            else:
                left += 1
        return left

    def keep(self, scope: Scope, keys: Collection[str]) -> None:
        """Take all marks away but those of `keys`."""
        self._kept[scope] = {key: None for key in self.of(scope) if key in keys}

    def clear(self, scope: Scope) -> bool:
        """Take all marks away; whether there were any."""
        return bool(self._kept.pop(scope, None))
