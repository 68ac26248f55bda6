"""The fleets: which workers there are, and starting them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import lazycelery
from lazycelery.demo.group import ProcessGroup


class WorkerSpec(NamedTuple):
    """A worker: its name before the @, and its pool, slots and queues as Celery's options say them."""

    name: str
    pool: str
    slots: int
    queues: str


FLEETS: dict[str, tuple[WorkerSpec, ...]] = {
    "shop": (
        WorkerSpec("pics", "solo", 1, "low"),
        WorkerSpec("mail", "threads", 4, "default"),
        WorkerSpec("pay", "prefork", 2, "high,default"),
    ),
}


class Fleet:
    """Workers and customers of a fleet, running in a group."""

    def __init__(self, group: ProcessGroup, name: str, broker: str, seed: int | None) -> None:
        self.members: dict[str, subprocess.Popen[bytes]] = {}
        self._group = group
        self._env = _environment(broker, group.directory)
        for spec in FLEETS[name]:
            host = f"{spec.name}@{name}"
            options = ("-P", spec.pool, "-c", str(spec.slots), "-Q", spec.queues)
            self._start(spec.name, "worker", host, *options)
        self._start("traffic", "traffic", *([] if seed is None else [str(seed)]))

    def gone(self) -> list[str]:
        """Names of members that ended since this was asked last; each is told once."""
        ended = [name for name, process in self.members.items() if process.poll() is not None]
        for name in ended:
            del self.members[name]
        return ended

    def _start(self, name: str, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", f"lazycelery.demo.{module}", *arguments]
        self.members[name] = self._group.start(name, command, env=self._env, leashed=True)


def _environment(broker: str, directory: Path) -> dict[str, str]:
    """The URL goes by environment, never by argv, where every user of the machine could read it.

    Temporary files, which a killed worker cannot remove, go where the group removes them. Whatever
    the user set for Celery stays outside: `CELERY_BROKER_URL` would win over the app's own broker.
    """
    ours = str(Path(lazycelery.__file__).parents[1])
    inherited = os.environ.get("PYTHONPATH")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("CELERY")},
        "LAZYCELERY_DEMO_BROKER": broker,
        "TMPDIR": str(directory),
        "PYTHONPATH": os.pathsep.join([ours, inherited] if inherited else [ours]),
    }
