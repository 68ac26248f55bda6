"""Ours beside `celery.events.State` and Flower, on the same messages in the same run.

    python -m tests.benchmarks peers

Celery and Flower come into an environment of their own: `$LAZYCELERY_PEERS`, by default
`.venv-peers`, made at the first run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

from tests.benchmarks.figure import Figure
from tests.benchmarks.traffic import envelope, tasks
from tests.support.fleet import ROOT

TASKS = 100_000
FEED = Path(__file__).with_name("peer_feed.py")
PACKAGES = ("celery>=5.4", "flower>=2")
NAMES = {
    "ours": "LazyCelery",
    "ours-history": "LazyCelery, with history",
    "state": "celery.events.State",
    "flower": "Flower",
}
ROWS = (
    ("cpu", "CPU an event", "us"),
    ("bytes", "memory a task", "B"),
    ("more", "memory a task more, of the second half", "B"),
    ("filter", "filter by name and state", "ms"),
)
ROWS += (
    ("search", "word in all texts", "ms"),
    ("sort", "longest 200", "ms"),
    ("start", "start with all of it from the disk", "ms"),
)
FIFTEENTH = 100 / 15
QUERIES = ("filter", "search", "sort", "start")


def environment() -> Path:
    """The interpreter that has Celery and Flower."""
    place = Path(os.environ.get("LAZYCELERY_PEERS", ROOT / ".venv-peers"))
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def write(path: Path) -> int:
    """The events of so many tasks as messages, as workers send them: one, then two; returns the events."""
    events = 0
    with path.open("wb") as file:
        for life in islice(tasks(), TASKS):
            for batch in (life[:1], life[1:]):
                body = envelope(batch)
                file.write(len(body).to_bytes(4, "big") + body)
                events += len(batch)
    return events


def peers_figures(home: Path) -> list[Figure]:
    python, traffic = environment(), home / "traffic"
    events = write(traffic)
    found: dict[str, dict[str, float]] = {}
    for kind in NAMES:
        command = [
            str(python) if kind in ("state", "flower") else sys.executable,
            str(FEED),
            kind,
            str(traffic),
        ]
        told = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            cwd=home,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        found[kind] = json.loads(told.stdout.splitlines()[-1])
        found[kind]["cpu"] *= 1e6 / events
        for name in ("bytes", "more"):
            found[kind][name] /= TASKS
        for name in QUERIES:
            if name in found[kind]:
                found[kind][name] *= 1000
    print(table(found))
    ours, kept, flower = found["ours"], found["ours-history"], found["flower"]
    return [
        *_an_event("CPU an event", ours["cpu"], flower["cpu"], 9.0, 5.0),
        *_an_event("CPU an event, with history", kept["cpu"], flower["cpu"], 15.0, 8.0),
        Figure("memory a task, of Flower's", 100 * ours["bytes"] / flower["bytes"], "%", 13.0),
        Figure("filter, of Flower's", 100 * ours["filter"] / flower["filter"], "%", 25.0),
        Figure("word in all texts, of Flower's", 100 * ours["search"] / flower["search"], "%", 45.0),
        Figure("longest 200, of Flower's", 100 * ours["sort"] / flower["sort"], "%", 25.0),
        Figure("start with the history, of Flower's", 100 * kept["start"] / flower["start"], "%", 20.0),
    ]


def _an_event(name: str, ours: float, flower: float, limit: float, aim: float) -> list[Figure]:
    """`limit`: percent of Flower's, as machines differ; `aim`: microseconds."""
    return [
        Figure(name, ours, "us", flower * limit / 100, f"Flower {flower:.1f} us", aim=aim, beside=True),
        Figure(f"{name}, of Flower's", 100 * ours / flower, "%", limit, aim=FIFTEENTH),
    ]


def table(found: dict[str, dict[str, float]]) -> str:
    """Markdown, as in docs/performance.md."""
    lines = [f"| | {' | '.join(NAMES.values())} |", "|---|" + "---:|" * len(NAMES)]
    for key, title, unit in ROWS:
        told = [f"{found[kind][key]:,.1f} {unit}" if key in found[kind] else "-" for kind in NAMES]
        cells = " | ".join(told)
        lines.append(f"| {title} | {cells} |")
    return "\n".join(lines) + "\n"
