"""What an engine does otherwise when its broker is a recording."""

from __future__ import annotations

import msgspec

from lazycelery.model.profile import Profile

OFTEN = 0.2
"""Seconds between two looks at the most."""


def as_replayed(profile: Profile, speed: float) -> Profile:
    """Read-only for good, without history; looks come as often as they did in the recording's time."""
    pace = max(1.0, speed)
    return msgspec.structs.replace(
        profile,
        allow=[],
        may_unlock=[],
        backend=None,
        beat=None,
        history=False,
        recorder=False,
        alerts=[],
        rules=[],
        record=None,
        enable_events=False,
        refresh=max(OFTEN, profile.refresh / pace),
        control_refresh=max(OFTEN, profile.control_refresh / pace),
    )
