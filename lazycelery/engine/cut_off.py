"""What a crash cut off, as notices."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.actions.cut_off import CutOff
from lazycelery.model.cluster import Notice


def told(found: Sequence[CutOff]) -> list[Notice]:
    """A warning for each, with what mends it."""
    return [
        Notice(code="cut-off", severity="warning", title=one.title, subject=one.queue, hint=one.hint)
        for one in found
    ]
