"""`python -m tests.benchmarks [NAME…]`: measure, print a table, fail when a limit is missed."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import (
    asking,
    detection,
    examining,
    history,
    listening,
    painting,
    peers,
    rabbit,
    screen,
    starting,
)
from tests.benchmarks.figure import Figure

MEASURES: dict[str, Callable[[Path], list[Figure]]] = {
    "commands": lambda home: starting.command_cpu(),
    "start": starting.first_frame_and_worker,
    "asking": lambda home: asking.answers_and_load(),
    "listening": lambda home: listening.events_from_either(),
    "rabbit": lambda home: rabbit.questions_and_queues(),
    "peers": peers.peers_figures,
    "detection": detection.figures,
    "doctor": lambda home: examining.examination(),
    "history": history.history_figures,
    "bytes": painting.bytes_sent,
    "screen": screen.screen,
    "keys": painting.keys_in_a_flood,
}


def measure(name: str) -> list[Figure]:
    with tempfile.TemporaryDirectory() as home:
        return MEASURES[name](Path(home))


def main() -> int:
    kept = True
    for name in sys.argv[1:] or MEASURES:
        for figure in measure(name):
            print(figure.line(), flush=True)
            kept = kept and figure.kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
