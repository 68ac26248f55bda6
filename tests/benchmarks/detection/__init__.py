"""From a cause to its finding, and from the cure to its end: every failure mode, provoked on a real fleet and
watched with the default settings but for the limits that are named.

`python -m tests.benchmarks detection` measures all of them, `DETECT=worker-lost,task-slow` in the environment
some, and `DETECT_WRITE=1` writes what was measured into the table of docs/findings.md.
"""

from __future__ import annotations

import asyncio
import math
import os
from pathlib import Path

from tests.benchmarks.detection import brokers, tasks, usual, workers
from tests.benchmarks.detection.table import SOON, line, write
from tests.benchmarks.detection.ward import CASES, Case, measure
from tests.benchmarks.figure import Figure

__all__ = ["CASES", "Case", "brokers", "figures", "tasks", "usual", "workers"]


def figures(home: Path) -> list[Figure]:
    """One figure a mode and cause: seconds from the moment when it was to be seen."""
    wanted = set(filter(None, os.environ.get("DETECT", "").split(",")))
    found = []
    for one in CASES:
        if wanted and wanted.isdisjoint(one.codes):
            continue
        try:
            measured = asyncio.run(measure(one))
        except Exception as problem:
            print(f"{one.codes}: {problem}", flush=True)
            for code in one.codes:
                found.append(Figure(f"{code}: {one.cause}"[:54], math.inf, "s", SOON, str(problem)))
            continue
        for code, times in measured.items():
            print(line(code, one, times), flush=True)
            found.append(Figure(f"{code}: {one.cause}"[:54], times.wire, "s", SOON, one.visible))
        if os.environ.get("DETECT_WRITE"):
            write(one, measured)
    return found
