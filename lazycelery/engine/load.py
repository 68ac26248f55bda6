"""What the monitor itself costs: broker commands, CPU, memory. Measured, never estimated."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable

from lazycelery.model.cluster import Load

WINDOW = 10.0
"""Seconds over which rates are taken."""
LEAST = 0.2
"""And without which there are none; a command that asks once takes about one."""


class LoadMeter:
    """Samples counters once a second; rates over the last ten."""

    def __init__(self, commands: Callable[[], int]) -> None:
        self._commands = commands
        self._samples: deque[tuple[float, int, float]] = deque()

    def sample(self) -> None:
        """Take a sample now (call about once a second)."""
        now = time.monotonic()
        self._samples.append((now, self._commands(), time.process_time()))
        while self._samples and now - self._samples[0][0] > WINDOW:
            self._samples.popleft()

    def read(self) -> Load:
        """Rates over the samples at hand, or since the only one; `None` where that was just now."""
        if not self._samples:
            return Load(rss=resident())
        (start, commands, cpu), (end, commands_now, cpu_now) = self._samples[0], self._samples[-1]
        if len(self._samples) == 1:
            end, commands_now, cpu_now = time.monotonic(), self._commands(), time.process_time()
        span = end - start
        if span < LEAST:
            return Load(rss=resident())
        return Load(
            commands_per_second=round((commands_now - commands) / span, 1),
            cpu=round((cpu_now - cpu) / span, 4),
            rss=resident(),
        )


def resident() -> int | None:
    """Resident memory of this process in bytes, where the system tells."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            import resource

            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
