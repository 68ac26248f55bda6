"""A monitor that records what it makes up, until it is killed.

    python -m tests.history.feeder DIR RATE [LIMIT]

Each line on stdout is the number of the last task whose end was handed over, and when. `LIMIT` is the
size in bytes beyond which no file may grow: a full disk.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.history.keeping import Monitor, files_in
from tests.store.build import T0, received, started, succeeded

STEP = 0.01


def main() -> None:
    directory, rate, *limit = sys.argv[1:]
    if limit:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), resource.RLIM_INFINITY))
    monitor = Monitor(files_in(Path(directory)), time.time, max_tasks=200_000)
    monitor.load()
    first = monitor.recorder.status.loaded
    monitor.start()
    number, began = first, time.monotonic()
    while True:
        while number - first < (time.monotonic() - began) * float(rate):
            number += 1
            at = time.time() - T0
            uuid = f"task-{number}"
            monitor.hear(received(at, uuid), started(at, uuid), succeeded(at, uuid, result=str(number)))
        sys.stdout.write(f"{number} {time.monotonic()} {monitor.recorder.status.state}\n")
        sys.stdout.flush()
        time.sleep(STEP)


if __name__ == "__main__":
    main()
