"""What the monitor lets go while more comes in than it can take."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Stage(NamedTuple):
    """One step of the relief. The next one lets go more; failures and their texts are kept in all."""

    texts: bool
    """Long arguments and results are let go."""
    one_in: int
    """Of tasks that succeed, one in so many is kept; of all others each."""


STAGES = (Stage(False, 1), Stage(True, 1), Stage(True, 10), Stage(True, 100))
"""The order in which the monitor degrades."""


class Relief(msgspec.Struct, kw_only=True):
    """How far the monitor is from taking all in, and what it has let go since it began."""

    stage: int = 0
    """0: everything is kept; see `STAGES`."""
    since: float | None = None
    """When the present stage began, epoch seconds; of stage 0: when the last relief ended."""
    texts_let_go: bool = False
    """Long arguments and results are not kept now."""
    one_in: int = 1
    """Of successful tasks one in so many is kept now; they are counted all the same."""
    texts: int = 0
    """Long texts let go so far."""
    successes: int = 0
    """Successful tasks let go so far: in no list, and in all counts."""
    waiting: int = 0
    """Sent tasks let go because they waited too long for a worker: shown again once one has them."""
    cut_off: int = 0
    """Times the events' connection broke while more waited in it than was read."""
    missed: float = 0.0
    """Seconds in all of which no events were heard for that: neither kept nor counted."""

    @property
    def active(self) -> bool:
        """Something is let go now."""
        return self.stage > 0

    @property
    def ever(self) -> bool:
        """Something was let go since the monitor began."""
        return bool(self.texts or self.successes or self.waiting or self.cut_off)
