"""`python -m tests.benchmarks [NAME… | --all]`: measure, print a table, fail when a limit is missed.

What breaks is said in its line, and the rest goes on. Long ones tell on stderr how far they are.

Without names all but `soak`, which takes 20 minutes, or `$LAZYCELERY_SOAK` seconds, and `team`, which needs a
PostgreSQL and psycopg.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.benchmarks import (
    asking,
    crowded,
    detection,
    examining,
    grouping,
    history,
    listening,
    million,
    painting,
    peers,
    program,
    rabbit,
    screen,
    soak,
    starting,
    sustained,
)
from tests.benchmarks.figure import Figure, guarded
from tests.benchmarks.pace import pace


def _team(home: Path) -> list[Figure]:
    # Only this one needs psycopg.
    from tests.benchmarks import team

    return team.team_figures(home)


MEASURES: dict[str, Callable[[Path], Iterable[Figure]]] = {
    "commands": starting.command_cpu,
    "start": starting.first_frame_and_worker,
    "asking": lambda home: asking.answers_and_load(),
    "crowded": lambda home: crowded.figures(),
    "listening": lambda home: listening.events_from_either(),
    "rabbit": lambda home: rabbit.questions_and_queues(),
    "peers": peers.peers_figures,
    "detection": detection.figures,
    "doctor": lambda home: examining.examination(),
    "errors": lambda home: grouping.failures(),
    "history": history.history_figures,
    "bytes": painting.bytes_sent,
    "screen": screen.screen,
    "million": lambda home: million.questions(),
    "program": program.program,
    "sustained": sustained.sustained,
    "team": _team,
    "soak": soak.soak_figures,
}
LONG = ("soak", "team")
"""Measured only when they are named, or with `--all`."""


def measure(name: str) -> Iterator[Figure]:
    slow = pace()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        for figure in guarded(name, lambda: MEASURES[name](Path(home))):
            yield figure.at(max(slow, slow := pace()))


def main() -> int:
    if "--help" in sys.argv:
        print(__doc__, *MEASURES)
        return 0
    kept, short = True, 0
    asked = sys.argv[1:] or [name for name in MEASURES if name not in LONG]
    for name in list(MEASURES) if asked == ["--all"] else asked:
        for figure in measure(name):
            print(figure.line(), flush=True)
            kept = kept and figure.kept
            short += not figure.reached and figure.kept
    if short:
        print(f"{short} of these figures are short of their aims, and within their limits")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
