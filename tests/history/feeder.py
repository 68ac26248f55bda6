"""A monitor that records what it makes up, until it is killed.

    python -m tests.history.feeder DIR|URL RATE [LIMIT]

With the URL of a PostgreSQL all feeders there make up the same events, as recorders of one cluster hear them.
Each line on stdout is the number of the last task whose end was handed over, and when. `LIMIT` is the
size in bytes beyond which no file may grow: a full disk.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from lazycelery.engine.figure_notes import FigureNotes
from lazycelery.store.history.postgres.address import address_of
from lazycelery.store.history.postgres.storage import Shared
from lazycelery.store.history.storage import FindingBegan, FindingEnded, Storage
from tests.history.keeping import Monitor, files_in, storage_in
from tests.store.build import T0, received, started, succeeded

STEP = 0.01
FOUND_EVERY = 200
"""Tasks for which a finding lasts."""
AT_ONCE = 100
"""Tasks between two lines at most: a machine that is too busy for the rate is told of all the same."""


def main() -> None:
    directory, rate, *limit = sys.argv[1:]
    if limit:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), resource.RLIM_INFINITY))
    alike = "://" in directory
    where: Storage = (
        Shared(address_of(directory, "feeders", "")) if alike else storage_in(files_in(Path(directory)))
    )
    monitor = Monitor(where, time.time, max_tasks=200_000)
    monitor.load()
    first = 0 if alike else monitor.recorder.status.loaded
    monitor.start()
    counts = FigureNotes(monitor.store.figures, monitor.store.columns, monitor.recorder, 200)
    seconds, finding = 0, ""
    number, began = first, time.monotonic()
    today = time.time() // 86_400 * 86_400 - T0
    while True:
        most = number + AT_ONCE
        due = first + int((time.monotonic() - began) * float(rate))
        while number < min(due, most):
            number += 1
            at = today + number / 1_000 if alike else time.time() - T0
            uuid = f"task-{number}"
            monitor.hear(received(at, uuid), started(at, uuid), succeeded(at, uuid, result=str(number)))
        if not alike and number // FOUND_EVERY != (int(finding) if finding else first) // FOUND_EVERY:
            if finding:
                monitor.recorder.note(FindingEnded(time.time(), "fed", finding))
            finding = str(number // FOUND_EVERY * FOUND_EVERY)
            monitor.recorder.note(FindingBegan("fed", finding, "info", "Fed", "", time.time()))
        if time.monotonic() - began > seconds:
            seconds += 1
            monitor.store.second(time.time(), True)
            asyncio.run(counts.keep(False))
        sys.stdout.write(f"{number} {time.monotonic()} {monitor.recorder.status.state}\n")
        sys.stdout.flush()
        time.sleep(STEP)


if __name__ == "__main__":
    main()
