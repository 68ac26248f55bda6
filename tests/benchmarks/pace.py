"""How slow this machine is just now. A limit of CPU time holds on the machine on which it was set; on one
that is slower it is wider by as much. What is to be reached is not."""

from __future__ import annotations

import json
import time

import numpy as np

REFERENCE = 0.042
"""CPU seconds of `_work` on the machine of which the limits are, an AMD EPYC. Reckoned, not measured there:
it took 0.057 on an Intel Xeon, on which `--version` cost 1.36 times as much as on that one."""
REPEATS = 5


def pace() -> float:
    """As many times slower than that, 1 at least: Python, and memory that is gone through out of order."""
    return max(1.0, min(_timed() for _ in range(REPEATS)) / REFERENCE)


def _timed() -> float:
    began = time.process_time()
    _work()
    return time.process_time() - began


def _work() -> None:
    lines = [
        json.dumps({"id": f"task-{n:06d}", "name": f"shop.part{n % 60}", "at": n / 7}) for n in range(3000)
    ]
    tasks = {told["id"]: told for told in map(json.loads, lines)}
    sorted(tasks.values(), key=lambda told: (told["name"], -told["at"]))
    numbers = np.arange(300_000) * 7919 % 300_000
    np.sort(numbers[numbers])
