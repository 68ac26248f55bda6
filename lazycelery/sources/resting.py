"""How long a reader of events rests after a read, so that what comes meanwhile is dealt with together."""

from __future__ import annotations

FULL = 48 * 1024
"""Bytes: after a read this large there is no rest. Less than the 64 KB that a socket holds at the least, or a
rest after each would be all that the broker could send."""
MANY = 12 * 1024
"""Bytes of one read, some twenty events: from here on the rest is the longer one."""
NAP, LONG_NAP = 0.005, 0.01
"""Seconds. A wake-up costs as much as ten events: at 20,000 events a second the longer rest saves a tenth."""


def rest_after(size: int) -> float:
    """Seconds of rest after a read of so many bytes; 0 after a full one."""
    if size >= FULL:
        return 0.0
    return LONG_NAP if size >= MANY else NAP
