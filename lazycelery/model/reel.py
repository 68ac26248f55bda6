"""Where a recording is that plays."""

from __future__ import annotations

from typing import Literal

import msgspec

Turn = Literal["pause", "speed", "jump", "step"]
"""Hold it or go on; play at so many times its own pace; go to a moment; go to what was said next."""

Replay = Literal["", "plays", "whole"]
"""Of a cluster that is looked at: no recording; one that plays; one of which all was read in one go."""


class Reel(msgspec.Struct, kw_only=True):
    """A recording's span and place. Moments are epoch seconds of when it was recorded."""

    start: float
    end: float
    at: float
    """Where it is, or is on its way to."""
    played: float | None = None
    """On its way: up to where it was played. What is known is of that moment."""
    speed: float = 1.0
    """How many times as fast as it was it plays, or would without a pause."""
    paused: bool = False
    reopen: str = ""
    """The broker URL that opens it at a moment before this one, or far ahead where it was before: an engine
    begins anew at what was kept before there, and plays it up to there."""

    @property
    def ended(self) -> bool:
        """All of it was played."""
        return self.at >= self.end and self.played is None
